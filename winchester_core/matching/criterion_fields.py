"""The keys of a criterion: what each means, and what it takes. `compilation` reads them."""

from __future__ import annotations

from typing import Any

from voluptuous import All, Length, Optional, Range

from winchester_core.interfaces.event_types import event_types
from winchester_core.interfaces.json_schema import reference
from winchester_core.matching.conditions.datetime import checked_time_expression
from winchester_core.model.event import MAX_INT, MAX_NAME_LENGTH

NAME = All(str, Length(min=1, max=MAX_NAME_LENGTH))

MATCH_FIELDS: dict[Any, Any] = {
    Optional(
        "event_type",
        description="a glob, or a list of globs; `!glob` excludes. Default: any type",
    ): event_types,
    Optional(
        "timestamp", description="a time expression in which the event's timestamp lies"
    ): checked_time_expression,
    Optional("traits", description="a map of a trait to a constant or to a condition"): {
        NAME: reference("demand")
    },
    Optional(
        "map_distinguished_by",
        description="a map of a distinguishing trait to the one that stands in for it",
    ): {NAME: NAME},
}
FIRE_FIELDS: dict[Any, Any] = {
    **MATCH_FIELDS,
    Optional("number", default=1, description="how many events meet the criterion"): All(
        int, Range(min=1, max=MAX_INT)
    ),
}

MATCH_KEYS = tuple(str(key.schema) for key in MATCH_FIELDS)
FIRE_KEYS = tuple(str(key.schema) for key in FIRE_FIELDS)
