"""JSON Schemas of the API's responses. All listed members are always present."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from winchester_core.console.api.schema_parts import (
    ANYTHING,
    FLAG,
    ID,
    NUMBER,
    QUANTITY,
    SECONDS,
    TEXT,
    TIME,
    TRAITS,
    Schema,
    array,
    choice,
    described,
    items_schema,
    map_schema,
    nullable,
    object_schema,
    reference,
)
from winchester_core.inspection.activity_series import MAX_VALUES
from winchester_core.model.activity import COUNTS_OF_SUBJECT
from winchester_core.model.effect import EffectState
from winchester_core.model.message import MessageKind
from winchester_core.model.process import ProcessKind
from winchester_core.model.stream import Reason, StreamOutcome, StreamState

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE: Final = choice(StreamState)
OUTCOME: Final = choice(StreamOutcome)
STREAM_TIME: Final = described(TIME, "stream time")
DATABASE_TIME: Final = described(TIME, "the database server's time")
PAGE_CURSORS: Final[Mapping[str, Schema]] = {
    "next": described(nullable(TEXT), "cursor of the next page; null on the last"),
    "previous": described(nullable(TEXT), "cursor of the previous page; null on the first"),
}

_STREAM: Final[Mapping[str, Schema]] = {
    "id": ID,
    "name": described(TEXT, "its trigger"),
    "state": STATE,
    "outcome": OUTCOME,
    "distinguished_by": TRAITS,
    "first_event": STREAM_TIME,
    "last_event": STREAM_TIME,
    "expire_timestamp": STREAM_TIME,
    "fire_timestamp": nullable(STREAM_TIME),
    "event_count": NUMBER,
    "attempts": described(NUMBER, "number of the last attempt"),
    "failures": NUMBER,
    "trial": described(nullable(TEXT), "whether it is to be tried alone, because a worker died"),
    "last_error": nullable(TEXT),
}
_HISTORY: Final = array(
    object_schema(
        {
            "at": DATABASE_TIME,
            "state": STATE,
            "worker": described(nullable(TEXT), "of a claim; of a reset, the operator"),
        }
    )
)
_CLAIM: Final[Mapping[str, Schema]] = {
    "worker": nullable(TEXT),
    "lease_until": nullable(DATABASE_TIME),
    "retry_at": nullable(DATABASE_TIME),
}
_PROGRESS: Final[Mapping[str, Schema]] = {
    "criterion": described(TEXT, "the criterion in words"),
    "has": described(nullable(QUANTITY), "null if the trigger has changed since it was counted"),
    "needs": nullable(QUANTITY),
    "counts": described(nullable(TEXT), "events, different values of a trait, or a sum"),
    "within": described(nullable(TEXT), "length of the time window"),
    "step": described(nullable(NUMBER), "position in a sequence, from 1"),
}
_NOT_COUNTED: Final[Mapping[str, Schema]] = {
    "reason": TEXT,
    "events": NUMBER,
    "first": described(TEXT, "message id of the first"),
}
_REJECTED: Final[Mapping[str, Schema]] = {
    "id": ID,
    "source": TEXT,
    "kind": choice(MessageKind),
    "received_at": DATABASE_TIME,
    "body_length": described(NUMBER, "length of the whole body in bytes"),
    "digest": described(TEXT, "SHA-256 of the whole body"),
    "reason": TEXT,
}
_EFFECT: Final[Mapping[str, Schema]] = {
    "id": ID,
    "effect_id": described(TEXT, "the id that other systems use"),
    "state": choice(EffectState),
    "pipeline": TEXT,
    "handler": TEXT,
    "place": described(NUMBER, "among the pipeline's handlers with this name, from 0"),
    "stream_id": ID,
    "stream_name": described(TEXT, "the stream's trigger"),
    "attempts": NUMBER,
    "created_at": DATABASE_TIME,
    "waiting_since": described(DATABASE_TIME, "start of its age"),
    "due_at": described(
        nullable(DATABASE_TIME),
        "end of the lease while it is delivered; null if it is dead, or waits for an earlier one",
    ),
    "worker": nullable(TEXT),
    "last_error": nullable(TEXT),
}
_MET: Final = array(object_schema({"criterion": TEXT, "met": FLAG, "reason": TEXT}))
_COUNTED_AGO: Final = described(SECONDS, "age of the numbers of streams")
_STATES: Final = map_schema(NUMBER, "number of streams by state; zero counts are omitted")
_BOUNDED: Final[Mapping[str, Schema]] = {
    "events_evaluated": described(
        NUMBER, "number of its newest events that were evaluated; less than all in a large stream"
    ),
}

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

SCHEMAS: Final[Mapping[str, Schema]] = {
    "StreamInList": object_schema(_STREAM, "A stream; long texts are cut."),
    "Stream": object_schema(
        {
            **_STREAM,
            "is_open": described(FLAG, "whether it still accepts events"),
            "fire_criteria": array(object_schema(_PROGRESS)),
            "outlook": described(TEXT, "when it fires or expires, or what it waits for"),
            "stream_time": nullable(STREAM_TIME),
            **_CLAIM,
            "history": described(_HISTORY, "the latest changes of its state, oldest first"),
        }
    ),
    "StreamHistory": object_schema(
        {
            "id": ID,
            "state": STATE,
            "attempts": NUMBER,
            "failures": NUMBER,
            **_CLAIM,
            "history": described(_HISTORY, "the latest changes of its state, oldest first"),
            "last_error": nullable(TEXT),
        }
    ),
    "StreamExplanation": object_schema(
        {
            "id": ID,
            "name": TEXT,
            "state": STATE,
            "outcome": OUTCOME,
            "distinguished_by": TRAITS,
            "event_count": NUMBER,
            **_BOUNDED,
            "has_fired": FLAG,
            "reasons": described(array(TEXT), "why it has fired or not, the decisive one first"),
            "fire_criteria": array(
                object_schema(
                    {
                        **_PROGRESS,
                        "met": FLAG,
                        "counts_until": described(
                            nullable(STREAM_TIME),
                            "time after which the oldest of its events counts no more",
                        ),
                        "not_counted": array(
                            object_schema({**_NOT_COUNTED, "of_wanted_type": FLAG})
                        ),
                    }
                )
            ),
            "not_counted": array(
                object_schema(_NOT_COUNTED, "Events that count for no criterion.")
            ),
            "cancelled_by": nullable(
                object_schema(
                    {
                        "message_id": nullable(TEXT),
                        "event_type": nullable(TEXT),
                        "timestamp": STREAM_TIME,
                    }
                )
            ),
            "waiting": nullable(object_schema({"events": NUMBER, "until": STREAM_TIME})),
            "silence": nullable(
                object_schema({"stream": ID, "since": STREAM_TIME, "until": STREAM_TIME})
            ),
            "expiration": nullable(TEXT),
            "first_event": STREAM_TIME,
            "last_event": STREAM_TIME,
            "expire_timestamp": STREAM_TIME,
            "fire_timestamp": nullable(STREAM_TIME),
            "stream_time": nullable(STREAM_TIME),
            "others_of_group": described(
                array(object_schema({"id": ID, "state": STATE})),
                "other streams with the same distinguishing traits, by id; in a large group, the "
                "newest of them",
            ),
            "others_omitted": described(FLAG, "whether the group has further streams"),
        }
    ),
    "Event": {
        "type": "object",
        "description": "An event as a flat object, as in `winchester event list -f json`. Traits "
        "are texts, numbers or booleans; `@datetime_traits` names those that are datetimes.",
        "required": ["message_id", "event_type", "timestamp"],
        "properties": {
            "message_id": TEXT,
            "event_type": TEXT,
            "timestamp": TIME,
            "@datetime_traits": TEXT,
        },
        "additionalProperties": {"type": ["string", "number", "boolean"]},
    },
    "EventExplanation": object_schema(
        {
            "message_id": TEXT,
            "event_type": TEXT,
            "timestamp": TIME,
            "triggers": array(
                object_schema(
                    {
                        "trigger": TEXT,
                        "matches": FLAG,
                        "reason": TEXT,
                        "role": nullable(TEXT),
                        "distinguished_by": nullable(TRAITS),
                        "streams": array(
                            object_schema(
                                {
                                    "id": ID,
                                    "state": STATE,
                                    "outcome": OUTCOME,
                                    "not_counted": described(
                                        nullable(TEXT), "why it counts for no criterion"
                                    ),
                                }
                            )
                        ),
                        "waits_until": nullable(STREAM_TIME),
                        "cancel_criteria": _MET,
                        "match_criteria": _MET,
                        "fire_criteria": _MET,
                    }
                )
            ),
            "streams_omitted": described(FLAG, "whether further, older streams hold the event"),
        }
    ),
    "RejectedInList": object_schema(_REJECTED, "A rejected message; long texts are cut."),
    "RejectedMessage": object_schema(
        {
            **_REJECTED,
            "body_kept": described(NUMBER, "length of the stored part in bytes"),
            "body": described(
                ANYTHING,
                "the stored part with secrets masked: its JSON, or else text; null for a viewer if "
                "it is no JSON",
            ),
        }
    ),
    "RawBody": object_schema(
        {"id": ID, "body": described(TEXT, "the stored part; other bytes than UTF-8 are escaped")}
    ),
    "EffectInList": object_schema(_EFFECT, "An effect in the outbox; long texts are cut."),
    "Effect": object_schema(
        {**_EFFECT, "payload": described(ANYTHING, "the payload with secrets masked")}
    ),
    "RawPayload": object_schema({"id": ID, "payload": described(TEXT, "JSON")}),
    "ActionInList": object_schema(
        {
            "id": ID,
            "performed_at": DATABASE_TIME,
            "name": described(TEXT, "the operator"),
            "role": TEXT,
            "address": described(TEXT, "of the request"),
            "action": described(TEXT, "such as stream.reset"),
            "target": described(TEXT, "the id of an object, or the filter of several"),
            "number": described(NUMBER, "of changed objects"),
        }
    ),
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
        omitted=described(NUMBER, "of further triggers: more than 1 MiB is not sent; see `after`"),
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
        )
    ),
    "Plugins": items_schema(
        object_schema(
            {
                "group": TEXT,
                "name": TEXT,
                "distribution": nullable(TEXT),
                "version": nullable(TEXT),
                "summary": nullable(TEXT),
                "problem": described(nullable(TEXT), "why it cannot be loaded"),
                "value": described(nullable(TEXT), "module and attribute"),
                "schema": described(nullable({"type": "object"}), "JSON Schema of its params"),
                "example": described(ANYTHING, "an example of its use, or null"),
                "used_by": described(array(TEXT), "parts of the configuration"),
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
                "begins_at": described(DATABASE_TIME, "of the first period"),
                "period_seconds": NUMBER,
                "values": {**array(QUANTITY), "maxItems": MAX_VALUES + 1},
            },
            "A count that is not 0, over time. The last period is not over yet.",
        ),
        omitted=described(NUMBER, "of further counts: more than 1 MiB is not sent"),
    ),
    "Statistics": object_schema(
        {
            "counted_seconds_ago": described(SECONDS, "age of the statistics"),
            "replica": described(
                nullable(object_schema({"lag_seconds": nullable(SECONDS)})),
                "the standby server that is read, with the age of its data; null for a primary",
            ),
            "stream_time": nullable(STREAM_TIME),
            "streams": map_schema(_STATES, "by trigger"),
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
        }
    ),
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
                NUMBER, "of the request; if it gave none, the highest id of the selected objects"
            ),
            "left": described(FLAG, "whether there may be further matches"),
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
