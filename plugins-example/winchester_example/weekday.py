"""The condition `weekday`: a datetime on one of the given days of the week."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from voluptuous import All, Invalid, Length, Optional, Required, Schema
from voluptuous import Any as AnyOf

from winchester_core.interfaces import Condition, json_schema
from winchester_core.model import to_utc

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
UTC_NAME = "UTC"


@json_schema(type="string", title="day, or a range of days", examples=["sat", "mon-fri"])
def day_range(text: Any) -> str:
    """Validate a day or a range of days: `sat`, `mon-fri`, `fri-mon`; return it in lower case.

    Raises `voluptuous.Invalid`.
    """
    if isinstance(text, str):
        normalized = text.strip().lower()
        first, dash, last = normalized.partition("-")
        if first in DAYS and (last in DAYS if dash else not last):
            return normalized
    raise Invalid(f"{text!r:.60} is not a day; allowed: {' '.join(DAYS)}, or a range: mon-fri")


@json_schema(type="string", title="time zone", examples=["Europe/Berlin"])
def time_zone(name: Any) -> str:
    """Validate the name of a time zone. Raises `voluptuous.Invalid`."""
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise Invalid(f"expected a time zone, such as Europe/Berlin, not {name!r:.60}") from None


_LIST = Schema(All([day_range], Length(min=1, msg="expected at least one day")))


@json_schema(AnyOf(day_range, _LIST))
def day_list(value: Any) -> list[str]:
    """Validate a day, a range or a list of them; return a list. Raises `voluptuous.Invalid`."""
    days: list[str] = _LIST(value) if isinstance(value, list) else [day_range(value)]
    return days


_MAPPING = Schema(
    {
        Required("days", description="a day, a range of days, or a list of them"): day_list,
        Optional("zone", default=UTC_NAME, description="time zone of the days"): time_zone,
    },
)


@json_schema(AnyOf(day_list, _MAPPING))
def expression(value: Any) -> dict[str, Any]:
    """Normalize the three forms of the expression to `{days: [...], zone: ...}`.

    Idempotent. Raises `voluptuous.Invalid`, with the path in `value`.
    """
    if isinstance(value, Mapping):
        normalized: dict[str, Any] = _MAPPING(dict(value))
        return normalized
    return {"days": day_list(value), "zone": UTC_NAME}


class WeekdayCondition(Condition):
    """The trait is a datetime on one of the days, in UTC or in the given time zone.

    The expression is a day or a range of days (`sat`, `mon-fri`; a range may wrap around:
    `fri-mon`), a list of them, or a map: `{days: [sat, sun], zone: Europe/Berlin}`.
    """

    example: ClassVar[str] = "timestamp: {weekday: {days: [sat, sun], zone: Europe/Berlin}}"
    config_schema: ClassVar[Schema] = Schema(expression)

    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, expression)
        normalized = self.config_schema(expression)
        self._days = frozenset(day for each in normalized["days"] for day in weekdays_in(each))
        self._zone = ZoneInfo(normalized["zone"])

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether the trait is a datetime on one of the days."""
        value = event.get(self.trait)
        if not isinstance(value, datetime):
            return False
        try:
            return to_utc(value).astimezone(self._zone).weekday() in self._days
        except (ValueError, OverflowError):  # at the ends of the calendar
            return False

    def describe(self) -> str:
        """Return the trait, the days in the order of the week, and the time zone, in words."""
        names = " or ".join(DAYS[day] for day in sorted(self._days))
        return f"{self.trait} is a datetime on {names} in {self._zone.key}"


def weekdays_in(days: str) -> list[int]:
    """Return the weekdays of a valid day or range; Monday is 0."""
    first, dash, last = days.partition("-")
    begin = DAYS.index(first)
    length = (DAYS.index(last) - begin) % len(DAYS) if dash else 0
    return [(begin + step) % len(DAYS) for step in range(length + 1)]
