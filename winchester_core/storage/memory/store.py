"""The store in memory: each method is one transaction under one lock."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from winchester_core.model.stream import StreamState, states_for_reason
from winchester_core.storage.memory import (
    claiming,
    completion,
    ingest,
    reading,
    statistics,
    upkeep,
)
from winchester_core.storage.memory.debug_store import MemoryDebugStore
from winchester_core.storage.memory.effect_store import MemoryEffectStore
from winchester_core.storage.memory.holdings import HeldMembers
from winchester_core.storage.records import ANY_EVENT, ANY_REJECTED, ANY_STREAM, Recorded
from winchester_core.telemetry.checkpoints import Checkpoint, reach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime, timedelta

    from winchester_core.clock import Clock
    from winchester_core.model.event import Event
    from winchester_core.model.statistics import StoreStatistics
    from winchester_core.model.stream import Reason, StreamRecord
    from winchester_core.storage.records import (
        Arrival,
        Claim,
        Completed,
        Completion,
        EventFilter,
        Failure,
        RejectedFilter,
        RejectedMessage,
        Rejection,
        StreamFilter,
        StreamVersion,
        TrimCursor,
        Trimmed,
        Workload,
    )
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.stream_time import TimePolicy


class MemoryStore(MemoryEffectStore, MemoryDebugStore):
    """A `Store` that lives and dies with its process. `host_clock` is its real time.

    Safe to share between threads.
    """

    def __init__(self, host_clock: Clock) -> None:
        super().__init__(host_clock)
        self._listeners: list[Callable[[], None]] = []

    # --- ingest ---------------------------------------------------------------------------

    def record(self, arrivals: Sequence[Arrival], policy: TimePolicy) -> Recorded:
        """See `IngestStore.record`."""
        if not arrivals:
            return Recorded(())
        with self._transaction() as transaction:
            recorded = ingest.record(self._held, transaction, arrivals, policy, self._clock.now())
            reach(Checkpoint.BEFORE_INGEST_COMMIT)
        self._wake_for(recorded.streams_decided)
        return recorded

    def keep_rejected(self, rejections: Sequence[Rejection]) -> int:
        """See `IngestStore.keep_rejected`."""
        with self._lock:
            now = self._clock.now()
            return sum(ingest.keep_rejected(self._held, each, now) for each in rejections)

    def event_clock(self) -> datetime | None:
        """See `IngestStore.event_clock`."""
        with self._lock:
            return self._held.event_clock

    def advance_event_clock(self, moment: datetime) -> None:
        """See `IngestStore.advance_event_clock`."""
        with self._transaction() as transaction:
            ingest.raise_clock(self._held, transaction, moment)

    def set_event_clock(self, moment: datetime) -> None:
        """See `IngestStore.set_event_clock`."""
        with self._lock:
            self._held.event_clock = moment

    def close(self) -> None:
        """See `IngestStore.close`. There is nothing to let go of; what is held stays."""

    # --- work -----------------------------------------------------------------------------

    def real_time(self) -> datetime:
        """See `WorkStore.real_time`."""
        return self._clock.now()

    def claim_ready(
        self, *, worker: str, reason: Reason, now: datetime | None, limit: int, lease: timedelta
    ) -> list[Claim]:
        """See `WorkStore.claim_ready`."""
        with self._transaction() as transaction:
            real_now = self._clock.now()
            ready = claiming.ready_again(self._held, reason, real_now)
            if now is not None:
                ready += claiming.ready_first_time(self._held, reason, now)
            return claiming.claim(
                self._held,
                transaction,
                ready[:limit],
                worker=worker,
                reason=reason,
                real_now=real_now,
                lease=lease,
            )

    def claim_one(
        self, *, stream_id: int, worker: str, reason: Reason, lease: timedelta
    ) -> Claim | None:
        """See `WorkStore.claim_one`."""
        with self._transaction() as transaction:
            stream = self._held.stream(stream_id)
            if stream.state not in (StreamState.ACTIVE, states_for_reason(reason).retry):
                return None
            (claim,) = claiming.claim(
                self._held,
                transaction,
                [stream],
                worker=worker,
                reason=reason,
                real_now=self._clock.now(),
                lease=lease,
            )
            return claim

    def events_of(self, stream_ids: Sequence[int]) -> dict[int, list[Event]]:
        """See `WorkStore.events_of`."""
        with self._lock:
            streams = self._held.streams
            return {
                each: self._held.events_of(streams[each]) if each in streams else []
                for each in stream_ids
            }

    def members_of(self, stream_ids: Sequence[int]) -> HeldMembers:
        """See `WorkStore.members_of`."""
        return HeldMembers(self.events_of(stream_ids))

    def renew(self, claims: Sequence[Claim], lease: timedelta) -> int:
        """See `WorkStore.renew`."""
        with self._transaction():
            until = self._clock.now() + lease
            streams = [claiming.held_by(self._held, claim) for claim in claims]
            holding = [stream for stream in streams if stream is not None]
            for stream in holding:
                stream.lease_until = until
            return len(holding)

    def release(self, claims: Sequence[Claim]) -> int:
        """See `WorkStore.release`."""
        with self._transaction() as transaction:
            streams = [claiming.held_by(self._held, claim) for claim in claims]
            holding = [stream for stream in streams if stream is not None]
            for stream in holding:
                transaction.keep(stream)
                claiming.give_back(stream, self._clock.now())
        self._wake_for(len(holding))
        return len(holding)

    def release_all(self, worker: str) -> int:
        """See `WorkStore.release_all`."""
        with self._transaction() as transaction:
            holding = claiming.held_of(self._held, worker)
            for stream in holding:
                transaction.keep(stream)
                claiming.give_back(stream, self._clock.now())
        self._wake_for(len(holding))
        return len(holding)

    def complete(self, completions: Sequence[Completion], policy: TimePolicy) -> Completed:
        """See `WorkStore.complete`."""
        with self._transaction() as transaction:
            completed = completion.complete(
                self._held, transaction, completions, policy, self._clock.now()
            )
        self._wake_for(completed.streams_decided)
        return completed

    def fail(self, failure: Failure, max_attempts: int) -> StreamState | None:
        """See `WorkStore.fail`."""
        with self._transaction() as transaction:
            return completion.fail(
                self._held, transaction, failure, max_attempts, self._clock.now()
            )

    def rescue(self, *, max_attempts: int, limit: int) -> tuple[int, int]:
        """See `WorkStore.rescue`."""
        with self._transaction() as transaction:
            real_now = self._clock.now()
            abandoned = claiming.abandoned(self._held, real_now)[:limit]
            for stream in abandoned:
                transaction.keep(stream)
            rescued = sum(claiming.rescue(each, max_attempts, real_now) for each in abandoned)
            return rescued, len(abandoned) - rescued

    def refresh(self, definition: TriggerDefinition, now: datetime, limit: int) -> int:
        """See `WorkStore.refresh`."""
        with self._transaction() as transaction:
            return upkeep.refresh(self._held, transaction, definition, now, limit)

    def trim(
        self,
        older_than: datetime,
        stored_before: datetime,
        limit: int,
        cursor: TrimCursor | None = None,
    ) -> Trimmed:
        """See `WorkStore.trim`."""
        del cursor  # every event is looked at anyway
        with self._lock:
            return upkeep.trim(self._held, older_than, stored_before, limit)

    @contextmanager
    def listen(self, wake: Callable[[], None]) -> Iterator[None]:
        """See `WorkStore.listen`. Called by the thread that made the work."""
        self._listeners.append(wake)
        try:
            yield
        finally:
            self._listeners.remove(wake)

    def _wake_for(self, streams_made_ready: int) -> None:
        if streams_made_ready:
            for wake in list(self._listeners):
                wake()

    def workload(self, now: datetime | None) -> Workload:
        """See `WorkStore.workload`."""
        with self._lock:
            return upkeep.workload(self._held, now, self._clock.now())

    # --- reading and mending --------------------------------------------------------------

    def find_events(
        self, wanted: EventFilter = ANY_EVENT, *, cursor: str | None = None, limit: int = 100
    ) -> list[Event]:
        """See `ReadStore.find_events`."""
        with self._lock:
            found = reading.matching_events(self._held, wanted, cursor)
            return [dict(event) for event in islice(found, limit)]

    def count_events(self, wanted: EventFilter = ANY_EVENT) -> int:
        """See `ReadStore.count_events`."""
        with self._lock:
            return sum(1 for _ in reading.matching_events(self._held, wanted))

    def find_streams(
        self, wanted: StreamFilter = ANY_STREAM, *, cursor: int | None = None, limit: int = 100
    ) -> list[StreamRecord]:
        """See `ReadStore.find_streams`."""
        with self._lock:
            found = reading.matching_streams(self._held, wanted, cursor or 0)
            return [stream.record() for stream in islice(found, limit)]

    def count_streams(self, wanted: StreamFilter = ANY_STREAM) -> int:
        """See `ReadStore.count_streams`."""
        with self._lock:
            return sum(1 for _ in reading.matching_streams(self._held, wanted))

    def count_states(self) -> dict[StreamState, int]:
        """See `ReadStore.count_states`."""
        with self._lock:
            return dict(Counter(stream.state for stream in self._held.streams.values()))

    def count_states_by_trigger(self) -> dict[str, dict[StreamState, int]]:
        """See `ReadStore.count_states_by_trigger`."""
        with self._lock:
            return reading.count_states_by_trigger(self._held)

    def statistics(self, now: datetime | None) -> StoreStatistics:
        """See `ReadStore.statistics`."""
        with self._lock:
            return statistics.take(self._held, now, self._clock.now())

    def check(self) -> None:
        """See `ReadStore.check`. There is nothing that could be wrong."""

    def get_event_by_message_id(self, message_id: str) -> Event | None:
        """See `ReadStore.get_event_by_message_id`."""
        with self._lock:
            each = self._held.events.get(message_id)
            return dict(each.event) if each else None

    def get_stream_by_id(self, stream_id: int) -> StreamRecord:
        """See `ReadStore.get_stream_by_id`."""
        with self._lock:
            return self._held.stream(stream_id).record()

    def get_stream_events(self, stream_id: int) -> list[Event]:
        """See `ReadStore.get_stream_events`."""
        with self._lock:
            return self._held.events_of(self._held.stream(stream_id))

    def find_rejected(
        self,
        wanted: RejectedFilter = ANY_REJECTED,
        *,
        cursor: int | None = None,
        limit: int = 100,
    ) -> list[RejectedMessage]:
        """See `ReadStore.find_rejected`."""
        with self._lock:
            return list(islice(reading.matching_rejected(self._held, wanted, cursor or 0), limit))

    def count_rejected(self, wanted: RejectedFilter = ANY_REJECTED) -> int:
        """See `ReadStore.count_rejected`."""
        with self._lock:
            return sum(1 for _ in reading.matching_rejected(self._held, wanted))

    def get_rejected(self, rejected_id: int) -> RejectedMessage:
        """See `ReadStore.get_rejected`."""
        with self._lock:
            return self._held.rejected[self._held.rejected_key(rejected_id)]

    def set_rejected_reason(self, rejected_id: int, reason: str) -> None:
        """See `ReadStore.set_rejected_reason`."""
        with self._lock:
            key = self._held.rejected_key(rejected_id)
            self._held.rejected[key] = replace(self._held.rejected[key], reason=reason)

    def delete_rejected(self, rejected_id: int) -> None:
        """See `ReadStore.delete_rejected`."""
        with self._lock:
            del self._held.rejected[self._held.rejected_key(rejected_id)]

    def reset_stream(self, stream_id: int) -> StreamState:
        """See `ReadStore.reset_stream`."""
        with self._transaction() as transaction:
            state = upkeep.reset(self._held, transaction, stream_id, self._clock.now())
        self._wake_for(1)
        return state

    def reset_streams(self, versions: Sequence[StreamVersion]) -> dict[int, StreamState]:
        """See `ReadStore.reset_streams`."""
        with self._transaction() as transaction:
            now = self._clock.now()
            states = {
                stream.id: upkeep.reset(self._held, transaction, stream.id, now)
                for stream in upkeep.unchanged(self._held, versions)
            }
        self._wake_for(len(states))
        return states

    def discard_streams(self, versions: Sequence[StreamVersion]) -> frozenset[int]:
        """See `ReadStore.discard_streams`."""
        with self._transaction() as transaction:
            found = upkeep.unchanged(self._held, versions)
            for stream in found:
                self._held.remove(stream, transaction)
            return frozenset(stream.id for stream in found)

    def purge_stream(self, stream_id: int) -> None:
        """See `ReadStore.purge_stream`."""
        with self._transaction() as transaction:
            upkeep.purge(self._held, transaction, stream_id)
