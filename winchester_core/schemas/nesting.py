"""The schemas within a schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

Change: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

OF_SCHEMAS: Final = ("properties", "definitions")
OF_ONE: Final = ("items", "additionalProperties", "then")
OF_MANY: Final = ("anyOf", "allOf")


def with_inner(schema: dict[str, Any], inner: Change, ways: Change) -> dict[str, Any]:
    """A copy of `schema`, its inner schemas changed.

    `ways` changes those of which one or all must hold for the same value, `inner` those of other
    values. What only chooses (`if`), and names of keys, stay as they are.
    """
    done = dict(schema)
    for key in OF_SCHEMAS:
        if key in done:
            done[key] = {name: inner(each) for name, each in done[key].items()}
    for key in OF_ONE:
        if isinstance(done.get(key), dict):
            done[key] = inner(done[key])
    for key in OF_MANY:
        if key in done:
            done[key] = [ways(each) for each in done[key]]
    return done
