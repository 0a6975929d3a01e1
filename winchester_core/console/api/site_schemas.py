"""JSON Schemas of triggers, processes, plugins and statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from winchester_core.console.api.schema_parts import (
    ANYTHING,
    DATABASE_TIME,
    NUMBER,
    QUANTITY,
    SECONDS,
    STREAM_TIME,
    TEXT,
    Schema,
    array,
    choice,
    described,
    items_schema,
    map_schema,
    nullable,
    object_schema,
)
from winchester_core.inspection.activity_series import MAX_VALUES
from winchester_core.model.activity import COUNTS_OF_SUBJECT
from winchester_core.model.process import ProcessKind
from winchester_core.model.stream import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

_COUNTED_AGO: Final = described(SECONDS, "age of the numbers of streams")
_STATES: Final = map_schema(NUMBER, "number of streams by state; zero counts are omitted")
_TRIGGER: Final[Schema] = {
    "type": "object",
    "description": "The trigger as in its file, with defaults, and its criteria in words.",
    "required": ["name", "streams", "matches", "fires_on", "is_cancelled_by"],
    "properties": {
        "name": TEXT,
        "streams": _STATES,
        "matches": array(TEXT),
        "fires_on": array(TEXT),
        "is_cancelled_by": array(TEXT),
    },
}

SITE_SCHEMAS: Final[Mapping[str, Schema]] = {
    "Trigger": {
        **_TRIGGER,
        "required": [*_TRIGGER["required"], "counted_seconds_ago", "debug"],
        "properties": {
            **_TRIGGER["properties"],
            "counted_seconds_ago": _COUNTED_AGO,
            "debug": nullable(
                object_schema(
                    {
                        "matched": NUMBER,
                        "mismatched": NUMBER,
                        "reasons": map_schema(NUMBER),
                        "since": DATABASE_TIME,
                        "counted_at": DATABASE_TIME,
                    },
                    "Debug counts of the trigger, if its debug level is set.",
                )
            ),
        },
    },
    "Triggers": items_schema(
        _TRIGGER,
        omitted=described(
            NUMBER, "number of further triggers; a response has at most 1 MiB, see `after`"
        ),
        not_configured=map_schema(
            _STATES, "streams of triggers that are not configured (any more)"
        ),
        counted_seconds_ago=_COUNTED_AGO,
    ),
    "Processes": items_schema(
        object_schema(
            {
                "kind": choice(ProcessKind),
                "name": TEXT,
                "host": TEXT,
                "pid": NUMBER,
                "version": TEXT,
                "state": choice(("running", "overdue", "gone")),
                "started_at": DATABASE_TIME,
                "seen_at": DATABASE_TIME,
                "overdue": described(array(TEXT), "components that missed their deadline"),
                "triggers": described(nullable(TEXT), "fingerprint of the triggers"),
                "pipelines": described(nullable(TEXT), "fingerprint of the pipelines"),
                "id": TEXT,
                "period_seconds": QUANTITY,
                "configured_at": DATABASE_TIME,
            }
        ),
        omitted=described(NUMBER, "number of further processes; a response has at most 1 MiB"),
    ),
    "Plugins": items_schema(
        object_schema(
            {
                "group": TEXT,
                "name": TEXT,
                "distribution": nullable(TEXT),
                "version": nullable(TEXT),
                "summary": nullable(TEXT),
                "problem": described(nullable(TEXT), "reason why it cannot be loaded"),
                "value": described(nullable(TEXT), "module and attribute"),
                "schema": described(nullable({"type": "object"}), "JSON Schema of its params"),
                "example": described(ANYTHING, "an example of its use, or null"),
                "used_by": described(array(TEXT), "parts of the configuration that use it"),
            }
        )
    ),
    "Stats": items_schema(
        object_schema(
            {
                "subject": choice(each.value for each in COUNTS_OF_SUBJECT),
                "name": described(TEXT, "trigger or pipeline; empty for all sources"),
                "count": TEXT,
                "total": QUANTITY,
                "begins_at": described(DATABASE_TIME, "beginning of the first period"),
                "period_seconds": NUMBER,
                "values": {**array(QUANTITY), "maxItems": MAX_VALUES + 1},
            },
            "A count that is not 0, over time. The last period is not over yet.",
        ),
        omitted=described(NUMBER, "number of further counts; a response has at most 1 MiB"),
    ),
    "Statistics": object_schema(
        {
            "counted_seconds_ago": described(SECONDS, "age of the statistics"),
            "replica": described(
                nullable(object_schema({"lag_seconds": nullable(SECONDS)})),
                "the standby server that is read, with the age of its data; null for a primary",
            ),
            "stream_time": nullable(STREAM_TIME),
            "streams": map_schema(_STATES, "numbers by trigger"),
            "oldest_ready_seconds": {
                **map_schema(SECONDS, "by reason: how long the oldest ready stream has waited"),
                "propertyNames": choice(Reason),
            },
            "oldest_unexpired_seconds": described(SECONDS, "age of the oldest active stream"),
            "effects": array(
                object_schema(
                    {
                        "pipeline": TEXT,
                        "handler": TEXT,
                        "place": NUMBER,
                        "pending": NUMBER,
                        "dead": NUMBER,
                        "oldest_seconds": described(SECONDS, "age of the oldest pending effect"),
                    }
                )
            ),
            "rejected": NUMBER,
            "trials": described(NUMBER, "streams that wait to be tried alone"),
            "counted_up_to": described(
                nullable(NUMBER),
                "if counting all takes too long, the number up to which the streams of each "
                "trigger and state, and rejected messages, were counted; otherwise null",
            ),
        }
    ),
}
"""Schemas by name."""
