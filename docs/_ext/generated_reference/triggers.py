"""Fields of triggers and criteria."""

from __future__ import annotations

from voluptuous import Schema

from generated_reference.markdown import code, table
from generated_reference.schemas import keys
from winchester_core.config.triggers import TRIGGER_SCHEMA
from winchester_core.criteria.compiler import (
    CANCEL_KEYS,
    FIRE_FIELDS,
    FIRE_ONLY_KEYS,
    MATCH_FIELDS,
)

LINKED = {"a time expression": "a [time expression](time-expressions.md)"}
"""Phrases of descriptions to their links."""


def render_trigger() -> str:
    """Render the fields of a trigger."""
    rows = ((code(name), default, meaning) for name, default, meaning in keys(TRIGGER_SCHEMA))
    return table(["field", "default", "meaning"], rows)


def render_criteria() -> str:
    """Render the keys of a criterion."""
    rows = []
    for key, default, meaning in keys(Schema({**MATCH_FIELDS, **FIRE_FIELDS})):
        where = (
            "all"
            if key in CANCEL_KEYS
            else "`fire_criteria`"
            if key in FIRE_ONLY_KEYS
            else "`match_criteria`"
        )
        for words, linked in LINKED.items():
            meaning = meaning.replace(words, linked)
        rows.append((code(key), where, default, meaning))
    return table(["key", "in", "default", "meaning"], rows)
