"""Handler that adds one event which summarizes the stream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import NAMESPACE_URL, uuid5

from winchester_core.interfaces import PipelineHandler
from winchester_core.model import TimeRange
from winchester_handlers.emit.aggregates import AGGREGATES, values_of
from winchester_handlers.emit.params import DEPTH_TRAIT, EMIT_SCHEMA, GROUP

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from voluptuous import Schema

    from winchester_core.model import Event, TraitValue

EMITTED_IDS = "emitted_ids"
"""Key in `env` of the ids of the events that the run's `emit` handlers have added."""

MAX_DEPTH = 16


class EmitHandler(PipelineHandler):
    """Adds one new event that summarizes the events which it is given.

    The new event is stored when the run succeeds, and then passes through the triggers, so it may
    open a stream of another trigger. If an earlier handler has removed all events, there is no new
    event. Events that other `emit` handlers of the pipeline have added are left out.

    A trait of the new event is a constant, a distinguishing trait of the stream (of a time range,
    its begin), or an aggregate of a trait. An aggregate leaves out events without the trait.

    - `count` is the number of events with the trait. Every event has a `message_id`, so
      `{count: message_id}` is the number of events.
    - `distinct` is the number of different values. int 1, float 1.0, text "1" and true are four
      values.
    - `first` and `last` are the values of the first and last event in the stream's order.
    - `min` and `max` compare numbers; if there are none, datetimes; if there are none, texts.
    - `sum` and `mean` use only numbers. Floats are added exactly, as they are written: ten times
      0.1 is 1. A sum of whole numbers is a whole number; a `mean` is a float.

    Without values, `count` and `distinct` are 0, and the other aggregates yield no trait. A sum
    that cannot be stored (beyond signed 64 bits, or beyond the range of floats) is dropped like any
    such trait: the new event is stored without it, and the drop is logged and counted. If the
    stream's trigger does not have the trait in `distinguished_by`, the run fails.

    The `message_id` is derived from the stream's id, the trigger, the reason of the run, the event
    type and the id of the first event. A retry creates the same event. The stream's id is unique in
    a database; the first event's id distinguishes streams with the same id if the database is
    replaced.

    The trait `emit_depth` is 1 more than the greatest `emit_depth` of the events. If it would reach
    16, the run fails, because triggers that pass events to each other in a circle would never end.
    """

    example: ClassVar[str] = """
        - name: emit
          params:
            event_type: backup.digest
            timestamp: now
            traits:
              severity: warning
              night: {distinguished_by: night}
              failures: {count: message_id}
              hosts: {distinct: host}
              last_error: {last: error}
    """
    config_schema: ClassVar[Schema] = EMIT_SCHEMA
    unique_params: ClassVar[tuple[str, ...]] = ("event_type",)

    @classmethod
    def emitted_event_types(cls, params: Mapping[str, Any]) -> Iterable[str]:
        """Return the type of the new event."""
        return [params["event_type"]]

    def __init__(
        self,
        event_type: str,
        timestamp: str = "last",
        traits: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(event_type=event_type, timestamp=timestamp, traits=dict(traits or {}))
        self._event_type, self._timestamp = event_type, timestamp
        self._traits = self.params["traits"]

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Return `events` followed by the new event, if there are events to summarize.

        Raises `ValueError` for an unknown distinguishing trait or an `emit_depth` of 16.
        """
        emitted_ids = env.setdefault(EMITTED_IDS, [])
        summarized = [event for event in events if event["message_id"] not in emitted_ids]
        if not summarized:
            return events
        event = {
            "message_id": derived_id(self._event_type, summarized[0], env),
            "event_type": self._event_type,
            "timestamp": self._timestamp_of(summarized, env),
            DEPTH_TRAIT: self._depth(summarized),
        }
        for name, source in self._traits.items():
            value = trait_value(source, summarized, env["distinguished_by"])
            if value is not None:
                event[name] = value
        emitted_ids.append(event["message_id"])
        return [*events, event]

    def _timestamp_of(self, events: Sequence[Event], env: Mapping[str, Any]) -> Any:
        if self._timestamp == "now":
            return env["stream_time"]
        timestamps = [event["timestamp"] for event in events]
        return min(timestamps) if self._timestamp == "first" else max(timestamps)

    def _depth(self, events: Iterable[Event]) -> int:
        depths = (event.get(DEPTH_TRAIT) for event in events)
        depth = 1 + max((each for each in depths if type(each) is int and each > 0), default=0)
        if depth >= MAX_DEPTH:
            raise ValueError(
                f"the new event {self._event_type!r} would have an {DEPTH_TRAIT} of {depth}, and "
                f"{MAX_DEPTH} is not allowed: triggers probably pass events to each other in a "
                "circle; 'winchester check' warns of circles"
            )
        return depth


def derived_id(event_type: str, first: Event, env: Mapping[str, Any]) -> str:
    """Return the id of the new event of a run. It is the same at every attempt.

    No two runs of one database have the same stream id and reason. After a database has been
    replaced, its stream ids begin again; then trigger and first event make the difference, so that
    a receiver which recognizes events by id does not mistake a new event for an old one.
    """
    parts = (env["stream_id"], env["stream_name"], env["reason"], event_type, first["message_id"])
    return str(uuid5(NAMESPACE_URL, f"winchester:emit:{json.dumps(parts)}"))


def trait_value(
    source: Any, events: Sequence[Event], groups: Mapping[str, Any]
) -> TraitValue | None:
    """Return the value of a new trait, or None if it has none.

    `groups` has the distinguishing traits of the stream. Raises `ValueError` if it lacks the trait
    that `source` names.
    """
    if not isinstance(source, dict):
        constant: TraitValue = source
        return constant
    ((aggregate, trait),) = source.items()
    if aggregate == GROUP:
        return _group_value(trait, groups)
    return AGGREGATES[aggregate](values_of(trait, events))


def _group_value(trait: str, groups: Mapping[str, Any]) -> TraitValue:
    if trait not in groups:
        known = ", ".join(sorted(groups)) or "none"
        raise ValueError(f"the stream has no distinguishing trait {trait!r}; it has: {known}")
    value = groups[trait]
    begin: TraitValue = value.begin if isinstance(value, TimeRange) else value
    return begin
