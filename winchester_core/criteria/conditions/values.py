"""The kinds of value a trait can have, and constants to compare traits with."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from voluptuous import Invalid

from winchester_core.interfaces import Condition, json_schema
from winchester_core.model import MAX_INT, MIN_INT, storable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.model import TraitValue

MAX_QUOTED_LENGTH = 80

TYPE_NAMES = {
    bool: "a bool",
    int: "an int",
    float: "a float",
    str: "text",
    datetime: "a datetime",
}


def type_of(value: Any) -> type | None:
    """The one of the five kinds that `value` is of (a bool is no int), or None."""
    kind = type(value)
    if kind in TYPE_NAMES:
        return kind
    return next((each for each in TYPE_NAMES if isinstance(value, each)), None)


def type_name(value: Any) -> str:
    """The kind of `value` in words. The value itself may be confidential and is not shown."""
    kind = type_of(value)
    return type(value).__name__ if kind is None else TYPE_NAMES[kind]


@json_schema(type=["string", "number", "boolean"], title="constant")
def parse_constant(value: Any) -> TraitValue:
    """Return `value` as a trait would hold it: a naive datetime is UTC.

    Raises `voluptuous.Invalid` for what no trait can ever hold.
    """
    if value is None:
        raise Invalid("null is no constant; 'exists: false' demands that the trait is absent")
    if isinstance(value, date) and not isinstance(value, datetime):
        raise Invalid(
            f"{value} is a date, and no trait is one; put it in quotes to compare with text, "
            "write its time too to compare with a datetime, or use 'range' for a span of time"
        )
    stored, fault = storable(value)
    if stored is None:
        raise Invalid(
            f"no trait can hold this: {fault}; a constant is text, an int, a float, "
            "a bool or a datetime"
        )
    return stored


def quote(value: Any) -> str:
    """A value of the configuration as error messages quote it: whatever it is, and in short."""
    if isinstance(value, int) and not MIN_INT <= value <= MAX_INT:
        return "an integer beyond signed 64 bits"
    text = repr(value)
    return text if len(text) <= MAX_QUOTED_LENGTH else f"{text[:MAX_QUOTED_LENGTH]}..."


def format_constant(value: TraitValue) -> str:
    """A constant of the configuration as descriptions show it."""
    return value.isoformat() if isinstance(value, datetime) else repr(value)


class TypedCondition(Condition):
    """A condition that no value outside `trait_types` satisfies."""

    trait_types: tuple[type, ...]

    def why_not(self, event: Mapping[str, Any]) -> str:
        """Say why `event`, which does not match, does not: no value of the trait is shown."""
        value = event.get(self.trait)
        if value is None:
            return f"trait {self.trait!r} is missing; wanted: {self.describe()}"
        if type_of(value) not in self.trait_types:
            wanted = " or ".join(TYPE_NAMES[kind] for kind in self.trait_types)
            found = type_name(value)
            return f"trait {self.trait!r} is {found}, not {wanted}; wanted: {self.describe()}"
        return self.why_not_value(value, event)

    def why_not_value(self, _value: Any, _event: Mapping[str, Any]) -> str:
        """Say why a value of the right kind does not match."""
        return f"it does not hold that {self.describe()}"
