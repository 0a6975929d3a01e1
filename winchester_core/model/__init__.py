"""Values that plugins and embedding programs exchange with Winchester. Pure: no I/O, no clock."""

from winchester_core.model.effect import EffectState, Endpoint
from winchester_core.model.event import (
    MAX_INT,
    MAX_NAME_LENGTH,
    MIN_INT,
    REQUIRED_KEYS,
    CleanEvent,
    Event,
    TraitDrop,
    TraitValue,
    clean_event,
    parse_timestamp,
    storable,
    to_utc,
)
from winchester_core.model.json import flat_event, read_event
from winchester_core.model.message import EventOutcome, EventStatus, Message, MessageKind
from winchester_core.model.stream import Reason, StateChange, StreamRecord, StreamState
from winchester_core.model.time_range import TimeRange, TimeStamp, TimeValue

__all__ = [
    "MAX_INT",
    "MAX_NAME_LENGTH",
    "MIN_INT",
    "REQUIRED_KEYS",
    "CleanEvent",
    "EffectState",
    "Endpoint",
    "Event",
    "EventOutcome",
    "EventStatus",
    "Message",
    "MessageKind",
    "Reason",
    "StateChange",
    "StreamRecord",
    "StreamState",
    "TimeRange",
    "TimeStamp",
    "TimeValue",
    "TraitDrop",
    "TraitValue",
    "clean_event",
    "flat_event",
    "parse_timestamp",
    "read_event",
    "storable",
    "to_utc",
]
