"""Types of the values that a mapping makes, and their conversion from JSON."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

from winchester_core.mapping.canonical_json import canonical_json
from winchester_core.model.event import parse_timestamp, to_utc

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECONDS = {
    "epoch_seconds": Decimal(1_000_000),
    "epoch_milliseconds": Decimal(1_000),
    "epoch_microseconds": Decimal(1),
    "epoch_nanoseconds": Decimal("0.001"),
}
"""Microseconds in a unit, by type name."""

MAX_EPOCH_NUMBER = 10**21
_NUMBER = re.compile(r"[+-]?[0-9]{1,21}(?:\.[0-9]{1,30})?", re.ASCII)

_TRUE = frozenset(("true", "yes", "on", "1"))
_FALSE = frozenset(("false", "no", "off", "0"))


def to_text(value: Any) -> str:
    """Return text as it is, and any other value as JSON."""
    return value if type(value) is str else canonical_json(value).decode()


def to_boolean(value: Any) -> bool:
    """Return a boolean, for true and false, 1 and 0, and the texts for them in any case."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower() if isinstance(value, str | int) else ""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("not a boolean")


def to_datetime(value: Any) -> datetime:
    """Return an RFC 3339 text as aware UTC; a date alone is its midnight.

    The form of Ruby, with a space before the offset or `UTC`, is also read: GitLab writes it.
    """
    if isinstance(value, datetime):
        return to_utc(value)
    return parse_timestamp(_RUBY_OFFSET.sub(_offset, value), date_only=True)


_RUBY_OFFSET = re.compile(r"(?<=[0-9]) (UTC|[+-][0-9]{4})\Z", re.ASCII)


def _offset(match: re.Match[str]) -> str:
    return "Z" if match[1] == "UTC" else match[1]


def to_utf8_text(value: Any) -> str:
    """Return text as it is, and a list of the numbers of bytes decoded from UTF-8.

    Damaged bytes become U+FFFD. journald writes such a list for text with control characters.
    """
    if isinstance(value, list):
        return bytes(value).decode("utf-8", errors="replace")
    return to_text(value)


def epoch_reader(microseconds: Decimal) -> Callable[[Any], datetime]:
    """Return a converter of numbers of units since 1970, as number or text, to aware UTC.

    A unit has this number of microseconds. Fractions of a microsecond are cut.
    """

    def read(value: Any) -> datetime:
        return to_utc(EPOCH + timedelta(microseconds=int(_decimal(value) * microseconds)))

    return read


def _decimal(value: Any) -> Decimal:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return Decimal(value.strip())
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and isfinite(value) and abs(value) <= MAX_EPOCH_NUMBER:
        return Decimal(repr(value))
    raise ValueError("not a number")


CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "text": to_text,
    "utf8_text": to_utf8_text,
    "int": int,
    "float": float,
    "datetime": to_datetime,
    "boolean": to_boolean,
    **{name: epoch_reader(factor) for name, factor in MICROSECONDS.items()},
}
"""Converters by type name. They raise for values that they cannot convert. `int` truncates."""

CONVERSION_FAILURES = {
    "text": "not a text",
    "utf8_text": "neither a text nor a list of bytes (0 to 255)",
    "int": "not an int",
    "float": "not a float",
    "datetime": "not an RFC 3339 date and time in the years 1000-9999",
    "boolean": "not a boolean (true, false, yes, no, on, off, 1, 0)",
    **{
        name: f"not a number of {name.removeprefix('epoch_')} since 1970-01-01, up to the year 9999"
        for name in MICROSECONDS
    },
}
"""Error texts by type name; they follow the description of the value and "is"."""
