"""The condition `plugin_name`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import Invalid, Schema
from winchester_core.interfaces import Condition, json_schema

if TYPE_CHECKING:
    from collections.abc import Mapping


@json_schema(type="integer", minimum=0, title="number of characters")
def length(expression: Any) -> int:
    """Accept a number of characters. Raises `voluptuous.Invalid`."""
    if isinstance(expression, int) and not isinstance(expression, bool) and expression >= 0:
        return expression
    raise Invalid(f"{expression!r:.60} is not a number of characters: expected 0 or more")


class PluginNameCondition(Condition):
    """The trait is a text of a minimum length.

    The expression is the minimum number of characters, 0 or more.
    """

    example: ClassVar[str] = "note: {plugin_name: 10}"
    config_schema: ClassVar[Schema] = Schema(length)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether the trait is long enough.

        The result depends only on the event. Never raises: a value that is not text does not match.
        """
        value = event.get(self.trait)
        return isinstance(value, str) and len(value) >= self.expression

    def describe(self) -> str:
        """Return the requirement as text, for explanations of why a stream has not fired."""
        return f"{self.trait} is a text of at least {self.expression} characters"
