"""Keys of a file of cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from voluptuous import All, Schema

from generated_reference.markdown import code, table
from generated_reference.schemas import keys
from winchester_core.config.cases import (
    CASE_SCHEMA,
    CASES_SCHEMA,
    EFFECT_SCHEMA,
    EXPECT_SCHEMA,
    RUN_SCHEMA,
    STEP_SCHEMA,
    STREAM_SCHEMA,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _renderer(schema: Schema) -> Callable[[], str]:
    def render() -> str:
        rows = ((code(name), default, meaning) for name, default, meaning in keys(_keys_of(schema)))
        return table(["key", "default", "meaning"], rows)

    return render


def _keys_of(schema: Schema) -> Schema:
    """Return the schema of the keys, without further validators of the mapping."""
    whole: Any = schema.schema
    if isinstance(whole, All):
        return Schema(next(each for each in whole.validators if isinstance(each, dict)))
    return schema


REGIONS: Mapping[str, Callable[[], str]] = {
    "file": _renderer(CASES_SCHEMA),
    "case": _renderer(CASE_SCHEMA),
    "step": _renderer(STEP_SCHEMA),
    "expect": _renderer(EXPECT_SCHEMA),
    "stream": _renderer(STREAM_SCHEMA),
    "run": _renderer(RUN_SCHEMA),
    "effect": _renderer(EFFECT_SCHEMA),
}
"""Region of the page to its renderer."""
