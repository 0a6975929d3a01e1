"""JSON Schemas of stored objects and their explanations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from winchester_core.console.api.schema_parts import (
    ANYTHING,
    DATABASE_TIME,
    FLAG,
    ID,
    NUMBER,
    QUANTITY,
    STREAM_TIME,
    TEXT,
    TIME,
    TRAITS,
    Schema,
    array,
    choice,
    described,
    nullable,
    object_schema,
)
from winchester_core.model.effect import EffectState
from winchester_core.model.message import MessageKind
from winchester_core.model.stream import StreamOutcome, StreamState

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE: Final = choice(StreamState)
OUTCOME: Final = choice(StreamOutcome)
_STREAM: Final[Mapping[str, Schema]] = {
    "id": ID,
    "name": described(TEXT, "name of its trigger"),
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
    "trial": described(nullable(TEXT), "the trial after its worker died; null if there is none"),
    "last_error": nullable(TEXT),
}
_HISTORY: Final = array(
    object_schema(
        {
            "at": DATABASE_TIME,
            "state": STATE,
            "worker": described(nullable(TEXT), "worker of a claim; operator of a reset"),
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
    "first": described(TEXT, "message id of the first event"),
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
    "place": described(NUMBER, "position among the pipeline's handlers with this name, from 0"),
    "stream_id": ID,
    "stream_name": described(TEXT, "the stream's trigger"),
    "attempts": NUMBER,
    "created_at": DATABASE_TIME,
    "waiting_since": described(DATABASE_TIME, "start of its age"),
    "due_at": described(
        nullable(DATABASE_TIME),
        "end of the lease while it is delivered; null if it is dead or waits for another effect",
    ),
    "worker": nullable(TEXT),
    "last_error": nullable(TEXT),
}
_MET: Final = array(object_schema({"criterion": TEXT, "met": FLAG, "reason": TEXT}))
_BOUNDED: Final[Mapping[str, Schema]] = {
    "events_evaluated": described(
        NUMBER, "number of its newest events that were evaluated; fewer than all in a large stream"
    ),
}

OBJECT_SCHEMAS: Final[Mapping[str, Schema]] = {
    "StreamInList": object_schema(_STREAM, "A stream; long texts are cut."),
    "Stream": object_schema(
        {
            **_STREAM,
            "is_open": described(FLAG, "true if it accepts events"),
            "fire_criteria": array(object_schema(_PROGRESS)),
            "outlook": described(
                TEXT, "sentence on when it fires or expires, or on what it waits for"
            ),
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
            "reasons": described(
                array(TEXT), "reasons why it has fired or not, the decisive one first"
            ),
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
            "others_omitted": described(FLAG, "true if the group has further streams"),
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
                                        nullable(TEXT), "reason why it counts for no criterion"
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
            "streams_omitted": described(FLAG, "true if further, older streams hold the event"),
        }
    ),
    "RejectedInList": object_schema(_REJECTED, "A rejected message; long texts are cut."),
    "RejectedMessage": object_schema(
        {
            **_REJECTED,
            "body_kept": described(NUMBER, "length of the stored part in bytes"),
            "context": described(
                ANYTHING,
                "the names of the message's `mappings`, and the `headers` and `properties` that "
                "they read, with secrets masked; null without mappings",
            ),
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
            "address": described(TEXT, "address from which the request came"),
            "action": described(TEXT, "such as stream.reset"),
            "target": described(TEXT, "id of an object, or filter of several"),
            "number": described(NUMBER, "number of changed objects"),
        }
    ),
}
"""Schemas by name."""
