"""`int`: an int compared with a whole number."""

from __future__ import annotations

from winchester_core.matching.conditions.comparison import (
    ComparisonCondition,
    comparison_schema,
    whole_number,
)


class IntCondition(ComparisonCondition):
    """The trait is an int (no bool, no float) that is equal to, or compares with, a number.

    Expressions: `3`, `"3"`, `"> 3"`, and likewise `< >= <= != ==`.
    """

    config_schema = comparison_schema(whole_number)
    kinds = (int,)
    bound = staticmethod(whole_number)
    noun = "an int"
