"""Tables of `docs/reference/mappings.md`: keys of rules and values, types, ready mappings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voluptuous import Schema

from generated_reference.markdown import code, table
from generated_reference.schemas import keys
from winchester_core.mapping import ready_mapping_names, ready_mapping_summary
from winchester_core.mapping.schema import ID_FIELDS, RULE_FIELDS, TIMESTAMP_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _render_rule() -> str:
    rows = ((code(name), meaning) for name, _default, meaning in keys(Schema(RULE_FIELDS)))
    return table(["key", "meaning"], rows)


def _render_value() -> str:
    rows = (
        (code(name), meaning)
        for name, _default, meaning in keys(Schema(ID_FIELDS | TIMESTAMP_FIELDS))
    )
    return table(["key", "meaning"], rows)


def _render_ready() -> str:
    rows = ((code(name), ready_mapping_summary(name)) for name in ready_mapping_names())
    return table(["mapping", "messages"], rows)


REGIONS: Mapping[str, Callable[[], str]] = {
    "rule": _render_rule,
    "value": _render_value,
    "ready": _render_ready,
}
"""Region of the page to its renderer."""
