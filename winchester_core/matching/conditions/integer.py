"""`int`: an int compared with a whole number."""

from __future__ import annotations

from typing import ClassVar

from winchester_core.matching.conditions.comparison import (
    ComparisonCondition,
    comparison_schema,
    whole_number,
)


class IntCondition(ComparisonCondition):
    """The trait is an int (no bool, no float) that is equal to, or compares with, a number.

    Expressions: `3`, `"3"`, `"> 3"`, and likewise `< >= <= != ==`.
    """

    example: ClassVar[str] = 'memory_mb: {int: "> 512"}'
    config_schema = comparison_schema(whole_number)
    kinds = (int,)
    bound = staticmethod(whole_number)
    noun = "an int"
