"""Executes steps on a store and returns its state, surrogate keys aside."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from support.builders.effect_steps import OutboxRun
from support.builders.engine_steps import (
    NEW_TRIGGERS,
    OLD_TRIGGERS,
    AdvanceTime,
    ChangeTriggers,
    Claim,
    Complete,
    Fail,
    Ingest,
    Recalculate,
    Release,
    Rescue,
    Reset,
    Step,
    Trim,
    Try,
)
from support.builders.events import NOON, matched_events
from winchester_core.clock import EventTime, FixedTime
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.storage.records import Completion, Failure

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from winchester_core.clock import TimePolicy
    from winchester_core.model.stream import Reason, StreamRecord
    from winchester_core.storage import records
    from winchester_core.storage.interface import Store
    from winchester_core.testing.builders import FakeClock

ALL = 10_000
MAX_ATTEMPTS = 2


@dataclass(frozen=True)
class StreamTime:
    """The clock of stream time: the event clock, or a fake clock that starts at noon."""

    by_events: bool
    max_jump: timedelta | None = None


class Run:
    """A store, its worker, and the loaded triggers."""

    def __init__(
        self, store: Store, clock: FakeClock, time: StreamTime, batch_size: int | None = None
    ) -> None:
        self.store = store
        self.held: list[records.Claim] = []
        self.outbox = OutboxRun(store)
        self._clock = clock
        self._start = clock.now()
        self._time = time
        self._batch_size = batch_size
        self._rules, self._other_rules = OLD_TRIGGERS, NEW_TRIGGERS

    def do(self, step: Step) -> Any:
        """Execute one step; return the result without surrogate keys."""
        match step:
            case Ingest(batch):
                return self._ingest(batch)
            case AdvanceTime(time):
                return self._clock.advance(time)
            case ChangeTriggers():
                self._rules, self._other_rules = self._other_rules, self._rules
                return None
            case Recalculate():
                return [
                    self.store.recalculate(each, self._now or NOON, ALL) for each in self._rules
                ]
            case Claim(reason, lease):
                return self._claim(reason, lease)
            case Try(lease):
                return self._try(lease)
            case Release():
                return self.store.release(self._take_every_other())
            case Fail(retry_delay, final):
                return self._fail(retry_delay, final=final)
            case Complete():
                return self._complete(step)
            case Rescue():
                return self.store.rescue(
                    max_attempts=MAX_ATTEMPTS, limit=ALL, backoff=lambda n: n * timedelta(minutes=7)
                )
            case Reset():
                return self._reset()
            case Trim():
                now = self._now or NOON
                stored_before = self._clock.now() + timedelta(days=1)
                return self.store.trim(now - timedelta(hours=1), stored_before, ALL).removed
            case _:
                return self.outbox.do(step)

    @property
    def _now(self) -> datetime | None:
        if self._time.by_events:
            return self.store.event_clock()
        return NOON + (self._clock.now() - self._start)

    def _policy(self, *, moves: bool) -> TimePolicy:
        if self._time.by_events:
            return EventTime(self._time.max_jump, advances=moves)
        assert self._now is not None
        return FixedTime(self._now)

    def _ingest(self, batch: Iterable[Any]) -> tuple[Any, ...]:
        everything = matched_events(self._rules, batch)
        size = self._batch_size or len(everything)
        parts = [
            self.store.record(everything[start : start + size], self._policy(moves=True))
            for start in range(0, len(everything), size)
        ]
        return (
            [stored for part in parts for stored in part.stored],
            sum(part.streams_opened for part in parts),
            sum(part.streams_opened_expired for part in parts),
            sum(len(part.refused_jumps) for part in parts),
        )

    def _claim(self, reason: Reason, lease: timedelta) -> list[Any]:
        before = {stream.id: stream for stream in self._streams()}
        claims = self.store.claim_ready(
            worker="w", reason=reason, now=self._now, limit=ALL, lease=lease
        )
        members = self._members(claim.stream_id for claim in claims)
        ordered = [
            (_order(before[claim.stream_id]), _about(claim, members[claim.stream_id]))
            for claim in claims
        ]
        assert [key for key, _ in ordered] == sorted(key for key, _ in ordered)
        self.held += claims
        return sorted(ordered, key=repr)  # ties may come in any order

    def _try(self, lease: timedelta) -> list[Any]:
        claims = []
        while claim := self.store.claim_trial(worker="w", lease=lease):
            claims.append(claim)
        members = self._members(claim.stream_id for claim in claims)
        self.held += claims
        return sorted((_about(each, members[each.stream_id]) for each in claims), key=repr)

    def _members(self, stream_ids: Iterable[int]) -> dict[int, list[str]]:
        """Return a key that distinguishes streams without ids: an event is in one per trigger."""
        found = self.store.events_of(list(stream_ids))
        return {key: [event["message_id"] for event in value] for key, value in found.items()}

    def _take_every_other(self) -> list[records.Claim]:
        members = self._members(each.stream_id for each in self.held)
        ordered = sorted(
            self.held, key=lambda each: (each.name, members[each.stream_id], each.serial)
        )
        self.held = ordered[1::2]
        return ordered[::2]

    def _fail(self, retry_delay: timedelta, *, final: bool) -> list[StreamState | None]:
        return [
            self.store.fail(Failure(each, "failed", retry_delay, final), MAX_ATTEMPTS)
            for each in self._take_every_other()
        ]

    def _complete(self, step: Complete) -> list[Any]:
        taken = [*self._take_every_other(), *self.held]
        self.held = []
        made = tuple(matched_events(self._rules, step.made))
        completions = [
            Completion(
                each,
                made if i == 0 else (),
                self.outbox.queue(step.effects),
                step.purge,
                step.fault,
            )
            for i, each in enumerate(taken)
        ]
        members = self._members(each.stream_id for each in taken)
        done = self.store.complete(completions, self._policy(moves=False)).stream_ids
        return sorted(members[stream_id] for stream_id in done)

    def _reset(self) -> list[StreamState]:
        errors = StreamFilter(states=(StreamState.ERROR, StreamState.EXPIRE_ERROR))
        found = self.store.find_streams(errors, limit=ALL)
        return sorted(self.store.reset_stream(stream.id) for stream in found)

    def _streams(self) -> list[StreamRecord]:
        return self.store.find_streams(StreamFilter(), limit=ALL)

    def state(self) -> dict[str, Any]:
        """Return the contents of the store without surrogate keys."""
        found = self._streams()
        members = self._members(stream.id for stream in found)
        return {
            "events": sorted(map(repr, self.store.find_events(EventFilter(), limit=ALL))),
            "streams": sorted(repr(_facts(stream, members[stream.id])) for stream in found),
            "event clock": self.store.event_clock(),
            "states": self.store.count_states(),
            "backlog": self._backlog(found),
            "statistics": self.store.statistics(self._now),
            "outbox": self.outbox.state(),
        }

    def _backlog(self, found: Iterable[StreamRecord]) -> records.Backlog:
        """Return the backlog with an exact `next_due`: a store may report an earlier time."""
        times = [
            each.fire_timestamp or each.expire_timestamp
            for each in found
            if each.state is StreamState.ACTIVE
        ]
        load = self.store.backlog(self._now)
        assert (load.next_due is None) == (not times)
        assert load.next_due is None or load.next_due <= min(times)
        return replace(load, next_due=min(times, default=None))


def _facts(stream: StreamRecord, members: list[str]) -> dict[str, Any]:
    facts = asdict(stream)
    del facts["id"], facts["progress_text"]  # neither is the same in every store
    facts["distinguished_by"] = sorted(map(repr, stream.distinguished_by.items()))
    return {**facts, "members": members}


def _about(claim: records.Claim, members: list[str]) -> dict[str, Any]:
    facts = claim._asdict()
    del facts["stream_id"]
    facts["distinguished_by"] = sorted(map(repr, claim.distinguished_by.items()))
    return {**facts, "members": members}


def _order(stream: StreamRecord) -> tuple[Any, ...]:
    """Return the claim order: due retries first, then by time."""
    if stream.retry_at is not None:
        return (0, stream.retry_at)
    return (1, stream.fire_timestamp or stream.expire_timestamp)
