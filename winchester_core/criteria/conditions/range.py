"""`range`: a number or a datetime between two inclusive bounds."""

from __future__ import annotations

from datetime import date, datetime
from sys import float_info
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

from voluptuous import All, Invalid, Length, MultipleInvalid, Optional, Schema

from winchester_core.criteria.conditions.typed_condition import (
    TypedCondition,
    format_constant,
    quote,
    type_name,
)
from winchester_core.interfaces import json_schema
from winchester_core.model import parse_timestamp, to_utc

if TYPE_CHECKING:
    from collections.abc import Mapping

Bound: TypeAlias = int | float | datetime

KEYS = ("min", "max")
DATE_LENGTH = len("2014-01-01")
NUMBER_TYPES, TIME_TYPES = (int, float), (datetime,)


@json_schema(type=["number", "string"], minLength=DATE_LENGTH + 1, title="number or datetime")
def parse_bound(value: Any) -> Bound:
    """Parse a finite number, a datetime, or a datetime as ISO 8601 text; naive is UTC.

    A date without a time is refused, because as an upper bound it would exclude nearly the whole
    day. Raises `voluptuous.Invalid`.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and abs(value) <= float_info.max:
        return cast("Bound", value)
    try:
        if isinstance(value, datetime):
            return to_utc(value)
        if isinstance(value, str) and len(value.strip()) > DATE_LENGTH:
            return parse_timestamp(value, date_only=True)
    except ValueError as error:
        raise Invalid(f"{quote(value)} is not a bound: {error}") from error
    if isinstance(value, (date, str)):
        raise Invalid(
            f"{quote(str(value))} is not a bound; write date and time, such as 2014-01-01T00:00:00"
        )
    raise Invalid(f"{quote(value)} is not a bound; allowed: a finite number, or a datetime")


@json_schema(
    All(
        {
            Optional("min", description="the lower bound, inclusive"): parse_bound,
            Optional("max", description="the upper bound, inclusive"): parse_bound,
        },
        Length(min=1),
    )
)
def parse_bounds(expression: Any) -> dict[str, Bound]:
    """Return a map with the bounds `min` and `max`; one of them may be absent.

    Raises `voluptuous.MultipleInvalid` with every error.
    """
    if not isinstance(expression, dict) or not expression:
        raise Invalid("expected a map with 'min', 'max' or both, such as {min: 1, max: 5}")
    errors: list[Invalid] = []
    parsed: dict[str, Bound] = {}
    for key, value in expression.items():
        try:
            if key not in KEYS:
                raise Invalid(f"unknown key {quote(key)}; allowed: min, max")
            parsed[key] = parse_bound(value)
        except Invalid as error:
            errors.append(Invalid(error.error_message, path=[key]))
    if errors:
        raise MultipleInvalid(errors)
    _check_order(parsed)
    return parsed


class RangeCondition(TypedCondition):
    """The trait is between `min` and `max`, both inclusive; one of them may be omitted.

    Number bounds match only ints and floats (not bools); datetime bounds match only datetimes.
    """

    example: ClassVar[str] = "vcpus: {range: {min: 1, max: 4}}"
    config_schema: ClassVar[Schema] = Schema(parse_bounds)

    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, expression)
        parsed = parse_bounds(expression)
        self._low: Any = parsed.get("min")
        self._high: Any = parsed.get("max")
        self._is_time = isinstance(next(iter(parsed.values())), datetime)
        self.trait_types = TIME_TYPES if self._is_time else NUMBER_TYPES

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether the trait has the bounds' type and is between them."""
        value = event.get(self.trait)
        if self._is_time:
            if not isinstance(value, datetime):
                return False
            try:
                value = to_utc(value)
            except ValueError:
                return False
        elif type(value) not in NUMBER_TYPES:
            return False
        return (self._low is None or self._low <= value) and (
            self._high is None or value <= self._high
        )

    def describe(self) -> str:
        """Return the trait and its bounds, in words."""
        noun = "a datetime" if self._is_time else "a number"
        low = "" if self._low is None else f" from {format_constant(self._low)}"
        high = "" if self._high is None else f" up to {format_constant(self._high)}"
        return f"{self.trait} is {noun}{low}{high}"


def _check_order(parsed: Mapping[str, Bound]) -> None:
    low, high = parsed.get("min"), parsed.get("max")
    if low is None or high is None:
        return
    if isinstance(low, datetime) != isinstance(high, datetime):
        kinds = f"{type_name(low)} and 'max' {type_name(high)}"
        raise Invalid(f"'min' is {kinds}: both must be numbers, or both datetimes")
    if low > high:  # type: ignore[operator]
        raise Invalid("'min' is greater than 'max'")
