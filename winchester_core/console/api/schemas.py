"""JSON Schemas of the API's responses. All listed members are always present."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from winchester_core.inspection.activity_series import MAX_VALUES
from winchester_core.model.activity import COUNTS_OF_SUBJECT
from winchester_core.model.effect import EffectState
from winchester_core.model.message import MessageKind
from winchester_core.model.process import ProcessKind
from winchester_core.model.stream import Reason, StreamOutcome, StreamState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Schema = dict[str, Any]

ID: Final[Schema] = {"type": "integer"}
NUMBER: Final[Schema] = {"type": "integer", "minimum": 0}
QUANTITY: Final[Schema] = {"type": "number"}
TEXT: Final[Schema] = {"type": "string"}
FLAG: Final[Schema] = {"type": "boolean"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
SECONDS: Final[Schema] = {"type": "number", "minimum": 0}
ANYTHING: Final[Schema] = {}
TRAITS: Final[Schema] = {
    "type": "object",
    "description": "values by name; a time range is [begin, end]",
}


def reference(name: str) -> Schema:
    """Return a reference to a schema of the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def _nullable(schema: Schema) -> Schema:
    if "enum" in schema:
        return {"enum": [*schema["enum"], None]}
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"oneOf": [schema, {"type": "null"}]}


def _described(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description}


def _choice(values: Iterable[str]) -> Schema:
    return {"type": "string", "enum": [str(each) for each in values]}


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _map(values: Schema, description: str = "") -> Schema:
    found: Schema = {"type": "object", "additionalProperties": values}
    return _described(found, description) if description else found


def _object(members: Mapping[str, Schema], description: str = "") -> Schema:
    found: Schema = {
        "type": "object",
        "required": list(members),
        "properties": dict(members),
    }
    return _described(found, description) if description else found


def _items(schema: Schema, **members: Schema) -> Schema:
    return _object({"items": _array(schema), **members})


STATE: Final = _choice(StreamState)
OUTCOME: Final = _choice(StreamOutcome)
STREAM_TIME: Final = _described(TIME, "stream time")
DATABASE_TIME: Final = _described(TIME, "the database server's time")
PAGE_CURSORS: Final[Mapping[str, Schema]] = {
    "next": _described(_nullable(TEXT), "cursor of the next page; null on the last"),
    "previous": _described(_nullable(TEXT), "cursor of the previous page; null on the first"),
}

