"""Equality with a constant: what `trait: value` means in criteria."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import Schema

from winchester_core.interfaces import Condition
from winchester_core.matching.conditions.values import (
    KIND_NAMES,
    constant,
    kind_name,
    kind_of,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.model import TraitValue


class ConstantCondition(Condition):
    """Typed equality: int 1, float 1.0, "1" and True are four different values."""

    config_schema: ClassVar[Schema] = Schema(constant)

    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, expression)
        self._value = constant(expression)
        self._kind = type(self._value)
        self._is_bool = self._kind is bool

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Tell whether the trait has the same kind and value."""
        value = event.get(self.trait)
        return (
            isinstance(value, self._kind)
            and value == self._value
            and (type(value) is bool) is self._is_bool
        )

    def only_values(self) -> frozenset[TraitValue]:
        """The constant."""
        return frozenset([self._value])

    def describe(self) -> str:
        """The trait and the constant."""
        return f"{self.trait} is {shown(self._value)}"

    def why_not(self, event: Mapping[str, Any]) -> str:
        """Say whether the trait is missing, of another kind, or different."""
        value = event.get(self.trait)
        if value is None:
            return f"trait {self.trait!r} is missing; wanted: {self.describe()}"
        if kind_of(value) is not self._kind:
            wanted = KIND_NAMES[self._kind]
            return (
                f"trait {self.trait!r} is {kind_name(value)}, not {wanted}; "
                f"wanted: {self.describe()}"
            )
        return f"it does not hold that {self.describe()}"
