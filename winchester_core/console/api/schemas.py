"""JSON Schemas of the API's responses. All listed members are always present."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from winchester_core.console.api.object_schemas import OBJECT_SCHEMAS
from winchester_core.console.api.schema_parts import (
    FLAG,
    ID,
    NUMBER,
    TEXT,
    Schema,
    described,
    items_schema,
    map_schema,
    nullable,
    object_schema,
    reference,
)
from winchester_core.console.api.site_schemas import SITE_SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE_CURSORS: Final[Mapping[str, Schema]] = {
    "next": described(nullable(TEXT), "cursor of the next page; null on the last"),
    "previous": described(nullable(TEXT), "cursor of the previous page; null on the first"),
}

SCHEMAS: Final[Mapping[str, Schema]] = {
    **OBJECT_SCHEMAS,
    **SITE_SCHEMAS,
    "ActionResult": object_schema(
        {
            "id": ID,
            "outcome": described(
                TEXT,
                "stream: its new state, discarded or purged; rejected message: stored, duplicate, "
                "dropped, invalid, failed or discarded; effect: due, waiting or discarded",
            ),
            "reason": nullable(TEXT),
        }
    ),
    "DebugReset": object_schema({"name": TEXT, "outcome": {"type": "string", "const": "reset"}}),
    "BulkResult": object_schema(
        {
            "dry_run": FLAG,
            "matched": described(NUMBER, "number of selected objects, at most 10,000"),
            "done": described(NUMBER, "number of changed objects; 0 in a dry run"),
            "skipped": described(
                NUMBER, "number of objects that had changed meanwhile, or are still invalid"
            ),
            "outcomes": map_schema(NUMBER, "number of objects by outcome"),
            "up_to_id": described(
                NUMBER, "`up_to_id` of the request, or else the highest id of the selected objects"
            ),
            "left": described(FLAG, "true if there may be further matches"),
            "after_id": described(
                nullable(NUMBER), "`after_id` of a request for the further matches"
            ),
            "interruption": described(
                nullable(TEXT), "the error that ended the request after its first transaction"
            ),
        }
    ),
    "Description": {"type": "object", "description": "This document.", "required": ["openapi"]},
    "Problem": object_schema(
        {"title": TEXT, "status": {"type": "integer"}, "detail": TEXT},
        "A problem document (RFC 9457).",
    ),
    **{
        f"{name}Page": items_schema(reference(name), **PAGE_CURSORS)
        for name in ("StreamInList", "Event", "RejectedInList", "EffectInList", "ActionInList")
    },
}
"""Schemas by name."""
