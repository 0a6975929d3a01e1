"""`int`, `float` and `numeric`: comparison with a number, as in `3`, `"3"`, `"> 3"`.

The operators are `< > >= <= != ==`. If there is no operator, the values must be equal.
"""

from __future__ import annotations

import operator
import re
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from voluptuous import Invalid, Schema

from winchester_core.criteria.conditions.typed_condition import TypedCondition, quote
from winchester_core.interfaces import json_schema
from winchester_core.model import MAX_INT, MIN_INT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from winchester_core.model import TraitValue

OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
MAX_EXPRESSION_LENGTH = 400
"""Maximum length in characters, because int() needs quadratic time in the number of digits."""

_OPERATOR_PATTERN = "==|!=|>=|<=|=|>|<"
_COMPARISON_PATTERN = re.compile(rf"\s*(?P<symbol>{_OPERATOR_PATTERN})?\s*(?P<number>\S+)\s*")
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")
_DECIMAL_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


NUMBER_NOUNS = {"integer": "whole number", "number": "number"}


class Comparison(NamedTuple):
    """An operator of `OPERATORS` and the number on its right."""

    symbol: str
    number: int | float


def parse_comparison(expression: Any, parse_operand: Callable[[Any], int | float]) -> Comparison:
    """Parse an optional operator (default: equality) and a number, by `parse_operand`.

    Raises `voluptuous.Invalid`.
    """
    if not isinstance(expression, str):
        return Comparison("==", parse_operand(expression))
    if len(expression) > MAX_EXPRESSION_LENGTH:
        raise Invalid(f"the expression has more than {MAX_EXPRESSION_LENGTH} characters")
    found = _COMPARISON_PATTERN.fullmatch(expression)
    if found is None:
        raise Invalid(
            f"{quote(expression)} is not a comparison; allowed: a number, or one of "
            f"{' '.join(OPERATORS)} and a number, such as '> 3'"
        )
    symbol = found["symbol"] or "=="
    return Comparison("==" if symbol == "=" else symbol, parse_operand(found["number"]))


def parse_whole_number(value: Any) -> int:
    """Parse an int, or text of digits. Raises `voluptuous.Invalid`."""
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and MIN_INT <= value <= MAX_INT:
        return int(value)
    raise Invalid(
        f"{quote(value)} is not a 64-bit whole number; 'int' needs a whole number, "
        "such as 3 or '> 3' ('float' compares floats, 'numeric' both)"
    )


def parse_number(value: Any) -> int | float:
    """Parse a number. A whole number stays an int, so that comparison is exact.

    Raises `voluptuous.Invalid`.
    """
    if isinstance(value, str) and _DECIMAL_NUMBER.fullmatch(value):
        value = int(value) if _WHOLE_NUMBER.fullmatch(value) else float(value)
    if isinstance(value, int) and not isinstance(value, bool) and MIN_INT <= value <= MAX_INT:
        return int(value)
    if isinstance(value, float) and isfinite(value):
        return float(value)
    raise Invalid(
        f"{quote(value)} is not a finite number; allowed: numbers such as 3, 2.5, '> 3', '<= 1e6'"
    )


class ComparisonCondition(TypedCondition):
    """Compares a number of one of `trait_types` with an operand."""

    parse_operand = staticmethod(parse_number)
    type_noun: ClassVar[str]

    def __init__(self, trait: str, expression: Any) -> None:
        super().__init__(trait, expression)
        self._comparison = parse_comparison(expression, self.parse_operand)
        self._compare = OPERATORS[self._comparison.symbol]
        self._number = self._comparison.number

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether the trait has the right type and the comparison holds."""
        value = event.get(self.trait)
        return type(value) in self.trait_types and self._compare(value, self._number)

    def only_values(self) -> frozenset[TraitValue] | None:
        """Return the operand, if the trait must equal it."""
        return frozenset([self._number]) if self._comparison.symbol == "==" else None

    def describe(self) -> str:
        """Return the trait, its type and the comparison, in words."""
        return f"{self.trait} is {self.type_noun} {self._comparison.symbol} {self._number}"


def comparison_schema(parse_operand: Callable[[Any], int | float]) -> Schema:
    """Return a schema that validates an expression and returns it unchanged."""
    json_type, number = (
        ("integer", _WHOLE_NUMBER)
        if parse_operand is parse_whole_number
        else ("number", _DECIMAL_NUMBER)
    )
    pattern = rf"^\s*({_OPERATOR_PATTERN})?\s*{number.pattern}\s*$"

    @json_schema(
        anyOf=[{"type": json_type}, {"type": "string", "pattern": pattern}],
        title=f"{NUMBER_NOUNS[json_type]}, or an operator and one",
        examples=["> 3"],
    )
    def comparison(expression: Any) -> Any:
        parse_comparison(expression, parse_operand)
        return expression

    return Schema(comparison)


class IntCondition(ComparisonCondition):
    """The trait is an int (not a bool or float) that satisfies the comparison with a number.

    Expressions: `3`, `"3"`, `"> 3"`, and likewise `< >= <= != ==`.
    """

    example: ClassVar[str] = 'memory_mb: {int: "> 512"}'
    config_schema = comparison_schema(parse_whole_number)
    trait_types = (int,)
    parse_operand = staticmethod(parse_whole_number)
    type_noun = "an int"


class FloatCondition(ComparisonCondition):
    """The trait is a float that satisfies the comparison with a number.

    An int trait does not match, because types are always compared; `numeric` accepts both.
    Expressions: `3`, `2.5`, `"> 2.5"`, `"<= 1e6"`, and likewise `< >= != ==`.
    """

    example: ClassVar[str] = 'load: {float: ">= 0.9"}'
    config_schema = comparison_schema(parse_number)
    trait_types = (float,)
    type_noun = "a float"


class NumericCondition(ComparisonCondition):
    """The trait is an int or a float (not a bool) that satisfies the comparison with a number.

    `numeric: 3` is satisfied by 3 and by 3.0. Comparison of an int with a float is exact.
    """

    example: ClassVar[str] = 'amount: {numeric: "> 0"}'
    config_schema = comparison_schema(parse_number)
    trait_types = (int, float)
    type_noun = "a number"
