"""Trait filters of listings: ``--trait name=value``, where the value's form tells its type."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.failure import UsageError
from winchester_core.model.event import name_problem, parse_timestamp, storable
from winchester_core.model.time_range import TimeRange

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

HELP: Final = (
    "only those with this trait; the value's form tells its type: 5 is an integer, 5.0 a float, "
    "true and false are booleans, 2015-01-20T17:00:00Z a datetime; anything else is text, and "
    "so is what stands in double quotes. Repeated: all of them"
)

_INTEGER = re.compile(r"[+-]?\d+\Z")
_FLOAT = re.compile(r"[+-]?(?:\d+\.\d*|\.?\d+)(?:e[+-]?\d+)?\Z", re.IGNORECASE)
_DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_BOOLEANS: Final = {"true": True, "false": False}


def read_traits(texts: Iterable[str]) -> dict[str, Any]:
    """The wanted traits of ``name=value`` texts, typed. Raises `UsageError`."""
    traits: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        fault = name_problem(name) if equals else "expected name=value"
        if fault is None and name in traits:
            fault = f"the trait {name!r} is given twice"
        if fault is not None:
            raise UsageError(f"--trait {text}: {fault}")
        traits[name] = _read_value(text, value)
    return traits


def _read_value(text: str, written: str) -> Any:
    value = typed(written)
    if isinstance(value, TimeRange):
        return value
    stored, fault = storable(value)
    if fault is not None:
        raise UsageError(f"--trait {text}: {fault}; no trait has such a value")
    return stored


def typed(written: str) -> str | int | float | bool | datetime | TimeRange:
    """The value that a text means; a time that ``begin/end`` makes a range of is one of streams."""
    if len(written) > 1 and written[0] == written[-1] == '"':
        return written[1:-1]
    if written in _BOOLEANS:
        return _BOOLEANS[written]
    if _INTEGER.match(written):
        return int(written)
    if _FLOAT.match(written):
        return float(written)
    if _DATE_AND_TIME.match(written):
        return _time_or_text(written)
    return written


def _time_or_text(written: str) -> str | datetime | TimeRange:
    begin, slash, end = written.partition("/")
    try:
        if slash:
            return TimeRange(parse_timestamp(begin), parse_timestamp(end))
        return parse_timestamp(written)
    except ValueError:
        return written
