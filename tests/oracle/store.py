"""The store in memory: each method is one transaction under one lock."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from oracle import ingest, queries, streams
from oracle.effect_store import MemoryDebugStore, MemoryEffectStore
from oracle.state import MemoryMembers
from winchester_core.errors import UnknownEvent
from winchester_core.failpoints import Failpoint, hit
from winchester_core.model.event import message_id_text
from winchester_core.model.stream import (
    CLAIMED_STATES,
    ERROR_STATES,
    Reason,
    StreamState,
    Trial,
    states_for_reason,
)
from winchester_core.storage.records import (
    ANY_EVENT,
    ANY_REJECTED,
    ANY_STREAM,
    IngestResult,
    no_backoff,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from winchester_core.clock import Clock, TimePolicy
    from winchester_core.model.event import Event
    from winchester_core.model.statistics import StoreStatistics
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.records import (
        Backlog,
        Claim,
        Completion,
        CompletionResult,
        EventFilter,
        Failure,
        MatchedEvent,
        RejectedFilter,
        RejectedMessage,
        Rejection,
        StreamFilter,
        StreamVersion,
        TriggerScope,
        TrimCursor,
        TrimResult,
    )
    from winchester_core.triggers.definition import TriggerDefinition


class MemoryStore(MemoryEffectStore, MemoryDebugStore):
    """An in-memory `Store`; `host_clock` is its real time.

    Safe to share between threads.
    """

    def __init__(self, host_clock: Clock) -> None:
        super().__init__(host_clock)
        self._listeners: list[Callable[[], None]] = []

    # --- ingest ---------------------------------------------------------------------------

    def record(self, matched_events: Sequence[MatchedEvent], policy: TimePolicy) -> IngestResult:
        """See `IngestStore.record`."""
        if not matched_events:
            return IngestResult(())
        with self._transaction() as transaction:
            result = ingest.record(
                self._memory, transaction, matched_events, policy, self._clock.now()
            )
            hit(Failpoint.BEFORE_INGEST_COMMIT)
        self._notify_workers(result.fire_times_set)
        return result

    def insert_rejected(self, rejections: Sequence[Rejection]) -> int:
        """See `IngestStore.insert_rejected`."""
        with self._lock:
            now = self._clock.now()
            return sum(ingest.insert_rejected(self._memory, each, now) for each in rejections)

    def event_clock(self) -> datetime | None:
        """See `IngestStore.event_clock`."""
        with self._lock:
            return self._memory.event_clock

    def advance_event_clock(self, moment: datetime) -> None:
        """See `IngestStore.advance_event_clock`."""
        with self._transaction() as transaction:
            ingest.advance_clock(self._memory, transaction, moment)

    def set_event_clock(self, moment: datetime) -> None:
        """See `AdminStore.set_event_clock`."""
        with self._lock:
            self._memory.event_clock = moment

    def close(self) -> None:
        """See `IngestStore.close`. Does nothing: the contents stay."""

    # --- work -----------------------------------------------------------------------------

    def real_time(self) -> datetime:
        """See `WorkStore.real_time`."""
        return self._clock.now()

    def claim_ready(
        self,
        *,
        worker: str,
        reason: Reason,
        now: datetime | None,
        limit: int,
        lease: timedelta,
        scope: TriggerScope | None = None,
    ) -> list[Claim]:
        """See `WorkStore.claim_ready`."""
        with self._transaction() as transaction:
            real_now = self._clock.now()
            ready = streams.due_retries(self._memory, reason, real_now)
            if now is not None:
                ready += streams.due_first_attempts(self._memory, reason, now)
            ready = streams.known(self._memory, ready, scope)
            return streams.claim(
                self._memory,
                transaction,
                ready[:limit],
                worker=worker,
                reason=reason,
                real_now=real_now,
                lease=lease,
            )

    def claim_trial(
        self, *, worker: str, lease: timedelta, scope: TriggerScope | None = None
    ) -> Claim | None:
        """See `WorkStore.claim_trial`."""
        with self._transaction() as transaction:
            real_now = self._clock.now()
            for reason in Reason:
                ready = streams.due_retries(self._memory, reason, real_now, Trial.DUE)
                claims = streams.claim(
                    self._memory,
                    transaction,
                    streams.known(self._memory, ready, scope)[:1],
                    worker=worker,
                    reason=reason,
                    real_now=real_now,
                    lease=lease,
                )
                if claims:
                    return claims[0]
            return None

    def skip_unknown_triggers(self, scope: TriggerScope) -> None:
        """See `WorkStore.skip_unknown_triggers`."""
        with self._lock:
            streams.skip_unknown_triggers(self._memory, scope)

    def claim_one(
        self,
        *,
        stream_id: int,
        worker: str,
        reason: Reason,
        lease: timedelta,
        scope: TriggerScope | None = None,
    ) -> Claim | None:
        """See `WorkStore.claim_one`."""
        with self._transaction() as transaction:
            stream = self._memory.stream(stream_id)
            if scope is not None and stream.name not in scope.known:
                return None
            if stream.state not in (StreamState.ACTIVE, states_for_reason(reason).retry):
                return None
            (claim,) = streams.claim(
                self._memory,
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
            found = self._memory.streams
            return {
                each: self._memory.events_of(found[each]) if each in found else []
                for each in stream_ids
            }

    def members_of(self, stream_ids: Sequence[int]) -> MemoryMembers:
        """See `WorkStore.members_of`."""
        return MemoryMembers(self.events_of(stream_ids))

    def renew(self, claims: Sequence[Claim], lease: timedelta) -> int:
        """See `WorkStore.renew`."""
        with self._transaction():
            until = self._clock.now() + lease
            found = [streams.claimed_stream(self._memory, claim) for claim in claims]
            claimed = [stream for stream in found if stream is not None]
            for stream in claimed:
                stream.lease_until = until
            return len(claimed)

    def release(self, claims: Sequence[Claim], *, began_commit: bool = False) -> int:
        """See `WorkStore.release`."""
        with self._transaction() as transaction:
            found = [streams.claimed_stream(self._memory, claim) for claim in claims]
            claimed = [stream for stream in found if stream is not None]
            for stream in claimed:
                stream.save(transaction)
                streams.release(stream, self._clock.now(), keep_attempt=began_commit)
        self._notify_workers(len(claimed))
        return len(claimed)

    def claiming_workers(self) -> list[str]:
        """See `WorkStore.claiming_workers`."""
        with self._lock:
            found = self._memory.streams.values()
            claimed = (each for each in found if each.state in CLAIMED_STATES)
            return list({each.worker for each in claimed if each.worker is not None})

    def release_all(self, worker: str) -> int:
        """See `WorkStore.release_all`."""
        with self._transaction() as transaction:
            claimed = streams.streams_claimed_by(self._memory, worker)
            for stream in claimed:
                stream.save(transaction)
                streams.release(stream, self._clock.now(), keep_attempt=True)
        self._notify_workers(len(claimed))
        return len(claimed)

    def complete(self, completions: Sequence[Completion], policy: TimePolicy) -> CompletionResult:
        """See `WorkStore.complete`."""
        with self._transaction() as transaction:
            completed = streams.complete(
                self._memory, transaction, completions, policy, self._clock.now()
            )
        self._notify_workers(completed.fire_times_set)
        return completed

    def fail(self, failure: Failure, max_attempts: int) -> StreamState | None:
        """See `WorkStore.fail`."""
        with self._transaction() as transaction:
            return streams.fail(self._memory, transaction, failure, max_attempts, self._clock.now())

    def rescue(
        self,
        *,
        max_attempts: int,
        limit: int,
        backoff: Callable[[int], timedelta] = no_backoff,
        workers: Sequence[str] | None = None,
    ) -> tuple[int, int]:
        """See `WorkStore.rescue`."""
        with self._transaction() as transaction:
            real_now = self._clock.now()
            if workers is None:
                found = streams.expired_leases(self._memory, real_now)
            else:
                found = streams.claims_of(self._memory, workers)
            held = found[:limit]
            for stream in held:
                stream.save(transaction)
            rescued = sum(streams.rescue(each, max_attempts, backoff, real_now) for each in held)
            return rescued, len(held) - rescued

    def recalculate(self, definition: TriggerDefinition, now: datetime, limit: int) -> int:
        """See `WorkStore.recalculate`."""
        with self._transaction() as transaction:
            return streams.recalculate(self._memory, transaction, definition, now, limit)

    def trim(
        self,
        older_than: datetime,
        stored_before: datetime,
        limit: int,
        cursor: TrimCursor | None = None,
    ) -> TrimResult:
        """See `WorkStore.trim`."""
        del cursor  # every event is examined anyway
        with self._lock:
            return streams.trim(self._memory, older_than, stored_before, limit)

    @contextmanager
    def listen(self, wake: Callable[[], None]) -> Iterator[None]:
        """See `WorkStore.listen`. Called by the thread that made a stream ready."""
        self._listeners.append(wake)
        try:
            yield
        finally:
            self._listeners.remove(wake)

    def _notify_workers(self, ready_streams: int) -> None:
        if ready_streams:
            for wake in list(self._listeners):
                wake()

    def backlog(self, now: datetime | None, scope: TriggerScope | None = None) -> Backlog:
        """See `WorkStore.backlog`."""
        with self._lock:
            return queries.backlog(self._memory, now, self._clock.now(), scope)

    # --- queries and administration ------------------------------------------------------------

    def find_events(
        self, filters: EventFilter = ANY_EVENT, *, cursor: str | None = None, limit: int = 100
    ) -> list[Event]:
        """See `ReadStore.find_events`."""
        with self._lock:
            found = queries.matching_events(self._memory, filters, cursor)
            return [dict(event) for event in islice(found, limit)]

    def count_events(self, filters: EventFilter = ANY_EVENT) -> int:
        """See `ReadStore.count_events`."""
        with self._lock:
            return sum(1 for _ in queries.matching_events(self._memory, filters))

    def find_streams(
        self, filters: StreamFilter = ANY_STREAM, *, cursor: int | None = None, limit: int = 100
    ) -> list[StreamRecord]:
        """See `ReadStore.find_streams`."""
        with self._lock:
            found = queries.matching_streams(self._memory, filters, int(cursor or 0))
            return [stream.record() for stream in islice(found, limit)]

    def count_streams(self, filters: StreamFilter = ANY_STREAM) -> int:
        """See `ReadStore.count_streams`."""
        with self._lock:
            return sum(1 for _ in queries.matching_streams(self._memory, filters))

    def count_states(self) -> dict[StreamState, int]:
        """See `ReadStore.count_states`."""
        with self._lock:
            return dict(Counter(stream.state for stream in self._memory.streams.values()))

    def count_states_by_trigger(self) -> dict[str, dict[StreamState, int]]:
        """See `ReadStore.count_states_by_trigger`."""
        with self._lock:
            return queries.count_states_by_trigger(self._memory)

    def statistics(self, now: datetime | None) -> StoreStatistics:
        """See `ReadStore.statistics`."""
        with self._lock:
            return queries.collect_statistics(self._memory, now, self._clock.now())

    def check(self) -> None:
        """See `ReadStore.check`. Always passes."""

    def has_event(self, message_id: str | UUID) -> bool:
        """See `ReadStore.has_event`."""
        with self._lock:
            return message_id_text(message_id) in self._memory.events

    def get_event_by_message_id(self, message_id: str | UUID) -> Event:
        """See `ReadStore.get_event_by_message_id`."""
        with self._lock:
            each = self._memory.events.get(message_id_text(message_id))
        if each is None:
            raise UnknownEvent(message_id_text(message_id))
        return dict(each.event)

    def get_stream_by_id(self, stream_id: int) -> StreamRecord:
        """See `ReadStore.get_stream_by_id`."""
        with self._lock:
            return self._memory.stream(stream_id).record()

    def get_stream_events(self, stream_id: int) -> list[Event]:
        """See `ReadStore.get_stream_events`."""
        with self._lock:
            return self._memory.events_of(self._memory.stream(stream_id))

    def find_rejected(
        self,
        filters: RejectedFilter = ANY_REJECTED,
        *,
        cursor: int | None = None,
        limit: int = 100,
    ) -> list[RejectedMessage]:
        """See `ReadStore.find_rejected`."""
        with self._lock:
            return list(
                islice(queries.matching_rejected(self._memory, filters, int(cursor or 0)), limit)
            )

    def count_rejected(self, filters: RejectedFilter = ANY_REJECTED) -> int:
        """See `ReadStore.count_rejected`."""
        with self._lock:
            return sum(1 for _ in queries.matching_rejected(self._memory, filters))

    def get_rejected(self, rejected_id: int) -> RejectedMessage:
        """See `ReadStore.get_rejected`."""
        with self._lock:
            return self._memory.rejected[self._memory.rejected_key(rejected_id)]

    def set_rejected_reason(self, rejected_id: int, reason: str) -> None:
        """See `AdminStore.set_rejected_reason`."""
        with self._lock:
            key = self._memory.rejected_key(rejected_id)
            self._memory.rejected[key] = replace(self._memory.rejected[key], reason=reason)

    def delete_rejected(self, rejected_id: int) -> None:
        """See `AdminStore.delete_rejected`."""
        with self._lock:
            del self._memory.rejected[self._memory.rejected_key(rejected_id)]

    def reset_stream(self, stream_id: int) -> StreamState:
        """See `AdminStore.reset_stream`."""
        with self._transaction() as transaction:
            state = streams.reset(self._memory, transaction, stream_id, self._clock.now())
        self._notify_workers(1)
        return state

    def reset_streams(self, versions: Sequence[StreamVersion]) -> dict[int, StreamState]:
        """See `AdminStore.reset_streams`."""
        with self._transaction() as transaction:
            now = self._clock.now()
            states = {
                stream.id: streams.reset(self._memory, transaction, stream.id, now)
                for stream in streams.unchanged(self._memory, versions)
            }
        self._notify_workers(len(states))
        return states

    def discard_streams(
        self,
        versions: Sequence[StreamVersion],
        states: Collection[StreamState] = ERROR_STATES,
    ) -> frozenset[int]:
        """See `AdminStore.discard_streams`."""
        with self._transaction() as transaction:
            found = streams.unchanged(self._memory, versions, states)
            for stream in found:
                self._memory.remove(stream, transaction)
            return frozenset(stream.id for stream in found)

    def purge_stream(self, stream_id: int) -> None:
        """See `AdminStore.purge_stream`."""
        with self._transaction() as transaction:
            streams.purge(self._memory, transaction, stream_id)
