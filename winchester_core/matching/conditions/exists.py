"""`exists`: the event has the trait, or has it not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import Invalid, Schema

from winchester_core.interfaces import Condition, json_schema
from winchester_core.matching.conditions.values import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping


@json_schema(type="boolean")
def presence(expression: Any) -> bool:
    """Return a bool as it is. Raises `voluptuous.Invalid`."""
    if not isinstance(expression, bool):
        raise Invalid(f"{quoted(expression)} is neither true nor false")
    return expression


class ExistsCondition(Condition):
    """With `true`, the event has the trait, whatever its value; with `false`, it has not."""

    example: ClassVar[str] = "deleted_at: {exists: false}"
    config_schema: ClassVar[Schema] = Schema(presence)

    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, expression)
        self._wanted = presence(expression)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Tell whether the trait's presence is as demanded."""
        return (event.get(self.trait) is not None) is self._wanted

    def describe(self) -> str:
        """The trait, and whether it must exist."""
        return f"{self.trait} exists" if self._wanted else f"{self.trait} does not exist"
