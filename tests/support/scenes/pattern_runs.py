"""Executes steps on a store under one trigger, and returns its state, surrogate keys aside."""

from __future__ import annotations

from datetime import timedelta
from itertools import cycle
from typing import TYPE_CHECKING, Any

from support.builders.events import NOON, matched_events
from support.builders.patterns import (
    Arrive,
    ChangeTrigger,
    PatternStep,
    Recalculate,
    Upkeep,
    Work,
    later,
)
from winchester_core.clock import EventTime, FixedTime
from winchester_core.model.stream import Decision
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.records import Completion, Failure
from winchester_core.triggers.counting import kept_members

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.interface import Store
    from winchester_core.triggers.definition import TriggerDefinition

ALL = 10_000


class PatternRun:
    """A store, its stream time, and a trigger with its versions."""

    def __init__(self, store: Store, *versions: TriggerDefinition, by_events: bool) -> None:
        self._store = store
        self._versions = cycle(versions)
        self._trigger = next(self._versions)
        self._by_events = by_events
        self._now = NOON

    def do(self, step: PatternStep) -> Any:
        """Execute one step; return the result without surrogate keys."""
        match step:
            case Arrive(batch, seconds):
                self._now = later(self._now, seconds)
                return self.ingest(batch)
            case Work(reason, fails):
                return self._work(reason, fails=fails)
            case Upkeep():
                return self._tidy()
            case ChangeTrigger():
                self._trigger = next(self._versions)
                return None
            case Recalculate():
                now = self._stream_time()
                return None if now is None else self._store.recalculate(self._trigger, now, ALL)

    def ingest(self, batch: Sequence[Event]) -> Any:
        """Ingest one batch."""
        policy = EventTime() if self._by_events else FixedTime(self._now)
        result = self._store.record(matched_events([self._trigger], batch), policy)
        return (
            result.stored,
            result.streams_opened,
            result.streams_opened_expired,
            result.events_held,
            result.held_dropped,
        )

    def _stream_time(self) -> datetime | None:
        return self._store.event_clock() if self._by_events else self._now

    def _work(self, reason: Any, *, fails: bool) -> Any:
        claims = self._store.claim_ready(
            worker="w",
            reason=reason,
            now=self._stream_time(),
            limit=ALL,
            lease=timedelta(days=1),
        )
        events = self._store.events_of([each.stream_id for each in claims])
        claimed = sorted(
            (self._ids(events[each.stream_id]), each.reason, str(each.decision), each.attempt)
            for each in claims
        )
        if fails:
            for each in claims:
                self._store.fail(Failure(each, "failed", timedelta(0)), 3)
        else:
            done = [Completion(each, purge=False) for each in claims]
            self._store.complete(done, EventTime(advances=False))
        return claimed

    def _tidy(self) -> Any:
        now = self._stream_time()
        if now is None:
            return None
        self._store.unlink_old_members(self._trigger, now, ALL)
        self._store.delete_silences(now, [self._trigger], ALL)
        self._store.end_waiting(now, ALL)
        return None

    def state(self) -> list[Any]:
        """Return the streams without surrogate keys."""
        found = self._store.find_streams(StreamFilter(), limit=ALL)
        events = self._store.events_of([each.id for each in found])
        assert self._store.count_streams() == len(found)
        return sorted((facts(each, self._ids(events[each.id])) for each in found), key=repr)

    def _ids(self, events: Sequence[Event]) -> list[str]:
        return ids_of(kept_members(self._trigger, list(events)))


def ids_of(events: Sequence[Event]) -> list[str]:
    return [each["message_id"] for each in events]


def facts(stream: StreamRecord, members: list[str]) -> dict[str, Any]:
    """Return what is the same in every store; a cancelled stream has no times."""
    shown = {
        "members": members,
        "group": dict(stream.distinguished_by),
        "state": stream.state.value,
        "outcome": stream.outcome.value,
        "decision": stream.decision and stream.decision.value,
        "is_open": stream.is_open,
    }
    if stream.decision is Decision.CANCELLED:
        return shown
    times = {
        "first": stream.first_event,
        "last": stream.last_event,
        "expires": stream.expire_timestamp,
        "fires": stream.fire_timestamp,
    }
    return shown | {
        name: None if time is None else (time - NOON).total_seconds()
        for name, time in times.items()
    }