_STREAM: Final[Mapping[str, Schema]] = {
    "id": ID,
    "name": _described(TEXT, "its trigger"),
    "state": STATE,
    "outcome": OUTCOME,
    "distinguished_by": TRAITS,
    "first_event": STREAM_TIME,
    "last_event": STREAM_TIME,
    "expire_timestamp": STREAM_TIME,
    "fire_timestamp": _nullable(STREAM_TIME),
    "event_count": NUMBER,
    "attempts": _described(NUMBER, "number of the last attempt"),
    "failures": NUMBER,
    "trial": _described(_nullable(TEXT), "whether it is to be tried alone, because a worker died"),
    "last_error": _nullable(TEXT),
}
_HISTORY: Final = _array(
    _object(
        {
            "at": DATABASE_TIME,
            "state": STATE,
            "worker": _described(_nullable(TEXT), "of a claim; of a reset, the operator"),
        }
    )
)
_CLAIM: Final[Mapping[str, Schema]] = {
    "worker": _nullable(TEXT),
    "lease_until": _nullable(DATABASE_TIME),
    "retry_at": _nullable(DATABASE_TIME),
}
_PROGRESS: Final[Mapping[str, Schema]] = {
    "criterion": _described(TEXT, "the criterion in words"),
    "has": _described(_nullable(QUANTITY), "null if the trigger has changed since it was counted"),
    "needs": _nullable(QUANTITY),
    "counts": _described(_nullable(TEXT), "events, different values of a trait, or a sum"),
    "within": _described(_nullable(TEXT), "length of the time window"),
    "step": _described(_nullable(NUMBER), "position in a sequence, from 1"),
}
_NOT_COUNTED: Final[Mapping[str, Schema]] = {
    "reason": TEXT,
    "events": NUMBER,
    "first": _described(TEXT, "message id of the first"),
}
_REJECTED: Final[Mapping[str, Schema]] = {
    "id": ID,
    "source": TEXT,
    "kind": _choice(MessageKind),
    "received_at": DATABASE_TIME,
    "body_length": _described(NUMBER, "length of the whole body in bytes"),
    "digest": _described(TEXT, "SHA-256 of the whole body"),
    "reason": TEXT,
}
_EFFECT: Final[Mapping[str, Schema]] = {
    "id": ID,
    "effect_id": _described(TEXT, "the id that other systems use"),
    "state": _choice(EffectState),
    "pipeline": TEXT,
    "handler": TEXT,
    "place": _described(NUMBER, "among the pipeline's handlers with this name, from 0"),
    "stream_id": ID,
    "stream_name": _described(TEXT, "the stream's trigger"),
    "attempts": NUMBER,
    "created_at": DATABASE_TIME,
    "waiting_since": _described(DATABASE_TIME, "start of its age"),
    "due_at": _described(
        _nullable(DATABASE_TIME),
        "end of the lease while it is delivered; null if it is dead, or waits for an earlier one",
    ),
    "worker": _nullable(TEXT),
    "last_error": _nullable(TEXT),
}
_MET: Final = _array(_object({"criterion": TEXT, "met": FLAG, "reason": TEXT}))
_COUNTED_AGO: Final = _described(SECONDS, "age of the numbers of streams")
_STATES: Final = _map(NUMBER, "number of streams by state; zero counts are omitted")
_BOUNDED: Final[Mapping[str, Schema]] = {
    "events_evaluated": _described(
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
        "matches": _array(TEXT),
        "fires_on": _array(TEXT),
        "is_cancelled_by": _array(TEXT),
    },
}

