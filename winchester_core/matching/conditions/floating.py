"""`float`: a float compared with a number."""

from __future__ import annotations

from typing import ClassVar

from winchester_core.matching.conditions.comparison import (
    ComparisonCondition,
    any_number,
    comparison_schema,
)


class FloatCondition(ComparisonCondition):
    """The trait is a float that is equal to, or compares with, a number.

    An int trait does not match, as equality is typed everywhere: `numeric` is for both.
    Expressions: `3`, `2.5`, `"> 2.5"`, `"<= 1e6"`, and likewise `< >= != ==`.
    """

    example: ClassVar[str] = 'load: {float: ">= 0.9"}'
    config_schema = comparison_schema(any_number)
    kinds = (float,)
    noun = "a float"
