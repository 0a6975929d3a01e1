"""Whether a value is the one that a case expects, and how values are written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from winchester_core.model.event import to_utc
from winchester_core.model.time_range import TimeRange, TimeStamp


def is_as_expected(expected: Any, came: Any) -> bool:
    """Tell whether `came` is what a file of YAML means by `expected`; 1, 1.0, true, "1" differ.

    A date, or a time without offset, is one of UTC; a range of time is a list of its two ends.
    """
    expected, came = _comparable(expected), _comparable(came)
    if isinstance(expected, Mapping) and isinstance(came, Mapping):
        return expected.keys() == came.keys() and all(
            is_as_expected(value, came[key]) for key, value in expected.items()
        )
    if isinstance(expected, list) and isinstance(came, list):
        return len(expected) == len(came) and all(map(is_as_expected, expected, came))
    return type(expected) is type(came) and bool(expected == came)


def in_words(value: Any) -> str:
    """A value on one line, times as they are written in YAML."""
    plain = _plain(value)
    if isinstance(plain, str) and plain.isprintable():
        return plain
    return json.dumps(plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    value = _comparable(value)
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
    return value


def _comparable(value: Any) -> Any:
    match value:
        case datetime():
            return to_utc(value)
        case date():
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        case TimeStamp():
            return value.timestamp
        case TimeRange():
            return [value.begin, value.end]
        case tuple():
            return list(value)
    return value
