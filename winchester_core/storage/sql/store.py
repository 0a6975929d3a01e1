"""The store on an SQL database: each method runs one transaction of a query module."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from winchester_core.storage.records import ANY_EVENT, ANY_REJECTED, ANY_STREAM, IngestResult
from winchester_core.storage.sql import (
    claims,
    clocks,
    events,
    ingest,
    rejected,
    retention,
    statistics,
    streams,
)
from winchester_core.storage.sql.debug_counts import SqlDebugStore
from winchester_core.storage.sql.outbox import SqlEffectStore
from winchester_core.storage.sql.tables import check_schema_revision
from winchester_core.telemetry.failpoints import Failpoint, hit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta

    from sqlalchemy import Connection

    from winchester_core.model.event import Event
    from winchester_core.model.statistics import StoreStatistics
    from winchester_core.model.stream import Reason, StreamRecord, StreamState
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
        TrimCursor,
        TrimResult,
    )
    from winchester_core.storage.sql.database import Database
    from winchester_core.storage.sql.events import MemberRows
    from winchester_core.triggers.batch_plan import TimePolicy
    from winchester_core.triggers.definition import TriggerDefinition


class SqlStore(SqlEffectStore, SqlDebugStore):
    """A `Store` on SQLite, PostgreSQL or MariaDB. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._notifier = database.dialect.notifier(database.engine)

    # --- ingest ---------------------------------------------------------------------------

    def record(self, matched_events: Sequence[MatchedEvent], policy: TimePolicy) -> IngestResult:
        """See `IngestStore.record`."""
        if not matched_events:
            return IngestResult(())

        def work(connection: Connection) -> IngestResult:
            result = ingest.record(connection, self._dialect, matched_events, policy)
            hit(Failpoint.BEFORE_INGEST_COMMIT)
            return result

        result = self.database.write(work)
        self._notify_workers(result.fire_times_set)
        return result

    def insert_rejected(self, rejections: Sequence[Rejection]) -> int:
        """See `IngestStore.insert_rejected`."""

        def work(connection: Connection) -> int:
            now = clocks.real_time(connection, self._dialect)
            return sum(rejected.insert(connection, self._dialect, each, now) for each in rejections)

        return self.database.write(work)

    def event_clock(self) -> datetime | None:
        """See `IngestStore.event_clock`."""
        return self.database.read(clocks.event_clock_time)

    def advance_event_clock(self, moment: datetime) -> None:
        """See `IngestStore.advance_event_clock`."""
        self.database.write(partial(clocks.advance, moment=moment))

    def set_event_clock(self, moment: datetime) -> None:
        """See `AdminStore.set_event_clock`."""
        self.database.write(partial(clocks.set_time, moment=moment))

    def close(self) -> None:
        """See `IngestStore.close`."""
        self.database.close()

    # --- work -----------------------------------------------------------------------------

    def real_time(self) -> datetime:
        """See `WorkStore.real_time`."""
        return self.database.read(partial(clocks.real_time, dialect=self._dialect))

    def claim_ready(
        self, *, worker: str, reason: Reason, now: datetime | None, limit: int, lease: timedelta
    ) -> list[Claim]:
        """See `WorkStore.claim_ready`."""
        claim = partial(
            claims.claim_ready,
            dialect=self._dialect,
            worker=worker,
            reason=reason,
            now=now,
            limit=limit,
            lease=lease,
        )
        claimed = self.database.write(claim)
        while claimed is None:
            claimed = self.database.write(claim)
        return claimed

    def claim_one(
        self, *, stream_id: int, worker: str, reason: Reason, lease: timedelta
    ) -> Claim | None:
        """See `WorkStore.claim_one`."""
        return self.database.write(
            partial(
                claims.claim_one,
                dialect=self._dialect,
                stream_id=stream_id,
                worker=worker,
                reason=reason,
                lease=lease,
            )
        )

    def events_of(self, stream_ids: Sequence[int]) -> dict[int, list[Event]]:
        """See `WorkStore.events_of`."""
        found = self.members_of(stream_ids)
        return {stream_id: found.take(stream_id) for stream_id in dict.fromkeys(stream_ids)}

    def members_of(self, stream_ids: Sequence[int]) -> MemberRows:
        """See `WorkStore.members_of`."""
        return self.database.read(
            partial(events.members_of_streams, dialect=self._dialect, stream_ids=stream_ids)
        )

    def renew(self, claims_: Sequence[Claim], lease: timedelta) -> int:
        """See `WorkStore.renew`."""
        return self.database.write(
            partial(claims.renew, dialect=self._dialect, claims=claims_, lease=lease)
        )

    def release(self, claims_: Sequence[Claim]) -> int:
        """See `WorkStore.release`."""
        released = self.database.write(
            partial(claims.release, dialect=self._dialect, claims=claims_)
        )
        self._notify_workers(released)
        return released

    def release_all(self, worker: str) -> int:
        """See `WorkStore.release_all`."""
        released = self.database.write(
            partial(claims.release_all, dialect=self._dialect, worker=worker)
        )
        self._notify_workers(released)
        return released

    def complete(self, completions: Sequence[Completion], policy: TimePolicy) -> CompletionResult:
        """See `WorkStore.complete`."""
        completed = self.database.write(
            partial(
                claims.complete,
                dialect=self._dialect,
                completions=completions,
                policy=policy,
            )
        )
        self._notify_workers(completed.fire_times_set)
        return completed

    def fail(self, failure: Failure, max_attempts: int) -> StreamState | None:
        """See `WorkStore.fail`."""
        return self.database.write(
            partial(
                claims.fail,
                dialect=self._dialect,
                failure=failure,
                max_attempts=max_attempts,
            )
        )

    def rescue(self, *, max_attempts: int, limit: int) -> tuple[int, int]:
        """See `WorkStore.rescue`."""
        return self.database.write(
            partial(claims.rescue, dialect=self._dialect, max_attempts=max_attempts, limit=limit)
        )

    def recalculate(self, definition: TriggerDefinition, now: datetime, limit: int) -> int:
        """See `WorkStore.recalculate`."""
        return self.database.write(
            partial(
                ingest.recalculate_streams,
                dialect=self._dialect,
                definition=definition,
                now=now,
                limit=limit,
            )
        )

    def trim(
        self,
        older_than: datetime,
        stored_before: datetime,
        limit: int,
        cursor: TrimCursor | None = None,
    ) -> TrimResult:
        """See `WorkStore.trim`."""
        return self.database.write(
            partial(
                retention.trim,
                dialect=self._dialect,
                older_than=older_than,
                stored_before=stored_before,
                limit=limit,
                cursor=cursor,
            )
        )

    def listen(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """See `WorkStore.listen`."""
        return self._notifier.listen(wake)

    def _notify_workers(self, ready_streams: int) -> None:
        if ready_streams:
            self._notifier.notify()

    def backlog(self, now: datetime | None) -> Backlog:
        """See `WorkStore.backlog`."""

        def work(connection: Connection) -> Backlog:
            real_now = clocks.real_time(connection, self._dialect)
            return statistics.backlog(connection, self._dialect, now, real_now)

        return self.database.read(work)

    # --- queries and administration ------------------------------------------------------------

    def find_events(
        self, filters: EventFilter = ANY_EVENT, *, cursor: str | None = None, limit: int = 100
    ) -> list[Event]:
        """See `ReadStore.find_events`."""
        return self.database.read(
            partial(
                events.find_events,
                dialect=self._dialect,
                filters=filters,
                cursor=cursor,
                limit=limit,
            )
        )

    def count_events(self, filters: EventFilter = ANY_EVENT) -> int:
        """See `ReadStore.count_events`."""
        return self.database.read(
            partial(events.count_events, dialect=self._dialect, filters=filters)
        )

    def find_streams(
        self, filters: StreamFilter = ANY_STREAM, *, cursor: int | None = None, limit: int = 100
    ) -> list[StreamRecord]:
        """See `ReadStore.find_streams`."""
        return self.database.read(
            partial(
                streams.find,
                dialect=self._dialect,
                filters=filters,
                cursor=cursor or 0,
                limit=limit,
            )
        )

    def count_streams(self, filters: StreamFilter = ANY_STREAM) -> int:
        """See `ReadStore.count_streams`."""
        return self.database.read(partial(streams.count, dialect=self._dialect, filters=filters))

    def count_states(self) -> dict[StreamState, int]:
        """See `ReadStore.count_states`."""
        return self.database.read(statistics.count_states)

    def count_states_by_trigger(self) -> dict[str, dict[StreamState, int]]:
        """See `ReadStore.count_states_by_trigger`."""
        return self.database.read(statistics.count_states_by_trigger)

    def statistics(self, now: datetime | None) -> StoreStatistics:
        """See `ReadStore.statistics`."""
        return self.database.read(partial(statistics.collect, dialect=self._dialect, now=now))

    def check(self) -> None:
        """See `ReadStore.check`."""
        check_schema_revision(self.database)

    def get_event_by_message_id(self, message_id: str) -> Event | None:
        """See `ReadStore.get_event_by_message_id`."""
        return self.database.read(partial(events.event_by_message_id, message_id=message_id))

    def get_stream_by_id(self, stream_id: int) -> StreamRecord:
        """See `ReadStore.get_stream_by_id`."""
        return self.database.read(
            partial(streams.get_stream, dialect=self._dialect, stream_id=stream_id)
        )

    def get_stream_events(self, stream_id: int) -> list[Event]:
        """See `ReadStore.get_stream_events`."""
        return self.database.read(
            partial(events.events_of_stream, dialect=self._dialect, stream_id=stream_id)
        )

    def find_rejected(
        self,
        filters: RejectedFilter = ANY_REJECTED,
        *,
        cursor: int | None = None,
        limit: int = 100,
    ) -> list[RejectedMessage]:
        """See `ReadStore.find_rejected`."""
        return self.database.read(
            partial(
                rejected.find,
                dialect=self._dialect,
                filters=filters,
                cursor=cursor or 0,
                limit=limit,
            )
        )

    def count_rejected(self, filters: RejectedFilter = ANY_REJECTED) -> int:
        """See `ReadStore.count_rejected`."""
        return self.database.read(partial(rejected.count, filters=filters))

    def get_rejected(self, rejected_id: int) -> RejectedMessage:
        """See `ReadStore.get_rejected`."""
        return self.database.read(partial(rejected.rejected_by_id, rejected_id=rejected_id))

    def set_rejected_reason(self, rejected_id: int, reason: str) -> None:
        """See `AdminStore.set_rejected_reason`."""
        self.database.write(partial(rejected.set_reason, rejected_id=rejected_id, reason=reason))

    def delete_rejected(self, rejected_id: int) -> None:
        """See `AdminStore.delete_rejected`."""
        self.database.write(partial(rejected.delete_by_id, rejected_id=rejected_id))

    def reset_stream(self, stream_id: int) -> StreamState:
        """See `AdminStore.reset_stream`."""
        state = self.database.write(
            partial(streams.reset, dialect=self._dialect, stream_id=stream_id)
        )
        self._notify_workers(1)
        return state

    def reset_streams(self, versions: Sequence[StreamVersion]) -> dict[int, StreamState]:
        """See `AdminStore.reset_streams`."""
        states = self.database.write(
            partial(streams.reset_all, dialect=self._dialect, versions=versions)
        )
        self._notify_workers(len(states))
        return states

    def discard_streams(self, versions: Sequence[StreamVersion]) -> frozenset[int]:
        """See `AdminStore.discard_streams`."""
        return self.database.write(
            partial(streams.discard_all, dialect=self._dialect, versions=versions)
        )

    def purge_stream(self, stream_id: int) -> None:
        """See `AdminStore.purge_stream`."""
        self.database.write(partial(streams.purge, dialect=self._dialect, stream_id=stream_id))
