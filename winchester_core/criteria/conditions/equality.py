"""Equality with constants, and presence: `trait: value`, `in` and `exists`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import All, Invalid, Length, Schema

from winchester_core.criteria.conditions.typed_condition import (
    TypedCondition,
    format_constant,
    parse_constant,
    parse_each,
    quote,
    type_of,
)
from winchester_core.interfaces import Condition, json_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.model import TraitValue


class ConstantCondition(TypedCondition):
    """Typed equality: int 1, float 1.0, "1" and True are four different values."""

    config_schema: ClassVar[Schema] = Schema(parse_constant)

    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, expression)
        self._value = parse_constant(expression)
        self._type = type(self._value)
        self.trait_types = (self._type,)
        self._is_bool = self._type is bool

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether the trait has the same type and value."""
        value = event.get(self.trait)
        return (
            isinstance(value, self._type)
            and value == self._value
            and (type(value) is bool) is self._is_bool
        )

    def only_values(self) -> frozenset[TraitValue]:
        """Return the constant."""
        return frozenset([self._value])

    def describe(self) -> str:
        """Return the trait and the constant, in words."""
        return f"{self.trait} is {format_constant(self._value)}"


MAX_CONSTANTS_SHOWN = 10


@json_schema(All([parse_constant], Length(min=1)))
def parse_constants(expression: Any) -> list[TraitValue]:
    """Parse a list of constants. Raises `voluptuous.MultipleInvalid` with every error."""
    if not isinstance(expression, (list, tuple)) or not expression:
        raise Invalid("expected a list of at least one constant, such as [active, error]")
    return parse_each(expression, parse_constant)


class InCondition(Condition):
    """The trait equals one of the constants; equality is typed, as for a single constant."""

    example: ClassVar[str] = "state: {in: [active, error]}"
    config_schema: ClassVar[Schema] = Schema(parse_constants)

    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, expression)
        self._values = parse_constants(expression)
        self._by_type: dict[type | None, set[TraitValue]] = {}
        for value in self._values:
            self._by_type.setdefault(type_of(value), set()).add(value)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether the trait has the type and value of one of the constants."""
        value = event.get(self.trait)
        members = self._by_type.get(type_of(value))
        return members is not None and value in members

    def only_values(self) -> frozenset[TraitValue]:
        """Return the constants."""
        return frozenset(self._values)

    def describe(self) -> str:
        """Return the trait and the first constants, in words."""
        first = ", ".join(format_constant(value) for value in self._values[:MAX_CONSTANTS_SHOWN])
        more = len(self._values) - MAX_CONSTANTS_SHOWN
        return f"{self.trait} is one of {first}" + (f" and {more} more" if more > 0 else "")


@json_schema(type="boolean")
def validate_boolean(expression: Any) -> bool:
    """Return `expression`, a bool. Raises `voluptuous.Invalid`."""
    if not isinstance(expression, bool):
        raise Invalid(f"expected true or false, not {quote(expression)}")
    return expression


class ExistsCondition(Condition):
    """The event has the trait, with any value (`true`), or lacks the trait (`false`)."""

    example: ClassVar[str] = "deleted_at: {exists: false}"
    config_schema: ClassVar[Schema] = Schema(validate_boolean)

    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, expression)
        self._must_exist = validate_boolean(expression)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether the trait is present, or absent, as required."""
        return (event.get(self.trait) is not None) is self._must_exist

    def describe(self) -> str:
        """Return the trait and whether it must exist, in words."""
        return f"{self.trait} exists" if self._must_exist else f"{self.trait} does not exist"
