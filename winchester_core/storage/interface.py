"""Protocols of a store, one for each role. All stores pass the same conformance suite.

The caller passes stream time; the store itself reads real time. Each method is one transaction
unless its docstring says otherwise. Any method may raise `StorageError`. Callers may handle three
subclasses: `DatabaseUnavailable` (try again later), `DataRefused` (the content is invalid) and
`ConcurrentChange` (all retries conflicted with other transactions).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from winchester_core.storage.admin_interface import AdminStore
from winchester_core.storage.operations_interface import (
    OperationsUpkeepStore,
    ProcessStore,
)
from winchester_core.storage.read_interface import ReadStore
from winchester_core.storage.records import no_backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta

    from winchester_core.clock import TimePolicy
    from winchester_core.model.action import Action
    from winchester_core.model.effect import Endpoint
    from winchester_core.model.event import Event
    from winchester_core.model.stream import Reason, StreamState
    from winchester_core.storage.effect_records import (
        EffectClaim,
        EffectResult,
        EffectResultCounts,
    )
    from winchester_core.storage.records import (
        Backlog,
        Claim,
        Completion,
        CompletionResult,
        DebugRecord,
        Failure,
        IngestResult,
        MatchedEvent,
        Rejection,
        TriggerScope,
        TrimCursor,
        TrimResult,
    )
    from winchester_core.telemetry.debug_counts import DebugGroup
    from winchester_core.triggers.definition import TriggerDefinition


class IngestStore(Protocol):
    """Operations of ingest."""

    @property
    def is_embedded(self) -> bool:
        """Return whether the database runs in this process, so that a thread cannot overlap it."""

    def record(self, matched_events: Sequence[MatchedEvent], policy: TimePolicy) -> IngestResult:
        """Store new events, add them to their streams and set fire times. All or nothing."""

    def insert_rejected(self, rejections: Sequence[Rejection]) -> int:
        """Store rejected messages, once per source and digest; return the number of new ones."""

    def event_clock(self) -> datetime | None:
        """Return the event clock; None until it is first set."""

    def advance_event_clock(self, moment: datetime) -> None:
        """Advance the event clock to `moment`. An earlier time changes nothing."""

    def close(self) -> None:
        """Close all connections."""


class Members(Protocol):
    """The events of several streams. All rows are read together; events are built on demand."""

    def take(self, stream_id: int) -> list[Event]:
        """Remove and return a stream's events, by timestamp, then by arrival.

        The caller owns them and may change them. A second call for the same stream is an error.
        """


class WorkStore(OperationsUpkeepStore, Protocol):
    """Operations of a worker."""

    def real_time(self) -> datetime:
        """Return the store's clock, aware UTC."""

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
        """Claim up to `limit` streams: due retries first, then by fire or expiry time.

        `now` is the stream time; None when the event clock has never been set. Streams that must be
        tried alone, and streams of triggers that `scope` does not know, are not claimed.
        """

    def claim_trial(
        self, *, worker: str, lease: timedelta, scope: TriggerScope | None = None
    ) -> Claim | None:
        """Claim one ready stream that must be tried alone, or return None if there is none.

        No other run of the process may begin until it ends.
        """

    def claim_one(
        self,
        *,
        stream_id: int,
        worker: str,
        reason: Reason,
        lease: timedelta,
        scope: TriggerScope | None = None,
    ) -> Claim | None:
        """Claim one stream regardless of its time; return None if its state or trigger forbids it.

        Raises `UnknownStream`.
        """

    def events_of(self, stream_ids: Sequence[int]) -> dict[int, list[Event]]:
        """Return each stream's events, by timestamp, then by arrival."""

    def members_of(self, stream_ids: Sequence[int]) -> Members:
        """Return the same events in a form from which one stream at a time is taken."""

    def renew(self, claims: Sequence[Claim], lease: timedelta) -> list[Claim]:
        """Extend the leases of the valid claims; return these, in the given order."""

    def skip_unknown_triggers(self, scope: TriggerScope) -> None:
        """Make `scope` skip all stored streams of triggers that it does not know."""

    def release(self, claims: Sequence[Claim], *, began_commit: bool = False) -> int:
        """Release claims; return the number of valid ones.

        The attempt counts only if `began_commit` is true, that is, handlers of the runs have begun
        to commit.
        """

    def release_all(self, worker: str, held: Collection[int] = ()) -> int:
        """Release the claims of `worker`, counting their attempts; return their number.

        Use it if the outcome of a claim's transaction is unknown. Streams with the ids `held`,
        which the worker knows that it has claimed, stay claimed.
        """

    def complete(self, completions: Sequence[Completion], policy: TimePolicy) -> CompletionResult:
        """Complete the streams with valid claims, in one transaction."""

    def fail(self, failure: Failure, max_attempts: int) -> StreamState | None:
        """Move a stream to its retry or error state; return it, or None if the claim is lost."""

    def claiming_workers(self) -> list[str]:
        """Return the ids of the workers that have claimed streams, in no order."""

    def rescue(
        self,
        *,
        max_attempts: int,
        limit: int,
        backoff: Callable[[int], timedelta] = no_backoff,
        workers: Sequence[str] | None = None,
    ) -> tuple[int, int]:
        """Release up to `limit` streams with an expired lease, or all streams claimed by `workers`.

        They must be tried alone from now on. If a stream was already being tried alone, this counts
        as a failure, and it is retried after `backoff(failures)`. Returns the number of streams
        that will be retried, and the number that are now in error.
        """

    def recalculate(self, definition: TriggerDefinition, now: datetime, limit: int) -> int:
        """Recalculate up to `limit` open streams with an old fingerprint; return their number."""

    def trim(
        self,
        older_than: datetime,
        stored_before: datetime,
        limit: int,
        cursor: TrimCursor | None = None,
    ) -> TrimResult:
        """Delete up to `limit` events older than both times that belong to no uncompleted stream.

        `older_than` is stream time, `stored_before` is real time. The oldest events are deleted
        first. Events before `cursor`, which an earlier batch returned, are skipped.
        """

    def end_waiting(self, now: datetime, limit: int) -> int:
        """Delete the waiting events of up to `limit` groups in which every wait has ended.

        `now` is stream time. Returns their number. The events stay.
        """

    def delete_silences(
        self, now: datetime, definitions: Collection[TriggerDefinition], limit: int
    ) -> int:
        """Delete up to `limit` silences of each trigger that are over at stream time `now`.

        Returns their number.
        """

    def unlink_old_members(self, definition: TriggerDefinition, now: datetime, limit: int) -> int:
        """Unlink members that do not count any more because of `keep`, of up to `limit` streams.

        Returns `limit` if there may be more, otherwise a smaller number.
        """

    def listen(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Within the context, call `wake` (from any thread) when there may be work for workers.

        A call may be lost, and most databases have no notifications, so workers must also poll.
        """

    def backlog(self, now: datetime | None, scope: TriggerScope | None = None) -> Backlog:
        """Return the work that is pending at the stream time `now`, in this `scope`."""


class EffectStore(Protocol):
    """The outbox: pending effects and dead letters.

    Effects are recorded when their stream is completed. Stream and endpoint form the ordering key.
    Effects with the same ordering key are delivered in the order in which they were queued: only
    the head (the first pending effect) can be claimed, and the others wait. Dead letters are
    skipped.
    """

    def claim_effects(
        self, endpoint: Endpoint, *, worker: str, limit: int, lease: timedelta
    ) -> list[EffectClaim]:
        """Claim up to `limit` due effects, one of each ordering key, in the order of due times.

        A claim counts as an attempt. If the payloads are too large in total, fewer are claimed.
        """

    def renew_effects(self, claims: Sequence[EffectClaim], lease: timedelta) -> int:
        """Extend the leases of valid claims; return how many were valid."""

    def release_effects(self, claims: Sequence[EffectClaim]) -> int:
        """Release claims without counting the attempt; return how many were valid."""

    def apply_effect_results(self, results: Sequence[EffectResult]) -> EffectResultCounts:
        """Delete, reschedule or mark dead the effects with valid claims, in one transaction.

        Idempotent: applying a result ends its claim.
        """

    def mark_overdue_effects_dead(
        self, *, max_age: timedelta, limit: int
    ) -> Mapping[Endpoint, int]:
        """Mark dead up to `limit` pending effects that are older than `max_age`.

        Claimed effects are skipped. Returns the number of effects of each endpoint.
        """

    def next_effect_seconds(self, endpoint: Endpoint) -> float | None:
        """Return the real time in seconds until the next pending effect is due or its lease ends.

        0 or less if an effect is due now, None if no effect is pending.
        """


class DebugStore(Protocol):
    """Debug counts of triggers, summed over all processes."""

    def add_debug_counts(self, groups: Mapping[str, DebugGroup]) -> None:
        """Add a process's counts since its last call, by the trigger's name."""

    def debug_counts(self) -> dict[str, DebugRecord]:
        """Return the existing counts by the trigger's name."""

    def reset_debug_counts(self, name: str, *, action: Action | None = None) -> bool:
        """Delete the counts of a trigger; return False if it has none.

        An `action` of an operator is stored in the same transaction, as by `AdminStore`.
        """


class Store(
    IngestStore, WorkStore, ReadStore, AdminStore, EffectStore, DebugStore, ProcessStore, Protocol
):
    """A store with all roles."""
