"""Events and their validation.

An event is a flat ``dict``: `message_id` and `event_type` (str, 1-255 characters), `timestamp` (an
aware UTC datetime), and any number of traits, each a str, int, float, bool or datetime. If the
`message_id` is a `uuid.UUID`, its text is stored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from winchester_core.errors import InvalidEvent

TraitValue: TypeAlias = str | int | float | bool | datetime
Event: TypeAlias = dict[str, Any]
"""Values are `TraitValue`s. The type is `Any`, because handlers know the types of their traits."""

REQUIRED_KEYS = ("message_id", "event_type", "timestamp")
MAX_NAME_LENGTH = 255
MIN_INT, MAX_INT = -(2**63), 2**63 - 1
MIN_YEAR, MAX_YEAR = 1000, 9999
NOT_A_TIME = "not an RFC 3339 date and time"
OUTSIDE_OF_YEARS = f"a time outside the years {MIN_YEAR}-{MAX_YEAR}"


@dataclass(frozen=True, slots=True)
class TraitDrop:
    """A trait that was dropped from an event, and the reason."""

    trait: str
    reason: str


@dataclass(frozen=True, slots=True)
class LongInteger:
    """An integer of JSON with more digits than Python converts to an `int`."""

    digits: str = field(repr=False)

    def __str__(self) -> str:
        return self.digits


class CleanEvent(NamedTuple):
    """An event in the form in which it is stored, and its dropped traits."""

    event: Event
    drops: tuple[TraitDrop, ...] = ()


def clean_event(raw: object) -> CleanEvent:
    """Return a storable copy of `raw`: datetimes in UTC, `None` omitted, invalid traits dropped.

    Raises `InvalidEvent` if `raw` is not a mapping, or a required key is missing or invalid.
    """
    if type(raw) is not dict and not isinstance(raw, Mapping):  # isinstance is slow here
        raise InvalidEvent("event", f"must be a mapping, not {type(raw).__name__}")
    event: Event = {
        "message_id": _required_text(raw, "message_id"),
        "event_type": _required_text(raw, "event_type"),
        "timestamp": _required_timestamp(raw),
    }
    drops = _add_traits(event, raw)
    return CleanEvent(event, tuple(drops))


_valid_names: dict[str, str] = {}
"""Cache of valid trait names, which never holds a required key: most events share a few names.

