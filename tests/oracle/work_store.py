"""The work role of the memory store: claims, completions, failures and maintenance."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from oracle import pattern_upkeep, queries, streams
from oracle.locked_memory import LockedMemory
from oracle.state import MemoryMembers
from winchester_core.model.stream import (
    CLAIM_REASONS,
    CLAIMED_STATES,
    Reason,
    StreamState,
    Trial,
    states_for_reason,
)
from winchester_core.storage.records import no_backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from datetime import datetime, timedelta

    from winchester_core.clock import TimePolicy
    from winchester_core.model.event import Event
    from winchester_core.storage.records import (
        Backlog,
        Claim,
        Completion,
        CompletionResult,
        Failure,
        TriggerScope,
        TrimCursor,
        TrimResult,
    )
    from winchester_core.triggers.definition import TriggerDefinition


class MemoryWorkStore(LockedMemory):
    """An in-memory `WorkStore`."""

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
            for reason in CLAIM_REASONS:
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

    def renew(self, claims: Sequence[Claim], lease: timedelta) -> list[Claim]:
        """See `WorkStore.renew`."""
        with self._transaction():
            until = self._clock.now() + lease
            valid = []
            for claim in claims:
                stream = streams.claimed_stream(self._memory, claim)
                if stream is not None:
                    stream.lease_until = until
                    valid.append(claim)
            return valid

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

    def release_all(self, worker: str, held: Collection[int] = ()) -> int:
        """See `WorkStore.release_all`."""
        with self._transaction() as transaction:
            found = streams.streams_claimed_by(self._memory, worker)
            claimed = [stream for stream in found if stream.id not in held]
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

    def end_waiting(self, now: datetime, limit: int) -> int:
        """See `WorkStore.end_waiting`."""
        with self._transaction() as transaction:
            return pattern_upkeep.end_waiting(self._memory, transaction, now, limit)

    def delete_silences(
        self, now: datetime, definitions: Iterable[TriggerDefinition], limit: int
    ) -> int:
        """See `WorkStore.delete_silences`."""
        with self._transaction() as transaction:
            return pattern_upkeep.delete_silences(
                self._memory, transaction, now, definitions, limit
            )

    def unlink_old_members(self, definition: TriggerDefinition, now: datetime, limit: int) -> int:
        """See `WorkStore.unlink_old_members`."""
        del now  # what is old depends on the members only
        with self._lock:
            return pattern_upkeep.unlink_old_members(self._memory, definition, limit)

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

    def backlog(self, now: datetime | None, scope: TriggerScope | None = None) -> Backlog:
        """See `WorkStore.backlog`."""
        with self._lock:
            return queries.backlog(self._memory, now, self._clock.now(), scope)
