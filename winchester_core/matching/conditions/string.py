"""`string`, also named `text`: equality with a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import Invalid, Schema

from winchester_core.interfaces import json_schema
from winchester_core.matching.conditions.typed import TypedCondition
from winchester_core.matching.conditions.values import constant, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.model import TraitValue


@json_schema(type="string")
def text(expression: Any) -> str:
    """Return a text that a trait can hold. Raises `voluptuous.Invalid`."""
    if not isinstance(expression, str):
        raise Invalid(f"{quoted(expression)} is no text; put it in quotes")
    constant(expression)
    return str(expression)


class StringCondition(TypedCondition):
    """The trait is this text, compared by code point: "a", "A" and "a " are three texts."""

    example: ClassVar[str] = "state: {string: active}"
    config_schema: ClassVar[Schema] = Schema(text)
    kinds = (str,)

    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, expression)
        self._text = text(expression)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Tell whether the trait is a text and equal."""
        value = event.get(self.trait)
        return isinstance(value, str) and value == self._text

    def only_values(self) -> frozenset[TraitValue]:
        """The text."""
        return frozenset([self._text])

    def describe(self) -> str:
        """The trait and the text."""
        return f"{self.trait} is the text {self._text!r}"