SCHEMAS: Final[Mapping[str, Schema]] = {
    "StreamInList": _object(_STREAM, "A stream; long texts are cut."),
    "Stream": _object(
        {
            **_STREAM,
            "is_open": _described(FLAG, "whether it still accepts events"),
            "fire_criteria": _array(_object(_PROGRESS)),
            "outlook": _described(TEXT, "when it fires or expires, or what it waits for"),
            "stream_time": _nullable(STREAM_TIME),
            **_CLAIM,
            "history": _described(_HISTORY, "the latest changes of its state, oldest first"),
        }
    ),
    "StreamHistory": _object(
        {
            "id": ID,
            "state": STATE,
            "attempts": NUMBER,
            "failures": NUMBER,
            **_CLAIM,
            "history": _described(_HISTORY, "the latest changes of its state, oldest first"),
            "last_error": _nullable(TEXT),
        }
    ),
    "StreamExplanation": _object(
        {
            "id": ID,
            "name": TEXT,
            "state": STATE,
            "outcome": OUTCOME,
            "distinguished_by": TRAITS,
            "event_count": NUMBER,
            **_BOUNDED,
            "has_fired": FLAG,
            "reasons": _described(_array(TEXT), "why it has fired or not, the decisive one first"),
            "fire_criteria": _array(
                _object(
                    {
                        **_PROGRESS,
                        "met": FLAG,
                        "counts_until": _described(
                            _nullable(STREAM_TIME),
                            "time after which the oldest of its events counts no more",
                        ),
                        "not_counted": _array(_object({**_NOT_COUNTED, "of_wanted_type": FLAG})),
                    }
                )
            ),
            "not_counted": _array(_object(_NOT_COUNTED, "Events that count for no criterion.")),
            "cancelled_by": _nullable(
                _object(
                    {
                        "message_id": _nullable(TEXT),
                        "event_type": _nullable(TEXT),
                        "timestamp": STREAM_TIME,
                    }
                )
            ),
            "waiting": _nullable(_object({"events": NUMBER, "until": STREAM_TIME})),
            "silence": _nullable(
                _object({"stream": ID, "since": STREAM_TIME, "until": STREAM_TIME})
            ),
            "expiration": _nullable(TEXT),
            "first_event": STREAM_TIME,
            "last_event": STREAM_TIME,
            "expire_timestamp": STREAM_TIME,
            "fire_timestamp": _nullable(STREAM_TIME),
            "stream_time": _nullable(STREAM_TIME),
            "others_of_group": _described(
                _array(_object({"id": ID, "state": STATE})),
                "other streams with the same distinguishing traits, by id; in a large group, the "
                "newest of them",
            ),
            "others_omitted": _described(FLAG, "whether the group has further streams"),
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
    "EventExplanation": _object(
        {
            "message_id": TEXT,
            "event_type": TEXT,
            "timestamp": TIME,
            "triggers": _array(
                _object(
                    {
                        "trigger": TEXT,
                        "matches": FLAG,
                        "reason": TEXT,
                        "role": _nullable(TEXT),
                        "distinguished_by": _nullable(TRAITS),
                        "streams": _array(
                            _object(
                                {
                                    "id": ID,
                                    "state": STATE,
                                    "outcome": OUTCOME,
                                    "not_counted": _described(
                                        _nullable(TEXT), "why it counts for no criterion"
                                    ),
                                }
                            )
                        ),
                        "waits_until": _nullable(STREAM_TIME),
                        "cancel_criteria": _MET,
                        "match_criteria": _MET,
                        "fire_criteria": _MET,
                    }
                )
            ),
            "streams_omitted": _described(FLAG, "whether further, older streams hold the event"),
        }
    ),
    "RejectedInList": _object(_REJECTED, "A rejected message; long texts are cut."),
    "RejectedMessage": _object(
        {
            **_REJECTED,
            "body_kept": _described(NUMBER, "length of the stored part in bytes"),
            "body": _described(
                ANYTHING,
                "the stored part with secrets masked: its JSON, or else text; null for a viewer if "
                "it is no JSON",
            ),
        }
    ),
    "RawBody": _object(
        {"id": ID, "body": _described(TEXT, "the stored part; other bytes than UTF-8 are escaped")}
    ),
    "EffectInList": _object(_EFFECT, "An effect in the outbox; long texts are cut."),
    "Effect": _object(
        {**_EFFECT, "payload": _described(ANYTHING, "the payload with secrets masked")}
    ),
    "RawPayload": _object({"id": ID, "payload": _described(TEXT, "JSON")}),
    "ActionInList": _object(
        {
            "id": ID,
            "performed_at": DATABASE_TIME,
            "name": _described(TEXT, "the operator"),
            "role": TEXT,
            "address": _described(TEXT, "of the request"),
            "action": _described(TEXT, "such as stream.reset"),
            "target": _described(TEXT, "the id of an object, or the filter of several"),
            "number": _described(NUMBER, "of changed objects"),
        }
    ),
    "Trigger": {
        **_TRIGGER,
        "required": [*_TRIGGER["required"], "counted_seconds_ago", "debug"],
        "properties": {
            **_TRIGGER["properties"],
            "counted_seconds_ago": _COUNTED_AGO,
            "debug": _nullable(
                _object(
                    {
                        "matched": NUMBER,
                        "mismatched": NUMBER,
                        "reasons": _map(NUMBER),
                        "since": DATABASE_TIME,
                        "counted_at": DATABASE_TIME,
                    },
                    "Debug counts of the trigger, if its debug level is set.",
                )
            ),
        },
    },
    "Triggers": _items(
        _TRIGGER,
        omitted=_described(NUMBER, "of further triggers: more than 1 MiB is not sent; see `after`"),
        not_configured=_map(_STATES, "streams of triggers that are not configured (any more)"),
        counted_seconds_ago=_COUNTED_AGO,
    ),
    "Processes": _items(
        _object(
            {
                "kind": _choice(ProcessKind),
                "name": TEXT,
                "host": TEXT,
                "pid": NUMBER,
                "version": TEXT,
                "state": _choice(("running", "overdue", "gone")),
                "started_at": DATABASE_TIME,
                "seen_at": DATABASE_TIME,
                "overdue": _described(_array(TEXT), "components that missed their deadline"),
                "triggers": _described(_nullable(TEXT), "fingerprint of the triggers"),
                "pipelines": _described(_nullable(TEXT), "fingerprint of the pipelines"),
                "id": TEXT,
                "period_seconds": QUANTITY,
                "configured_at": DATABASE_TIME,
            }
        )
    ),
    "Plugins": _items(
        _object(
            {
                "group": TEXT,
                "name": TEXT,
                "distribution": _nullable(TEXT),
                "version": _nullable(TEXT),
                "summary": _nullable(TEXT),
                "problem": _described(_nullable(TEXT), "why it cannot be loaded"),
                "value": _described(_nullable(TEXT), "module and attribute"),
                "schema": _described(_nullable({"type": "object"}), "JSON Schema of its params"),
                "example": _described(ANYTHING, "an example of its use, or null"),
                "used_by": _described(_array(TEXT), "parts of the configuration"),
            }
        )
    ),
    "Stats": _items(
        _object(
            {
                "subject": _choice(each.value for each in COUNTS_OF_SUBJECT),
                "name": _described(TEXT, "trigger or pipeline; empty for all sources"),
                "count": TEXT,
                "total": QUANTITY,
                "begins_at": _described(DATABASE_TIME, "of the first period"),
                "period_seconds": NUMBER,
                "values": {**_array(QUANTITY), "maxItems": MAX_VALUES + 1},
            },
            "A count that is not 0, over time. The last period is not over yet.",
        ),
        omitted=_described(NUMBER, "of further counts: more than 1 MiB is not sent"),
    ),
    "Statistics": _object(
        {
            "counted_seconds_ago": _described(SECONDS, "age of the statistics"),
            "stream_time": _nullable(STREAM_TIME),
            "streams": _map(_STATES, "by trigger"),
            "oldest_ready_seconds": {
                **_map(SECONDS, "by reason: wait of the oldest stream that is ready for a worker"),
                "propertyNames": _choice(Reason),
            },
            "oldest_unexpired_seconds": _described(SECONDS, "age of the oldest active stream"),
            "effects": _array(
                _object(
                    {
                        "pipeline": TEXT,
                        "handler": TEXT,
                        "place": NUMBER,
                        "pending": NUMBER,
                        "dead": NUMBER,
                        "oldest_seconds": _described(SECONDS, "age of the oldest pending effect"),
                    }
                )
            ),
            "rejected": NUMBER,
            "trials": _described(NUMBER, "streams that wait to be tried alone"),
        }
    ),
    "ActionResult": _object(
        {
            "id": ID,
            "outcome": _described(
                TEXT,
                "stream: its new state, discarded or purged; rejected message: stored, duplicate, "
                "dropped, invalid, failed or discarded; effect: due, waiting or discarded",
            ),
            "reason": _nullable(TEXT),
        }
    ),
    "BulkResult": _object(
        {
            "dry_run": FLAG,
            "matched": _described(NUMBER, "number of selected objects, at most 10,000"),
            "done": _described(NUMBER, "number of changed objects; 0 in a dry run"),
            "skipped": _described(
                NUMBER, "number of objects that had changed meanwhile, or are still invalid"
            ),
            "outcomes": _map(NUMBER, "number of objects by outcome"),
            "up_to_id": _described(
                NUMBER, "of the request; if it gave none, the highest id of the selected objects"
            ),
            "left": _described(FLAG, "whether there may be further matches"),
            "after_id": _described(
                _nullable(NUMBER), "`after_id` of a request for the further matches"
            ),
            "interruption": _described(
                _nullable(TEXT), "the error that ended the request after its first transaction"
            ),
        }
    ),
    "Description": {"type": "object", "description": "This document.", "required": ["openapi"]},
    "Problem": _object(
        {"title": TEXT, "status": {"type": "integer"}, "detail": TEXT},
        "A problem document (RFC 9457).",
    ),
    **{
        f"{name}Page": _items(reference(name), **PAGE_CURSORS)
        for name in ("StreamInList", "Event", "RejectedInList", "EffectInList", "ActionInList")
    },
}
"""Schemas by name."""
