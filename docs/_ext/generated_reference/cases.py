"""What stands in a file of cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voluptuous import All, Schema

from generated_reference.markdown import code, table
from generated_reference.schemas import keys
from winchester_core.config.case_fields import (
    CASE,
    CASES_SCHEMA,
    EXPECT,
    EXPECTED_EFFECT,
    EXPECTED_RUN,
    EXPECTED_STREAM,
    STEP,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _renderer(schema: Schema) -> Callable[[], str]:
    def render() -> str:
        rows = ((code(name), default, meaning) for name, default, meaning in keys(_keys_of(schema)))
        return table(["key", "default", "meaning"], rows)

    return render


def _keys_of(schema: Schema) -> Schema:
    """The schema of the keys alone, where more is demanded of the mapping."""
    whole: Any = schema.schema
    if isinstance(whole, All):
        return Schema(next(each for each in whole.validators if isinstance(each, dict)))
    return schema


REGIONS: Mapping[str, Callable[[], str]] = {
    "file": _renderer(CASES_SCHEMA),
    "case": _renderer(CASE),
    "step": _renderer(STEP),
    "expect": _renderer(EXPECT),
    "stream": _renderer(EXPECTED_STREAM),
    "run": _renderer(EXPECTED_RUN),
    "effect": _renderer(EXPECTED_EFFECT),
}
"""Region of the page to what makes its text."""
