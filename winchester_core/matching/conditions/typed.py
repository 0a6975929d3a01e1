"""What the conditions that demand a certain kind of value share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.interfaces import Condition
from winchester_core.matching.conditions.values import KIND_NAMES, kind_name, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class TypedCondition(Condition):
    """A condition that no value outside `kinds` satisfies."""

    kinds: tuple[type, ...]

    def why_not(self, event: Mapping[str, Any]) -> str:
        """Say why `event`, which does not match, does not: no value of the trait is shown."""
        value = event.get(self.trait)
        if value is None:
            return f"trait {self.trait!r} is missing; wanted: {self.describe()}"
        if kind_of(value) not in self.kinds:
            wanted = " or ".join(KIND_NAMES[kind] for kind in self.kinds)
            found = kind_name(value)
            return f"trait {self.trait!r} is {found}, not {wanted}; wanted: {self.describe()}"
        return self.why_not_value(value, event)

    def why_not_value(self, _value: Any, _event: Mapping[str, Any]) -> str:
        """Say why a value of the right kind does not match."""
        return f"it does not hold that {self.describe()}"
