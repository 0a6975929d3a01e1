"""The condition `weekday`: a datetime that falls on one of some days of the week."""

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


@json_schema(type="string", title="day, or a span of days", examples=["sat", "mon-fri"])
def day_span(text: Any) -> str:
    """Accept a day, or the first and last of several: `sat`, `mon-fri`, `fri-mon`.

    Raises `voluptuous.Invalid`.
    """
    if isinstance(text, str):
        written = text.strip().lower()
        first, dash, last = written.partition("-")
        if first in DAYS and (last in DAYS if dash else not last):
            return written
    raise Invalid(f"{text!r:.60} is no day: write one of {' '.join(DAYS)}, or a span: mon-fri")


@json_schema(type="string", title="time zone", examples=["Europe/Berlin"])
def time_zone(name: Any) -> str:
    """Accept the name of a time zone. Raises `voluptuous.Invalid`."""
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise Invalid(f"{name!r:.60} is no time zone, such as Europe/Berlin") from None


_LIST = Schema(All([day_span], Length(min=1, msg="at least one day is wanted")))


@json_schema(AnyOf(day_span, _LIST))
def day_list(value: Any) -> list[str]:
    """Accept a day, a span or a list of them. Raises `voluptuous.Invalid`."""
    days: list[str] = _LIST(value) if isinstance(value, list) else [day_span(value)]
    return days


_MAPPING = Schema(
    {
        Required("days", description="a day, a span of days, or a list of them"): day_list,
        Optional(
            "zone", default=UTC_NAME, description="where the days begin and end at midnight"
        ): time_zone,
    },
)


@json_schema(AnyOf(day_list, _MAPPING))
def expression(value: Any) -> dict[str, Any]:
    """Bring the three forms of the expression into one: `{days: [...], zone: ...}`.

    What it returns it accepts again. Raises `voluptuous.Invalid`, with the path in `value`.
    """
    if isinstance(value, Mapping):
        full: dict[str, Any] = _MAPPING(dict(value))
        return full
    return {"days": day_list(value), "zone": UTC_NAME}


class WeekdayCondition(Condition):
    """The trait is a datetime that falls on one of the days, in UTC or in the time zone given.

    The expression is a day or a span of days (`sat`, `mon-fri`; a span may go round: `fri-mon`),
    a list of them, or a map: `{days: [sat, sun], zone: Europe/Berlin}`.
    """

    example: ClassVar[str] = "timestamp: {weekday: {days: [sat, sun], zone: Europe/Berlin}}"
    config_schema: ClassVar[Schema] = Schema(expression)

    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, expression)
        checked = self.config_schema(expression)
        self._days = frozenset(number for span in checked["days"] for number in numbers(span))
        self._zone = ZoneInfo(checked["zone"])

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Tell whether the trait is a datetime on one of the days; False for all else."""
        value = event.get(self.trait)
        if not isinstance(value, datetime):
            return False
        try:
            return to_utc(value).astimezone(self._zone).weekday() in self._days
        except (ValueError, OverflowError):  # at the ends of the calendar
            return False

    def describe(self) -> str:
        """The trait, the days in the order of the week, and the time zone."""
        names = " or ".join(DAYS[number] for number in sorted(self._days))
        return f"{self.trait} is a datetime on {names} in {self._zone.key}"


def numbers(span: str) -> list[int]:
    """The days that a valid span means, Monday being 0."""
    first, dash, last = span.partition("-")
    begin = DAYS.index(first)
    length = (DAYS.index(last) - begin) % len(DAYS) if dash else 0
    return [(begin + step) % len(DAYS) for step in range(length + 1)]
