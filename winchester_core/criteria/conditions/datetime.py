"""`datetime`: a datetime within the value of a time expression."""

from __future__ import annotations

from copy import copy
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import Invalid, Schema

from winchester_core.criteria.conditions.typed_condition import (
    TypedCondition,
    expression_schema,
    quote,
)
from winchester_core.errors import TimeEvaluationError, TimeExpressionError
from winchester_core.interfaces import json_schema
from winchester_core.model import to_utc
from winchester_core.timex import parse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from winchester_core.timex import Expression


@json_schema(type="string", minLength=1, title="time expression", examples=["$timestamp + 1h"])
def parse_time_expression(expression: Any, zone: tzinfo = UTC) -> Expression:
    """Parse a time expression of the local time of `zone`. Raises `voluptuous.Invalid`."""
    if not isinstance(expression, str):
        raise Invalid(
            f"expected a time expression as text, such as '$timestamp + 1h', not "
            f"{quote(expression)}; 'range' compares with fixed datetimes"
        )
    try:
        return parse(expression, zone)
    except TimeExpressionError as error:
        raise Invalid(str(error)) from error


class DatetimeCondition(TypedCondition):
    """The trait is a datetime within the value of the time expression.

    Variables are the event's datetime traits, including `$timestamp`. If one of them is missing, or
    the value is outside the years 1000-9999, the event does not match. A range includes its
    beginning and excludes its end. If the value is a single time, the trait must be equal to it.
    The time expression is in local time of the trigger's time zone.
    """

    example: ClassVar[str] = "launched_at: {datetime: day}"
    config_schema: ClassVar[Schema] = expression_schema(parse_time_expression)
    trait_types = (datetime,)

    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, expression)
        self._expression = parse_time_expression(expression)

    def in_time_zone(self, zone: tzinfo) -> Self:
        """Return the same condition with the time expression in local time of `zone`."""
        localized = copy(self)
        localized._expression = parse_time_expression(self._expression.text, zone)
        return localized

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether the trait is a datetime within the value of the expression."""
        value = event.get(self.trait)
        if not isinstance(value, datetime):
            return False
        try:
            return to_utc(value) in self._expression.evaluate(event)
        except (TimeEvaluationError, ValueError):
            return False

    def describe(self) -> str:
        """Return the trait and the time expression, in words."""
        zone = self._expression.zone
        place = "" if zone is UTC else f" (local time in {zone})"
        return f"{self.trait} is a datetime in {self._expression.text!r}{place}"

    def why_not_value(self, value: Any, event: Mapping[str, Any]) -> str:
        """Return the reason, naming a missing variable."""
        try:
            to_utc(value)
            self._expression.evaluate(event)
        except TimeEvaluationError as error:
            if error.variable is None:
                return str(error)
            return (
                f"the event has no datetime {error.variable!r}, which the time expression "
                f"{self._expression.text!r} for {self.trait!r} needs"
            )
        except ValueError as error:
            return f"trait {self.trait!r}: {error}"
        return super().why_not_value(value, event)
