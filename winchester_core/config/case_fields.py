"""The keys of a file of cases, by which triggers are tested: what each means and takes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from voluptuous import All, Length, Optional, Required, Schema
from voluptuous import Any as AnyOf

from winchester_core.config.values import (
    boolean,
    duration,
    one_of,
    optional,
    text,
    text_list,
    whole_number,
)
from winchester_core.config.wording import Expected
from winchester_core.interfaces.json_schema import json_schema
from winchester_core.model.event import parse_timestamp, to_utc
from winchester_core.model.stream import Reason, StreamState

OUTCOMES = ("active", "fired", "expired", "failed")
ACTIONS = ("events", "notifications", "advance", "advance_to", "expect")
COUNTED = (
    *("streams", *OUTCOMES),
    *("runs", "new_events", "effects"),
    *("stored", "duplicates", "rejected", "dropped"),
)


@json_schema(type="string", title="time", examples=["2026-03-02T09:00:00Z"])
def moment(value: Any) -> datetime:
    """A time, returned as aware UTC: without offset it is UTC, a date is its midnight."""
    try:
        match value:
            case datetime():
                return to_utc(value)
            case date():
                return datetime(value.year, value.month, value.day, tzinfo=UTC)
            case str():
                return parse_timestamp(value)
    except ValueError:
        pass  # told below, as for what is no time at all
    raise Expected("expected a time (ISO 8601, as in 2026-03-02T09:00:00Z)")


@json_schema(AnyOf(text, [{str: object}]), title="file, or a list of them")
def file_or_items(value: Any) -> Any:
    """The name of a file, or a list of mappings."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return value
    raise Expected("expected the name of a file, or a list of mappings")


@json_schema(type="object", minProperties=1)
def some_mapping(value: Any) -> Any:
    """A mapping that says something."""
    if isinstance(value, dict) and value:
        return value
    raise Expected("expected a mapping with at least one key")


EXPECTED_STREAM = Schema(
    {
        Optional("trigger", description="the trigger's name"): text,
        Optional("distinguished_by", description="all distinguishing values"): dict,
        Optional("outcome", description="what has become of it"): one_of(*OUTCOMES),
        Optional("state", description="its state"): one_of(*(each.value for each in StreamState)),
        Optional("events", description="ids of its events, by time"): [text],
        Optional("event_count", description="how many events it holds"): whole_number(0),
        Optional("first_event", description="time of its first event"): moment,
        Optional("last_event", description="time of its last event"): moment,
        Optional("fire_timestamp", description="when it fires; null: never"): optional(moment),
        Optional("expire_timestamp", description="when it expires"): moment,
        Optional("error", description="text that its last error holds"): text,
    }
)
EXPECTED_RUN = Schema(
    {
        Optional("trigger", description="the trigger's name"): text,
        Optional("distinguished_by", description="all distinguishing values"): dict,
        Optional("pipeline", description="the pipeline's name"): text,
        Optional("reason", description="fire or expire"): one_of(*(each.value for each in Reason)),
        Optional("events", description="ids of the events it was given, by time"): [text],
        Optional("succeeded", description="whether all handlers did"): boolean,
        Optional("error", description="text that the error holds"): text,
    }
)
EXPECTED_EFFECT = Schema(
    {
        Optional("trigger", description="the trigger's name"): text,
        Optional("pipeline", description="the pipeline's name"): text,
        Optional("handler", description="the handler's name in the pipeline"): text,
        Optional("payload", description="what was queued"): object,
    }
)
KINDS: dict[Any, Any] = {
    Optional("streams", description="the streams there are"): [All(some_mapping, EXPECTED_STREAM)],
    Optional("runs", description="the runs of pipelines"): [All(some_mapping, EXPECTED_RUN)],
    Optional("new_events", description="events that handlers made: some of their keys"): [
        some_mapping
    ],
    Optional("effects", description="effects that handlers queued"): [
        All(some_mapping, EXPECTED_EFFECT)
    ],
}
EXPECT = Schema(
    All(
        some_mapping,
        {
            **KINDS,
            Optional("including", description="the same, among others"): All(some_mapping, KINDS),
            Optional("counts", description="how many of each kind"): All(
                some_mapping, {Optional(name): whole_number(0) for name in COUNTED}
            ),
        },
    )
)


@json_schema(minProperties=1)
def one_action(value: Any) -> Any:
    """A step does one thing."""
    actions = [key for key in ACTIONS if key in value]
    if len(actions) != 1:
        raise Expected(f"expected one of {', '.join(ACTIONS)} in a step")
    return value


STEP = Schema(
    All(
        {
            Optional("events", description="events, or a file of them"): file_or_items,
            Optional("notifications", description="notifications, or a file"): file_or_items,
            Optional("every", description="of a file: how often the worker runs"): duration(
                positive=True
            ),
            Optional("datetime_traits", description="of a file of events: their datetimes"): (
                text_list
            ),
            Optional("advance", description="time goes on by so much"): duration(positive=True),
            Optional("advance_to", description="time goes on to this"): moment,
            Optional("expect", description="what is to hold at this point"): EXPECT,
        },
        one_action,
    )
)
CASE = Schema(
    {
        Required("name", description="unique in the file"): text,
        Optional("start", description="the time at which it begins"): moment,
        Required("steps", description="what happens, in order"): All([STEP], Length(min=1)),
        Optional("expect", description="what is to hold at the end"): EXPECT,
    }
)
CASES_SCHEMA = Schema(
    {
        Optional("config", description="the configuration: a path from this file"): text,
        Required("cases", description="what is tested"): All([CASE], Length(min=1)),
    }
)
