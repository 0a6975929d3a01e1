"""`numeric`: an int or a float compared with a number."""

from __future__ import annotations

from typing import ClassVar

from winchester_core.matching.conditions.comparison import (
    ComparisonCondition,
    any_number,
    comparison_schema,
)


class NumericCondition(ComparisonCondition):
    """The trait is an int or a float (no bool) that is equal to, or compares with, a number.

    `numeric: 3` is satisfied by 3 and by 3.0. Comparison of an int with a float is exact.
    """

    example: ClassVar[str] = 'amount: {numeric: "> 0"}'
    config_schema = comparison_schema(any_number)
    kinds = (int, float)
    noun = "a number"
