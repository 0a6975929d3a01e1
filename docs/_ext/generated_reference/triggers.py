"""What stands in a trigger and in its criteria."""

from __future__ import annotations

from generated_reference.markdown import code, table
from generated_reference.schemas import keys
from generated_reference.wording import words_for
from winchester_core.config.trigger_fields import TRIGGER_SCHEMA
from winchester_core.matching.compilation import FIRE_KEYS, MATCH_KEYS

MEANINGS = {
    "event_type": "a glob, or a list of globs; `!glob` excludes. Default: any type",
    "timestamp": "a [time expression](time-expressions.md) in which the event's timestamp lies",
    "traits": "a map of a trait to a constant or to a condition",
    "map_distinguished_by": "a map of a distinguishing trait to the one that stands in for it",
    "number": "how many events meet the criterion. Default: 1",
}


def render_trigger() -> str:
    """The fields of a trigger."""
    rows = ((code(name), default, meaning) for name, default, meaning in keys(TRIGGER_SCHEMA))
    return table(["field", "default", "meaning"], rows)


def render_criteria() -> str:
    """The keys of a criterion. Raises `Undescribed` for one whose meaning is not said here."""
    rows = []
    for key in FIRE_KEYS:
        where = "both" if key in MATCH_KEYS else "`fire_criteria`"
        rows.append((code(key), where, words_for(key, MEANINGS, "triggers.MEANINGS")))
    return table(["key", "in", "meaning"], rows)
