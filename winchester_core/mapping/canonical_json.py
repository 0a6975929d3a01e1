"""Canonical JSON: equal values have equal texts."""

from __future__ import annotations

import json
from typing import Any

import orjson


def canonical_json(value: Any, raw: bytes | None = None) -> bytes:
    """Return JSON with sorted keys and without white space, for a value that `read_json` returns.

    `raw`, if it is given, is returned instead for a value with an integer beyond 64 bits, a lone
    surrogate, or more than 254 levels. Without it, such a value is written in full. Raises
    `ValueError` if it is nested too deeply for that.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        if raw is not None:
            return raw
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return text.encode()
