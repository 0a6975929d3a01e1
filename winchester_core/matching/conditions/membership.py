"""`in`: one of several constants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import All, Invalid, Length, MultipleInvalid, Schema

from winchester_core.interfaces import Condition, json_schema
from winchester_core.matching.conditions.values import constant, kind_of, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.model import TraitValue

MAX_SHOWN = 10


@json_schema(All([constant], Length(min=1)))
def constants(expression: Any) -> list[TraitValue]:
    """Return the constants of a list. Raises `voluptuous.MultipleInvalid` with every fault."""
    if not isinstance(expression, (list, tuple)) or not expression:
        raise Invalid("a list of at least one constant is wanted, such as [active, error]")
    values: list[TraitValue] = []
    faults: list[Invalid] = []
    for position, item in enumerate(expression):
        try:
            values.append(constant(item))
        except Invalid as fault:
            faults.append(Invalid(fault.error_message, path=[position]))
    if faults:
        raise MultipleInvalid(faults)
    return values


class InCondition(Condition):
    """The trait equals one of the constants; equality is typed, as for a single constant."""

    example: ClassVar[str] = "state: {in: [active, error]}"
    config_schema: ClassVar[Schema] = Schema(constants)

    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, expression)
        self._values = constants(expression)
        self._by_kind: dict[type | None, set[TraitValue]] = {}
        for value in self._values:
            self._by_kind.setdefault(kind_of(value), set()).add(value)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Tell whether the trait has the kind and value of one of the constants."""
        value = event.get(self.trait)
        members = self._by_kind.get(kind_of(value))
        return members is not None and value in members

    def only_values(self) -> frozenset[TraitValue]:
        """The constants."""
        return frozenset(self._values)

    def describe(self) -> str:
        """The trait and the first constants."""
        first = ", ".join(shown(value) for value in self._values[:MAX_SHOWN])
        more = len(self._values) - MAX_SHOWN
        return f"{self.trait} is one of {first}" + (f" and {more} more" if more > 0 else "")
