"""JSON of responses, also of values that orjson refuses."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson


def dump_json(value: Any) -> bytes:
    """Return a value as JSON. NaN and infinity are null.

    The body of a rejected message may contain integers beyond 64 bits and lone surrogates, which
    orjson refuses.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return json.dumps(_finite(value), allow_nan=False, separators=(",", ":")).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
