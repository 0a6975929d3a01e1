"""Types of trait values, constants, and the base class of conditions on one type of value."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from voluptuous import Invalid, Schema

from winchester_core.criteria.errors import ErrorCollector
from winchester_core.interfaces import Condition, json_schema
from winchester_core.model import MAX_INT, MIN_INT, storable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from winchester_core.model import TraitValue

Parsed = TypeVar("Parsed")

MAX_QUOTED_LENGTH = 80

TYPE_NAMES = {
    bool: "a bool",
    int: "an int",
    float: "a float",
    str: "text",
    datetime: "a datetime",
}


def type_of(value: Any) -> type | None:
    """Return the trait type of `value` (a bool is not an int), or None for other values."""
    exact = type(value)
    if exact in TYPE_NAMES:
        return exact
    return next((each for each in TYPE_NAMES if isinstance(value, each)), None)


def type_name(value: Any) -> str:
    """Return the type of `value` in words. The value may be confidential and is not shown."""
    found = type_of(value)
    return type(value).__name__ if found is None else TYPE_NAMES[found]


@json_schema(type=["string", "number", "boolean"], title="constant")
def parse_constant(value: Any) -> TraitValue:
    """Return `value` as a clean trait value. A naive datetime is in UTC.

    Raises `voluptuous.Invalid` if no trait can have the value.
    """
    if value is None:
        raise Invalid("null is not a constant; write 'exists: false' for an absent trait")
    if isinstance(value, date) and not isinstance(value, datetime):
        raise Invalid(
            f"{value} is a date, and a trait cannot be one; quote it to compare with text, "
            "add a time to compare with a datetime, or use 'range' for a span of time"
        )
    stored, problem = storable(value)
    if stored is None:
        raise Invalid(
            f"not a trait value: {problem}; a constant is text, an int, a float, a bool or "
            "a datetime"
        )
    return stored


def parse_each(items: Iterable[Any], parse: Callable[[Any], Parsed]) -> list[Parsed]:
    """Parse all items. Raises `voluptuous.MultipleInvalid` with every error."""
    parsed: list[Parsed] = []
    errors = ErrorCollector()
    for position, item in enumerate(items):
        with errors.at(position):
            parsed.append(parse(item))
    errors.raise_if_any()
    return parsed


def expression_schema(parse: Callable[[Any], Any]) -> Schema:
    """Return the schema of the expressions that `parse` accepts; it returns them unchanged."""

    @json_schema(parse)
    def check(expression: Any) -> Any:
        parse(expression)
        return expression

    return Schema(check)


def quote(value: Any) -> str:
    """Return a configuration value in the form for error messages, truncated."""
    if isinstance(value, int) and not MIN_INT <= value <= MAX_INT:
        return "an integer beyond signed 64 bits"
    text = repr(value)
    return text if len(text) <= MAX_QUOTED_LENGTH else f"{text[:MAX_QUOTED_LENGTH]}..."


def format_constant(value: TraitValue) -> str:
    """Return a constant in the form for descriptions."""
    return value.isoformat() if isinstance(value, datetime) else repr(value)


class TypedCondition(Condition):
    """Base class of conditions that only values of `trait_types` can satisfy."""

    trait_types: tuple[type, ...]

    def why_not(self, event: Mapping[str, Any]) -> str:
        """Return why `event` does not match, without showing a value of the event."""
        value = event.get(self.trait)
        if value is None:
            return f"trait {self.trait!r} is missing; expected: {self.describe()}"
        if type_of(value) not in self.trait_types:
            expected = " or ".join(TYPE_NAMES[each] for each in self.trait_types)
            return (
                f"trait {self.trait!r} is {type_name(value)}, not {expected}; "
                f"expected: {self.describe()}"
            )
        return self.why_not_value(value, event)

    def why_not_value(self, _value: Any, _event: Mapping[str, Any]) -> str:
        """Return why a value of the right type does not match."""
        return f"not satisfied: {self.describe()}"
