"""Values as text and as JSON: times, durations, flat objects, traits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from winchester_core.errors import TimeEvaluationError
from winchester_core.model.event import name_problem, parse_timestamp, storable, to_utc
from winchester_core.model.time_range import TimeRange
from winchester_core.service.exit import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta


TIME_OR_DURATION: Final = "an ISO 8601 time (default offset: UTC), or a duration before now"
DURATION: Final = re.compile(r"(?:\d+\s*(?:us|mo|y|d|h|m|s)\s*)+\Z")
"""A duration of time expressions, such as ``1d`` or ``2h30m``; spaces are optional here."""
DURATION_PART: Final = re.compile(r"\d+\s*(?:us|mo|y|d|h|m|s)")


def parse_time(text: str) -> datetime:
    """Parse an ISO 8601 date, or date and time, to aware UTC; UTC is also the default offset.

    Raises `UsageError`.
    """
    try:
        return parse_timestamp(text, date_only=True)
    except ValueError as error:
        raise UsageError(
            f"{text!r} is not a time ({error}); expected ISO 8601, as in 2015-01-20T17:00:00Z"
        ) from None


def parse_time_before(text: str, now: Callable[[], datetime]) -> datetime:
    """Parse a time, or a duration before now; `now` is called only for a duration.

    Raises `UsageError`, and the errors of `now`.
    """
    return _shift_now(text, "-", now) if DURATION.match(text) else _parse_time_only(text)


def parse_time_after(text: str, now: Callable[[], datetime]) -> datetime:
    """Parse a time, or a duration after now; `now` is called only for a duration.

    Raises `UsageError`, and the errors of `now`.
    """
    return _shift_now(text, "+", now) if DURATION.match(text) else _parse_time_only(text)


def iso_text(time: datetime | None) -> str | None:
    """Return a time as ISO 8601 text in UTC."""
    return None if time is None else to_utc(time).isoformat()


def duration_text(duration: timedelta) -> str:
    """Return a duration in its two largest units, without sign, as in ``2d 3h``."""
    seconds = int(abs(duration).total_seconds())
    units = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
    parts: list[tuple[int, str]] = []
    for name, size in units:
        number, seconds = divmod(seconds, size)
        if number or parts:
            parts.append((number, name))
    return " ".join(f"{number}{name}" for number, name in parts[:2] if number) or "0s"


def to_json_value(value: Any) -> Any:
    """Convert a value to JSON's types: a time as `iso_text`, a time range as [begin, end]."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): to_json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_value(item) for item in value]
    if isinstance(value, datetime):
        return iso_text(value)
    if isinstance(value, TimeRange):
        return [iso_text(value.begin), iso_text(value.end)]
    return value.isoformat() if isinstance(value, date) else value


def flat_object(record: Any, paths: str) -> dict[str, Any]:
    """Return attributes of `record`, converted by `to_json_value`.

    `paths` are separated by spaces. A path is the name of an attribute, possibly nested
    ("endpoint.handler"); its last part is the key.
    """
    return {key: to_json_value(get(record)) for key, get in _getters(paths)}


@cache
def _getters(paths: str) -> list[tuple[str, Callable[[Any], Any]]]:
    return [(path.rpartition(".")[2], attrgetter(path)) for path in paths.split()]


def _shift_now(duration: str, sign: str, now: Callable[[], datetime]) -> datetime:
    from winchester_core.timex import parse

    try:
        shifted = parse(f"$timestamp {sign} {' '.join(DURATION_PART.findall(duration))}")
        return shifted(timestamp=now()).timestamp
    except TimeEvaluationError as error:
        raise UsageError(f"{duration!r} is out of range: {error.reason}") from None


def _parse_time_only(text: str) -> datetime:
    try:
        return parse_timestamp(text, date_only=True)
    except ValueError:
        raise UsageError(
            f"{text!r} is neither a time (ISO 8601, as in 2015-01-20T17:00:00Z) "
            "nor a duration (as in 1d or 2h30m; units y mo d h m s us)"
        ) from None


# Trait filters of listings: ``--trait name=value``, the type inferred from the value's form.


TRAIT_FILTER_HELP: Final = (
    "only records with this trait. The form of the value determines its type: 5 is an integer, 5.0 "
    "a float, true and false are booleans, and 2015-01-20T17:00:00Z is a datetime. A value in "
    "double quotes, and any other value, is text. If repeated, all must match"
)

_INTEGER = re.compile(r"[+-]?\d+\Z")
_FLOAT = re.compile(r"[+-]?(?:\d+\.\d*|\.?\d+)(?:e[+-]?\d+)?\Z", re.IGNORECASE)
_DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_BOOLEANS: Final = {"true": True, "false": False}


def parse_traits(texts: Iterable[str], parameter: str = "--trait") -> dict[str, Any]:
    """Parse ``name=value`` texts, values of a `parameter`, to typed traits. Raises `UsageError`."""
    traits: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        problem = name_problem(name) if equals else "expected name=value"
        if problem is None and name in traits:
            problem = f"the trait {name!r} is given twice"
        if problem is not None:
            raise UsageError(f"{parameter} {text}: {problem}")
        traits[name] = _parse_storable_value(f"{parameter} {text}", value)
    return traits


def _parse_storable_value(option: str, text: str) -> Any:
    value = parse_trait_value(text)
    if isinstance(value, TimeRange):
        return value
    stored, problem = storable(value)
    if problem is not None:
        raise UsageError(f"{option}: {problem}; no trait has such a value")
    return stored


def parse_trait_value(text: str) -> str | int | float | bool | datetime | TimeRange:
    """Return the typed value of a text. ``begin/end`` is a time range, which only streams have."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1]
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    if _DATE_AND_TIME.match(text):
        return _time_or_text(text)
    return text


def _time_or_text(text: str) -> str | datetime | TimeRange:
    begin, slash, end = text.partition("/")
    try:
        if slash:
            return TimeRange(
                parse_timestamp(begin, date_only=True), parse_timestamp(end, date_only=True)
            )
        return parse_timestamp(text, date_only=True)
    except ValueError:
        return text