All events use the cached string as the key, which saves memory.
"""

_MAX_VALID_NAMES = 10_000


def _add_traits(event: Event, raw: Mapping[Any, Any]) -> list[TraitDrop]:
    """Add the storable traits of `raw` to `event`; return the dropped ones."""
    drops: list[TraitDrop] = []
    for name, value in raw.items():
        cached_name = _valid_names.get(name)
        if cached_name is None:
            if name not in REQUIRED_KEYS:
                _add_trait(event, drops, name, value)
            continue
        # Nearly every trait has a cached name and a value that needs no conversion. Inlining this
        # check halves the time per event.
        value_type = type(value)
        if value_type is str:
            needs_no_conversion = value.isascii() and "\0" not in value
        elif value_type is int:
            needs_no_conversion = MIN_INT <= value <= MAX_INT
        elif value_type is datetime:
            needs_no_conversion = value.tzinfo is UTC and value.year >= MIN_YEAR
        else:
            needs_no_conversion = value_type is bool or (value_type is float and isfinite(value))
        if needs_no_conversion:
            event[cached_name] = value
        else:
            _add_trait(event, drops, name, value)
    return drops


def _add_trait(event: Event, drops: list[TraitDrop], name: Any, value: Any) -> None:
    """Add the storable form of a trait to `event`, or the reason for dropping it to `drops`."""
    if value is None:
        return
    if isinstance(name, str):
        name = str.__str__(name)  # as in `storable`
        if name in REQUIRED_KEYS:
            return
    problem = None if name in _valid_names else name_problem(name)
    if problem is None:
        if len(_valid_names) < _MAX_VALID_NAMES:
            _valid_names.setdefault(name, name)
        stored, problem = storable(value)
        if problem is None:
            event[name] = stored
            return
    drops.append(TraitDrop(printable(name), problem))


def storable(value: Any) -> tuple[TraitValue | None, str | None]:
    """Return (storable value, None), or (None, reason why some database cannot store it)."""
    # a subclass may override any method, so only methods of the plain class are called
    if isinstance(value, str):
        text = str.__str__(value)
        problem = text_problem(text)
        return (None, problem) if problem else (text, None)
    if isinstance(value, bool):
        return value, None
    if isinstance(value, int):
        number = int.__int__(value)
        if MIN_INT <= number <= MAX_INT:
            return number, None
        return None, "an integer beyond signed 64 bits"
    if isinstance(value, float):
        real = float.__float__(value)
        if isfinite(real):
            return real, None
        return None, f"{real} cannot be stored by every database"
    if isinstance(value, datetime):
        try:
            return to_utc(value), None
        except ValueError as error:
            return None, str(error)
    if isinstance(value, LongInteger):
        return None, "an integer beyond signed 64 bits"
    return None, f"a trait cannot be of type {type(value).__name__}"


def to_utc(moment: datetime) -> datetime:
    """Return `moment` as a plain aware `datetime` in UTC. A naive `moment` is in UTC.

    Raises `ValueError` if its year is outside 1000-9999, or if its time zone fails.
    """
    if type(moment) is not datetime:  # for example pandas.Timestamp, which drivers do not support
        moment = datetime.combine(datetime.date(moment), datetime.timetz(moment))
    if moment.tzinfo is UTC:
        utc = moment
    elif moment.tzinfo is None:
        utc = moment.replace(tzinfo=UTC)
    else:
        try:
            utc = moment.astimezone(UTC)
        except OverflowError:
            raise ValueError(OUTSIDE_OF_YEARS) from None
        except Exception as error:  # noqa: BLE001 - a time zone of the sender's program
            raise ValueError(f"its time zone raised {type(error).__name__}") from None
    if utc.year < MIN_YEAR:
        raise ValueError(OUTSIDE_OF_YEARS)
    return utc


_TIMESTAMP = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?P<time>[Tt ](?P<hour>\d\d):\d\d(?::(?P<second>\d\d)(?P<fraction>[.,]\d+)?)?"
    r"(?P<offset>[Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


def parse_timestamp(text: str, *, date_only: bool = False) -> datetime:
    """Parse an RFC 3339 date and time as aware UTC. With `date_only`, a date means its midnight.

    Also accepted: a space for the T, no seconds, no offset (UTC), an offset without a colon or
    minutes. Second 60 becomes the next second; a fraction is cut to microseconds. Other forms of
    ISO 8601 are refused, because "1799090150458" would be one of them. Raises `ValueError`. It
    never quotes the text, because message bodies may be confidential.
    """
    if _is_usual_form(text):  # a regular expression would take several times as long
        with suppress(ValueError):
            return to_utc(datetime.fromisoformat(text))
    match = _TIMESTAMP.fullmatch(text.strip())
    if match is None or match["hour"] == "24" or not (match["time"] or date_only):
        raise ValueError(NOT_A_TIME)
    is_leap_second = match["second"] == "60"
    text = match[0].upper().replace(" ", "T")
    if is_leap_second:
        at = match.start("second")
        text = f"{text[:at]}59{text[at + 2 :]}"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(NOT_A_TIME) from None
    utc = to_utc(moment)
    try:
        return utc + timedelta(seconds=1) if is_leap_second else utc
    except OverflowError:
        raise ValueError(OUTSIDE_OF_YEARS) from None


_SHORTEST_WITH_SECONDS_OF_OFFSET = len("2015-01-20T00:00:00+00:00:30")


def _is_usual_form(text: str) -> bool:
    return (
        len(text) >= 19
        and text[4] == text[7] == "-"
        and text[10] == "T"
        and text[13] == text[16] == ":"
        and text[11:13] != "24"
        and (len(text) < _SHORTEST_WITH_SECONDS_OF_OFFSET or text[-6] in "+-")
    )


def name_problem(name: Any) -> str | None:
    """Return why `name` is not a valid trait name, or None."""
    if not isinstance(name, str):
        return f"a trait's name cannot be of type {type(name).__name__}"
    if not 0 < len(name) <= MAX_NAME_LENGTH:
        return f"the name has {len(name)} characters; 1 to {MAX_NAME_LENGTH} are allowed"
    return text_problem(name)


def text_problem(text: str) -> str | None:
    """Return why some database cannot store `text`, or None."""
    if "\0" in text:
        return "text with a NUL character"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "text with a lone surrogate"
    return None


def printable(name: Any) -> str:
    """Return a trait name for a log line: truncated, NUL and lone surrogates escaped."""
    return ascii(name)[:80] if not isinstance(name, str) or text_problem(name) else name[:80]


def message_id_text(message_id: str | UUID) -> str:
    """Return the text that is stored for a message id, which may be a `UUID`."""
    return UUID.__str__(message_id) if isinstance(message_id, UUID) else message_id


def _required_text(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key)
    if type(value) is str and 0 < len(value) <= MAX_NAME_LENGTH and text_problem(value) is None:
        return value
    if value is None:
        raise InvalidEvent(key, "is missing")
    if isinstance(value, UUID) and key == "message_id":
        return message_id_text(value)
    if not isinstance(value, str):
        raise InvalidEvent(key, f"must be text, not {type(value).__name__}")
    value = str.__str__(value)
    if not 0 < len(value) <= MAX_NAME_LENGTH:
        raise InvalidEvent(key, f"must have 1 to {MAX_NAME_LENGTH} characters, not {len(value)}")
    problem = text_problem(value)
    if problem:
        raise InvalidEvent(key, problem)
    return value


def _required_timestamp(raw: Mapping[str, Any]) -> datetime:
    value = raw.get("timestamp")
    if value is None:
        raise InvalidEvent("timestamp", "is missing")
    try:
        if isinstance(value, datetime):
            return to_utc(value)
        if isinstance(value, str):
            return parse_timestamp(value)
    except ValueError as error:
        raise InvalidEvent("timestamp", str(error)) from None
    raise InvalidEvent(
        "timestamp", f"must be a datetime or an RFC 3339 text, not {type(value).__name__}"
    )
