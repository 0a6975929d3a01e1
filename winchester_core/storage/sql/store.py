"""The store on an SQL database: each method hands one transaction to the module that knows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from winchester_core.storage.records import ANY_EVENT, ANY_REJECTED, ANY_STREAM, Recorded
from winchester_core.storage.sql import (
    claiming,
    completion,
    reading,
    recording,
    statistics,
    trimming,
    upkeep,
)
from winchester_core.storage.sql.debug_store import SqlDebugStore
from winchester_core.storage.sql.effect_store import SqlEffectStore
from winchester_core.storage.sql.queries import (
    clocks,
    events,
    members,
    rejections,
    stored_streams,
    workloads,
)
from winchester_core.storage.sql.revision import check_revision
from winchester_core.telemetry.checkpoints import Checkpoint, reach

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta

    from sqlalchemy import Connection

    from winchester_core.model.event import Event
    from winchester_core.model.statistics import StoreStatistics
    from winchester_core.model.stream import Reason, StreamRecord, StreamState
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
    from winchester_core.storage.sql.database import Database
    from winchester_core.storage.sql.queries.members import MemberRows
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.stream_time import TimePolicy


class SqlStore(SqlEffectStore, SqlDebugStore):
    """A `Store` on SQLite, PostgreSQL or MariaDB. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._wakeup = database.dialect.wakeup(database.engine)

    # --- ingest ---------------------------------------------------------------------------

    def record(self, arrivals: Sequence[Arrival], policy: TimePolicy) -> Recorded:
        """See `IngestStore.record`."""
        if not arrivals:
            return Recorded(())

        def work(connection: Connection) -> Recorded:
            recorded = recording.record(connection, self._dialect, arrivals, policy)
            reach(Checkpoint.BEFORE_INGEST_COMMIT)
            return recorded

        recorded = self.database.write(work)
        self._wake_for(recorded.streams_decided)
        return recorded

    def keep_rejected(self, rejections_: Sequence[Rejection]) -> int:
        """See `IngestStore.keep_rejected`."""

        def work(connection: Connection) -> int:
            now = clocks.real_time(connection, self._dialect)
            return sum(
                rejections.keep(connection, self._dialect, each, now) for each in rejections_
            )

        return self.database.write(work)

    def event_clock(self) -> datetime | None:
        """See `IngestStore.event_clock`."""
        return self.database.read(clocks.stream_time)

    def advance_event_clock(self, moment: datetime) -> None:
        """See `IngestStore.advance_event_clock`."""
        self.database.write(partial(clocks.raise_to, moment=moment))

    def set_event_clock(self, moment: datetime) -> None:
        """See `IngestStore.set_event_clock`."""
        self.database.write(partial(clocks.put, moment=moment))

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
            claiming.claim_ready,
            dialect=self._dialect,
            worker=worker,
            reason=reason,
            now=now,
            limit=limit,
            lease=lease,
        )
        claims = self.database.write(claim)
        while claims is None:
            claims = self.database.write(claim)
        return claims

    def claim_one(
        self, *, stream_id: int, worker: str, reason: Reason, lease: timedelta
    ) -> Claim | None:
        """See `WorkStore.claim_one`."""
        return self.database.write(
            partial(
                claiming.claim_one,
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
            partial(members.of_streams, dialect=self._dialect, stream_ids=stream_ids)
        )

    def renew(self, claims_: Sequence[Claim], lease: timedelta) -> int:
        """See `WorkStore.renew`."""
        return self.database.write(
            partial(claiming.renew, dialect=self._dialect, held=claims_, lease=lease)
        )

    def release(self, claims_: Sequence[Claim]) -> int:
        """See `WorkStore.release`."""
        released = self.database.write(
            partial(claiming.release, dialect=self._dialect, held=claims_)
        )
        self._wake_for(released)
        return released

    def release_all(self, worker: str) -> int:
        """See `WorkStore.release_all`."""
        released = self.database.write(
            partial(claiming.release_all, dialect=self._dialect, worker=worker)
        )
        self._wake_for(released)
        return released

    def complete(self, completions: Sequence[Completion], policy: TimePolicy) -> Completed:
        """See `WorkStore.complete`."""
        completed = self.database.write(
            partial(
                completion.complete,
                dialect=self._dialect,
                completions=completions,
                policy=policy,
            )
        )
        self._wake_for(completed.streams_decided)
        return completed

    def fail(self, failure: Failure, max_attempts: int) -> StreamState | None:
        """See `WorkStore.fail`."""
        return self.database.write(
            partial(
                completion.fail,
                dialect=self._dialect,
                failure=failure,
                max_attempts=max_attempts,
            )
        )

    def rescue(self, *, max_attempts: int, limit: int) -> tuple[int, int]:
        """See `WorkStore.rescue`."""
        return self.database.write(
            partial(claiming.rescue, dialect=self._dialect, max_attempts=max_attempts, limit=limit)
        )

    def refresh(self, definition: TriggerDefinition, now: datetime, limit: int) -> int:
        """See `WorkStore.refresh`."""
        return self.database.write(
            partial(
                upkeep.refresh, dialect=self._dialect, definition=definition, now=now, limit=limit
            )
        )

    def trim(
        self,
        older_than: datetime,
        stored_before: datetime,
        limit: int,
        cursor: TrimCursor | None = None,
    ) -> Trimmed:
        """See `WorkStore.trim`."""
        return self.database.write(
            partial(
                trimming.trim,
                dialect=self._dialect,
                older_than=older_than,
                stored_before=stored_before,
                limit=limit,
                cursor=cursor,
            )
        )

    def listen(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """See `WorkStore.listen`."""
        return self._wakeup.listen(wake)

    def _wake_for(self, streams_made_ready: int) -> None:
        if streams_made_ready:
            self._wakeup.ring()

    def workload(self, now: datetime | None) -> Workload:
        """See `WorkStore.workload`."""

        def work(connection: Connection) -> Workload:
            real_now = clocks.real_time(connection, self._dialect)
            return workloads.look(connection, self._dialect, now, real_now)

        return self.database.read(work)

    # --- reading and mending --------------------------------------------------------------

    def find_events(
        self, wanted: EventFilter = ANY_EVENT, *, cursor: str | None = None, limit: int = 100
    ) -> list[Event]:
        """See `ReadStore.find_events`."""
        return self.database.read(
            partial(
                reading.find_events,
                dialect=self._dialect,
                wanted=wanted,
                cursor=cursor,
                limit=limit,
            )
        )

    def count_events(self, wanted: EventFilter = ANY_EVENT) -> int:
        """See `ReadStore.count_events`."""
        return self.database.read(
            partial(reading.count_events, dialect=self._dialect, wanted=wanted)
        )

    def find_streams(
        self, wanted: StreamFilter = ANY_STREAM, *, cursor: int | None = None, limit: int = 100
    ) -> list[StreamRecord]:
        """See `ReadStore.find_streams`."""
        return self.database.read(
            partial(
                stored_streams.find,
                dialect=self._dialect,
                wanted=wanted,
                cursor=cursor or 0,
                limit=limit,
            )
        )

    def count_streams(self, wanted: StreamFilter = ANY_STREAM) -> int:
        """See `ReadStore.count_streams`."""
        return self.database.read(
            partial(stored_streams.count, dialect=self._dialect, wanted=wanted)
        )

    def count_states(self) -> dict[StreamState, int]:
        """See `ReadStore.count_states`."""
        return self.database.read(stored_streams.count_states)

    def count_states_by_trigger(self) -> dict[str, dict[StreamState, int]]:
        """See `ReadStore.count_states_by_trigger`."""
        return self.database.read(stored_streams.count_states_by_trigger)

    def statistics(self, now: datetime | None) -> StoreStatistics:
        """See `ReadStore.statistics`."""
        return self.database.read(partial(statistics.take, dialect=self._dialect, now=now))

    def check(self) -> None:
        """See `ReadStore.check`."""
        check_revision(self.database)

    def get_event_by_message_id(self, message_id: str) -> Event | None:
        """See `ReadStore.get_event_by_message_id`."""
        return self.database.read(partial(events.by_message_id, message_id=message_id))

    def get_stream_by_id(self, stream_id: int) -> StreamRecord:
        """See `ReadStore.get_stream_by_id`."""
        return self.database.read(
            partial(reading.stream_by_id, dialect=self._dialect, stream_id=stream_id)
        )

    def get_stream_events(self, stream_id: int) -> list[Event]:
        """See `ReadStore.get_stream_events`."""
        return self.database.read(
            partial(reading.stream_events, dialect=self._dialect, stream_id=stream_id)
        )

    def find_rejected(
        self,
        wanted: RejectedFilter = ANY_REJECTED,
        *,
        cursor: int | None = None,
        limit: int = 100,
    ) -> list[RejectedMessage]:
        """See `ReadStore.find_rejected`."""
        return self.database.read(
            partial(
                rejections.find,
                dialect=self._dialect,
                wanted=wanted,
                cursor=cursor or 0,
                limit=limit,
            )
        )

    def count_rejected(self, wanted: RejectedFilter = ANY_REJECTED) -> int:
        """See `ReadStore.count_rejected`."""
        return self.database.read(partial(rejections.count, wanted=wanted))

    def get_rejected(self, rejected_id: int) -> RejectedMessage:
        """See `ReadStore.get_rejected`."""
        return self.database.read(partial(rejections.by_id, rejected_id=rejected_id))

    def set_rejected_reason(self, rejected_id: int, reason: str) -> None:
        """See `ReadStore.set_rejected_reason`."""
        self.database.write(partial(rejections.set_reason, rejected_id=rejected_id, reason=reason))

    def delete_rejected(self, rejected_id: int) -> None:
        """See `ReadStore.delete_rejected`."""
        self.database.write(partial(rejections.delete_one, rejected_id=rejected_id))

    def reset_stream(self, stream_id: int) -> StreamState:
        """See `ReadStore.reset_stream`."""
        state = self.database.write(
            partial(upkeep.reset, dialect=self._dialect, stream_id=stream_id)
        )
        self._wake_for(1)
        return state

    def reset_streams(self, versions: Sequence[StreamVersion]) -> dict[int, StreamState]:
        """See `ReadStore.reset_streams`."""
        states = self.database.write(
            partial(upkeep.reset_all, dialect=self._dialect, versions=versions)
        )
        self._wake_for(len(states))
        return states

    def discard_streams(self, versions: Sequence[StreamVersion]) -> frozenset[int]:
        """See `ReadStore.discard_streams`."""
        return self.database.write(
            partial(upkeep.discard_all, dialect=self._dialect, versions=versions)
        )

    def purge_stream(self, stream_id: int) -> None:
        """See `ReadStore.purge_stream`."""
        self.database.write(partial(upkeep.purge_one, dialect=self._dialect, stream_id=stream_id))
