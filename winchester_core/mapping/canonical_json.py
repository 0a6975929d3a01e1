"""Canonical JSON: equal values have equal texts."""

from __future__ import annotations

import json
from typing import Any

import orjson


def canonical_json(value: Any) -> bytes:
    """Return JSON with sorted keys and without white space, for a value that `read_json` returns.

    Lone surrogates and integers of any length are kept. Raises `ValueError` if the value is nested
    too deeply.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # an integer beyond 64 bits, a lone surrogate, or more than 254 levels
        pass
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    return text.encode()
