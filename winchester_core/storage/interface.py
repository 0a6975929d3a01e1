"""What every store does, whatever lies under it. One conformance suite holds them all to it.

Stream time is given by the caller; real time is the store's own. Every method is one transaction
unless it says otherwise. Any of them may raise `StorageError`; those that a caller should tell
apart are `DatabaseUnavailable` (try later), `DataRefused` (the content is at fault) and
`ConcurrentChange` (tried again and again already, others were always first).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from winchester_core.storage.effect_records import ANY_EFFECT
from winchester_core.storage.records import ANY_EVENT, ANY_REJECTED, ANY_STREAM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta

    from winchester_core.model.effect import Endpoint
    from winchester_core.model.event import Event
    from winchester_core.model.statistics import StoreStatistics
    from winchester_core.model.stream import Reason, StreamRecord, StreamState
    from winchester_core.storage.effect_records import (
        EffectClaim,
        EffectFilter,
        EffectResult,
        EffectResultCounts,
        StoredEffect,
    )
    from winchester_core.storage.records import (
        Backlog,
        Claim,
        Completion,
        CompletionResult,
        DebugRecord,
        EventFilter,
        Failure,
        IngestResult,
        MatchedEvent,
        RejectedFilter,
        RejectedMessage,
        Rejection,
        StreamFilter,
        StreamVersion,
        TrimCursor,
        TrimResult,
    )
    from winchester_core.telemetry.debug import DebugGroup
    from winchester_core.triggers.batch_plan import TimePolicy
    from winchester_core.triggers.definition import TriggerDefinition


class IngestStore(Protocol):
    """What the ingesting side asks of a store."""

    def record(self, matched_events: Sequence[MatchedEvent], policy: TimePolicy) -> IngestResult:
        """Store the new ones, let them join their streams, decide what fires: all or nothing."""

    def insert_rejected(self, rejections: Sequence[Rejection]) -> int:
        """Keep bad messages, each once by source and digest; return how many were new."""

    def event_clock(self) -> datetime | None:
        """The event clock; None until it is first set."""

    def advance_event_clock(self, moment: datetime) -> None:
        """Move the event clock forward to `moment`; an earlier one changes nothing."""

    def close(self) -> None:
        """Let go of every connection."""


class Members(Protocol):
    """The events of several streams, all read from the database, not all made yet."""

    def take(self, stream_id: int) -> list[Event]:
        """A stream's events, by timestamp, ties in order of arrival. They can be taken once.

        They are the caller's own: nobody sees what is changed in them.
        """


class WorkStore(Protocol):
    """What a worker asks of a store."""

    def real_time(self) -> datetime:
        """The store's own clock, aware UTC."""

    def claim_ready(
        self, *, worker: str, reason: Reason, now: datetime | None, limit: int, lease: timedelta
    ) -> list[Claim]:
        """Claim up to `limit` streams: due retries first, then in the order of their times.

        `now` is the stream time; None when the event clock has never been set.
        """

    def claim_one(
        self, *, stream_id: int, worker: str, reason: Reason, lease: timedelta
    ) -> Claim | None:
        """Claim one stream whatever its time; None when its state does not allow it.

        Raises `UnknownStream`.
        """

    def events_of(self, stream_ids: Sequence[int]) -> dict[int, list[Event]]:
        """Each stream's events, by timestamp, ties in order of arrival."""

    def members_of(self, stream_ids: Sequence[int]) -> Members:
        """The same events, to be taken one stream at a time."""

    def renew(self, claims: Sequence[Claim], lease: timedelta) -> int:
        """Extend leases; return how many of the claims still hold."""

    def release(self, claims: Sequence[Claim]) -> int:
        """Give claims back unused, without counting the attempt; return how many still held."""

    def release_all(self, worker: str) -> int:
        """Give back whatever this worker holds, as `release` does; return how many streams.

        For a worker that holds nothing that it knows of, after a claim whose outcome it was not
        told.
        """

    def complete(self, completions: Sequence[Completion], policy: TimePolicy) -> CompletionResult:
        """Complete the streams whose claims hold, in one transaction."""

    def fail(self, failure: Failure, max_attempts: int) -> StreamState | None:
        """Send a stream to its next try or its error state; None when the claim was lost."""

    def rescue(self, *, max_attempts: int, limit: int) -> tuple[int, int]:
        """Take streams from dead workers: how many may be tried again, how many failed for good."""

    def recalculate(self, definition: TriggerDefinition, now: datetime, limit: int) -> int:
        """Count up to `limit` open streams anew that other rules had counted; return how many."""

    def trim(
        self,
        older_than: datetime,
        stored_before: datetime,
        limit: int,
        cursor: TrimCursor | None = None,
    ) -> TrimResult:
        """Remove up to `limit` events, older by both times, that no uncompleted stream holds.

        `older_than` is stream time, `stored_before` real time. It takes the oldest first, and
        need not look again at what lies before `cursor`, to which an earlier batch has come.
        """

    def listen(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Within the context, call `wake`, from any thread, when there may be work for workers.

        Most databases cannot tell, and a call may be lost: workers look by themselves too.
        """

    def backlog(self, now: datetime | None) -> Backlog:
        """What waits for workers at the stream time `now`."""


class ReadStore(Protocol):
    """Queries of people and programs."""

    def find_events(
        self, wanted: EventFilter = ANY_EVENT, *, cursor: str | None = None, limit: int = 100
    ) -> list[Event]:
        """Up to `limit` events in the order of their storing, past the one whose id is `cursor`.

        The order within what one call of `record` stored is the store's own. Nothing is found
        past a `cursor` that is not stored.
        """

    def count_events(self, wanted: EventFilter = ANY_EVENT) -> int:
        """How many events there are."""

    def find_streams(
        self, wanted: StreamFilter = ANY_STREAM, *, cursor: int | None = None, limit: int = 100
    ) -> list[StreamRecord]:
        """Up to `limit` streams by id, past the one whose id is `cursor`."""

    def count_streams(self, wanted: StreamFilter = ANY_STREAM) -> int:
        """How many streams there are."""

    def count_states(self) -> dict[StreamState, int]:
        """How many streams are in each state."""

    def count_states_by_trigger(self) -> dict[str, dict[StreamState, int]]:
        """How many streams of each trigger are in each state; neither is named where none is."""

    def statistics(self, now: datetime | None) -> StoreStatistics:
        """What there is, and what waits at the stream time `now`, None as in `claim_ready`.

        Every stream and effect is counted, in indexes: that takes time in proportion to them.
        """

    def check(self) -> None:
        """Find that the store can be worked with. Raises `SchemaMismatch` too where it cannot."""

    def get_event_by_message_id(self, message_id: str) -> Event | None:
        """The event with this id."""

    def get_stream_by_id(self, stream_id: int) -> StreamRecord:
        """The stream with this id. Raises `UnknownStream`."""

    def get_stream_events(self, stream_id: int) -> list[Event]:
        """A stream's events, by timestamp, ties in order of arrival. Raises `UnknownStream`."""

    def find_rejected(
        self,
        wanted: RejectedFilter = ANY_REJECTED,
        *,
        cursor: int | None = None,
        limit: int = 100,
    ) -> list[RejectedMessage]:
        """Up to `limit` rejected messages by id, past the one whose id is `cursor`.

        Each comes with its body, which may have 1 MiB.
        """

    def count_rejected(self, wanted: RejectedFilter = ANY_REJECTED) -> int:
        """How many rejected messages there are."""

    def get_rejected(self, rejected_id: int) -> RejectedMessage:
        """The rejected message with this id. Raises `UnknownRejectedMessage`."""

    def find_effects(
        self, wanted: EffectFilter = ANY_EFFECT, *, cursor: int | None = None, limit: int = 100
    ) -> list[StoredEffect]:
        """Up to `limit` effects by id, past the one whose id is `cursor`."""

    def count_effects(self, wanted: EffectFilter = ANY_EFFECT) -> int:
        """How many effects there are."""

    def get_effect(self, effect_id: int) -> StoredEffect:
        """The effect with this id. Raises `UnknownEffect`."""


class AdminStore(Protocol):
    """Operations of an administrator."""

    def set_rejected_reason(self, rejected_id: int, reason: str) -> None:
        """Say why a message is rejected now. Raises `UnknownRejectedMessage`."""

    def delete_rejected(self, rejected_id: int) -> None:
        """Forget a rejected message. Raises `UnknownRejectedMessage`."""

    def reset_stream(self, stream_id: int) -> StreamState:
        """Make a stream in error ready again, attempts at 0.

        Raises `UnknownStream`, `IllegalTransition`.
        """

    def reset_streams(self, versions: Sequence[StreamVersion]) -> Mapping[int, StreamState]:
        """Do the same with those that are in error, and as they were; return their new states."""

    def discard_streams(self, versions: Sequence[StreamVersion]) -> frozenset[int]:
        """Remove, as `purge_stream`, those that are in error, and as they were; return which."""

    def purge_stream(self, stream_id: int) -> None:
        """Remove a stream and its links, never its events.

        Raises `UnknownStream`, or `IllegalTransition` when a worker has it in hand.
        """

    def retry_effect(self, effect_id: int) -> StoredEffect:
        """Make a dead letter pending again, as if just recorded, or a pending one due at once.

        In its lane it goes before those that were put later, but for one that is in a worker's
        hand. Returns it as it is then: `due_at` is None where another goes before it.
        Raises `UnknownEffect`, or `EffectInProgress` when a worker has it in hand.
        """

    def discard_effect(self, effect_id: int) -> None:
        """Forget an effect. Raises as `retry_effect`."""

    def set_event_clock(self, moment: datetime) -> None:
        """Set the event clock, backwards too."""


class EffectStore(Protocol):
    """The outbox: effects that wait until an endpoint has taken them, and dead letters.

    Effects get in when their stream is completed. Those of one stream and endpoint are a lane.
    The first pending one of a lane, in the order in which they were put, is its front: it alone
    can be claimed, and the others wait behind it. A dead letter is passed by.
    """

    def claim_effects(
        self, endpoint: Endpoint, *, worker: str, limit: int, lease: timedelta
    ) -> list[EffectClaim]:
        """Claim up to `limit` effects that are due, the longest due first, one of each lane.

        A claim counts as an attempt. Fewer are claimed where their payloads are long.
        """

    def renew_effects(self, claims: Sequence[EffectClaim], lease: timedelta) -> int:
        """Extend leases; return how many of the claims still hold."""

    def release_effects(self, claims: Sequence[EffectClaim]) -> int:
        """Give claims back unused, without counting the attempt; return how many still held."""

    def apply_effect_results(self, results: Sequence[EffectResult]) -> EffectResultCounts:
        """Forget, delay or bury the effects whose claims hold, in one transaction.

        Doing it again does no harm: the claims do not hold any more.
        """

    def mark_overdue_effects_dead(
        self, *, max_age: timedelta, limit: int
    ) -> Mapping[Endpoint, int]:
        """Make dead letters of up to `limit` pending effects that have waited for `max_age`.

        Those that a worker has in hand are left alone. Returns how many of each endpoint.
        """

    def next_effect_seconds(self, endpoint: Endpoint) -> float | None:
        """Real time until the next pending effect is due, or its lease ends: 0 or less when one is.

        None when none is pending.
        """


class DebugStore(Protocol):
    """What was counted at triggers that are being debugged, by all processes together."""

    def add_debug_counts(self, groups: Mapping[str, DebugGroup]) -> None:
        """Add what a process has counted since it last did, by trigger's name."""

    def debug_counts(self) -> dict[str, DebugRecord]:
        """What was counted at each trigger at which anything was."""

    def reset_debug_counts(self, name: str) -> bool:
        """Forget what was counted at a trigger; False when nothing was."""


class Store(IngestStore, WorkStore, ReadStore, AdminStore, EffectStore, DebugStore, Protocol):
    """All of it."""
