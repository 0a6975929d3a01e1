"""`string` (alias `text`), equality with a text, and `glob`, a shell pattern."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import Invalid, Schema

from winchester_core.criteria.conditions.typed_condition import (
    TypedCondition,
    expression_schema,
    parse_constant,
    quote,
)
from winchester_core.interfaces import json_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.model import TraitValue


@json_schema(type="string")
def parse_text(expression: Any) -> str:
    """Return `expression`, a text that a trait can hold. Raises `voluptuous.Invalid`."""
    if not isinstance(expression, str):
        raise Invalid(f"expected text, not {quote(expression)}; put it in quotes")
    parse_constant(expression)
    return str(expression)


class StringCondition(TypedCondition):
    """The trait is this text, compared by code point: "a", "A" and "a " are three texts."""

    example: ClassVar[str] = "state: {string: active}"
    config_schema: ClassVar[Schema] = Schema(parse_text)
    trait_types = (str,)

    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, expression)
        self._text = parse_text(expression)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether the trait is an equal text."""
        value = event.get(self.trait)
        return isinstance(value, str) and value == self._text

    def only_values(self) -> frozenset[TraitValue]:
        """Return the text."""
        return frozenset([self._text])

    def describe(self) -> str:
        """Return the trait and the text, in words."""
        return f"{self.trait} is the text {self._text!r}"


MAX_PATTERN_LENGTH = 1_000
MAX_TEXT_LENGTH = 65_536
"""Both in characters. A longer text does not match. The worst-case time is their product."""


@json_schema(type="string", minLength=1, maxLength=MAX_PATTERN_LENGTH, title="glob")
def compile_glob(expression: Any) -> re.Pattern[str]:
    """Compile a glob. Raises `voluptuous.Invalid`."""
    if not isinstance(expression, str):
        raise Invalid(
            f"expected a glob, such as 'web-*', not {quote(expression)}; put it in quotes"
        )
    if not 0 < len(expression) <= MAX_PATTERN_LENGTH:
        raise Invalid(
            f"the glob has {len(expression)} characters; 1 to {MAX_PATTERN_LENGTH} are allowed"
        )
    return re.compile(translate(expression))


class PatternCondition(TypedCondition):
    """Base class of conditions on text up to `MAX_TEXT_LENGTH`; `patterns` names the patterns."""

    trait_types = (str,)
    patterns: ClassVar[str]

    def why_not_value(self, value: Any, event: Mapping[str, Any]) -> str:
        """Return the reason, which may be that the text is too long."""
        if len(value) > MAX_TEXT_LENGTH:
            return (
                f"trait {self.trait!r} has more than {MAX_TEXT_LENGTH} characters, the limit of "
                f"{self.patterns}; expected: {self.describe()}"
            )
        return super().why_not_value(value, event)


class GlobCondition(PatternCondition):
    """The trait is a text that matches the glob as a whole: `*`, `?`, `[seq]`, `[!seq]`.

    The match is case-sensitive on every platform.
    """

    example: ClassVar[str] = "host: {glob: web-*}"
    config_schema: ClassVar[Schema] = expression_schema(compile_glob)
    patterns = "globs"

    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, expression)
        self._regex = compile_glob(expression)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether the trait is a text that matches the glob."""
        value = event.get(self.trait)
        return (
            isinstance(value, str)
            and len(value) <= MAX_TEXT_LENGTH
            and self._regex.match(value) is not None
        )

    def describe(self) -> str:
        """Return the trait and the glob, in words."""
        return f"{self.trait} is text that matches the glob {self.expression!r}"
