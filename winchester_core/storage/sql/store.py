"""The store on an SQL database. Each operation is a function that runs in one transaction."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from winchester_core.errors import WinchesterError
from winchester_core.storage.records import IngestResult
from winchester_core.storage.sql import (
    claim_rows,
    claims,
    clocks,
    debug_counts,
    effect_rows,
    events,
    ingest,
    outbox,
    rejected,
    retention,
    statistics,
    streams,
)
from winchester_core.storage.sql.database import Transaction
from winchester_core.storage.sql.dialects.driver_statements import value_error
from winchester_core.storage.sql.tables import check_schema_revision
from winchester_core.telemetry.failpoints import Failpoint, hit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta
    from typing import TypeAlias

    from winchester_core.clock import TimePolicy
    from winchester_core.model.event import Event
    from winchester_core.model.stream import Reason, StreamState
    from winchester_core.storage.records import (
        Claim,
        Completion,
        CompletionResult,
        MatchedEvent,
        StreamVersion,
        TriggerScope,
    )
    from winchester_core.storage.sql.database import Database

Params = ParamSpec("Params")
Result = TypeVar("Result")

Operation: TypeAlias = "Callable[Concatenate[Transaction, Params], Result]"
Method: TypeAlias = "Callable[Concatenate[SqlStore, Params], Result]"


def _reads(operation: Operation[Params, Result]) -> Method[Params, Result]:
    """Return a method that runs a read-only `operation` in one transaction."""

    @wraps(operation)
    def method(store: SqlStore, /, *args: Params.args, **kwargs: Params.kwargs) -> Result:
        database = store.database
        return database.read(
            lambda connection: operation(Transaction(connection, database.dialect), *args, **kwargs)
        )

    return method


def _writes(operation: Operation[Params, Result]) -> Method[Params, Result]:
    """Return a method that runs `operation` in one transaction, retried on conflicts."""

    @wraps(operation)
    def method(store: SqlStore, /, *args: Params.args, **kwargs: Params.kwargs) -> Result:
        database = store.database
        return database.write(
            lambda connection: operation(Transaction(connection, database.dialect), *args, **kwargs)
        )

    return method


def _record(
    tx: Transaction, matched_events: Sequence[MatchedEvent], policy: TimePolicy
) -> IngestResult:
    try:
        result = ingest.record(tx, matched_events, policy)
    except (WinchesterError, SQLAlchemyError):
        raise
    except Exception as error:
        raise value_error(error) from error
    hit(Failpoint.BEFORE_INGEST_COMMIT)
    return result


class SqlStore:
    """A `Store` on SQLite, PostgreSQL or MariaDB. Safe to share between threads.

    The operations are described in `winchester_core.storage.interface`.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._notifier = database.dialect.notifier(database.engine)

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    def check(self) -> None:
        """Raise `SchemaMismatch` or `DatabaseUnavailable` unless the store can be used."""
        check_schema_revision(self.database)

    def listen(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Within the context, call `wake` whenever a process notifies workers of ready streams."""
        return self._notifier.listen(wake)

    def _notify_workers(self, ready_streams: int) -> None:
        if ready_streams:
            self._notifier.notify()

    # Ingest

    _record = _writes(_record)
    insert_rejected = _writes(rejected.insert_all)
    event_clock = _reads(clocks.event_clock_time)
    advance_event_clock = _writes(clocks.advance)

    def record(self, matched_events: Sequence[MatchedEvent], policy: TimePolicy) -> IngestResult:
        """Store events and add them to streams; wake workers if a fire time was set."""
        if not matched_events:
            return IngestResult(())
        result = self._record(matched_events, policy)
        self._notify_workers(result.fire_times_set)
        return result

    # Work

    real_time = _reads(Transaction.real_time)
    _claim_ready = _writes(claims.claim_ready)
    claim_one = _writes(claims.claim_one)
    members_of = _reads(events.members_of_streams)
    renew = _writes(claims.renew)
    _release = _writes(claims.release)
    _release_all = _writes(claims.release_all)
    claim_trial = _writes(claims.claim_trial)
    claiming_workers = _reads(claim_rows.claiming_workers)
    skip_unknown_triggers = _reads(claim_rows.skip_unknown_triggers)
    _complete = _writes(claims.complete)
    fail = _writes(claims.fail)
    rescue = _writes(claims.rescue)
    recalculate = _writes(ingest.recalculate_streams)
    trim = _writes(retention.trim)
    backlog = _reads(statistics.backlog)

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
        """Claim ready streams; repeat while the operation only prepared the next claim."""
        claimed = None
        while claimed is None:
            claimed = self._claim_ready(
                worker=worker, reason=reason, now=now, limit=limit, lease=lease, scope=scope
            )
        return claimed

    def events_of(self, stream_ids: Sequence[int]) -> dict[int, list[Event]]:
        """Return each stream's events, by timestamp."""
        found = self.members_of(stream_ids)
        return {stream_id: found.take(stream_id) for stream_id in dict.fromkeys(stream_ids)}

    def release(self, claims: Sequence[Claim], *, began_commit: bool = False) -> int:
        """Release claims, and wake workers."""
        released = self._release(claims, began_commit=began_commit)
        self._notify_workers(released)
        return released

    def release_all(self, worker: str) -> int:
        """Release all claims of a worker, and wake workers."""
        released = self._release_all(worker)
        self._notify_workers(released)
        return released

    def complete(self, completions: Sequence[Completion], policy: TimePolicy) -> CompletionResult:
        """Complete streams; wake workers if a new event set a fire time."""
        completed = self._complete(completions, policy)
        self._notify_workers(completed.fire_times_set)
        return completed

    # Delivery of effects

    claim_effects = _writes(outbox.claim_effects)
    renew_effects = _writes(outbox.renew_effects)
    release_effects = _writes(outbox.release_effects)
    apply_effect_results = _writes(outbox.apply_effect_results)
    mark_overdue_effects_dead = _writes(outbox.mark_overdue_effects_dead)
    next_effect_seconds = _reads(outbox.next_effect_seconds)

    # Queries

    find_events = _reads(events.find_events)
    count_events = _reads(events.count_events)
    has_event = _reads(events.has_event)
    get_event_by_message_id = _reads(events.event_by_message_id)
    find_streams = _reads(streams.find)
    count_streams = _reads(streams.count)
    get_stream_by_id = _reads(streams.get_stream)
    get_stream_events = _reads(events.events_of_stream)
    count_states = _reads(statistics.count_states)
    count_states_by_trigger = _reads(statistics.count_states_by_trigger)
    find_rejected = _reads(rejected.find)
    count_rejected = _reads(rejected.count)
    get_rejected = _reads(rejected.rejected_by_id)
    find_effects = _reads(effect_rows.find)
    count_effects = _reads(effect_rows.count)
    get_effect = _reads(effect_rows.effect_by_id)

    # Administration

    set_event_clock = _writes(clocks.set_time)
    set_rejected_reason = _writes(rejected.set_reason)
    delete_rejected = _writes(rejected.delete_by_id)
    _reset_stream = _writes(streams.reset)
    _reset_streams = _writes(streams.reset_all)
    discard_streams = _writes(streams.discard_all)
    purge_stream = _writes(streams.purge)
    retry_effect = _writes(outbox.retry_effect)
    discard_effect = _writes(outbox.discard_effect)

    def reset_stream(self, stream_id: int) -> StreamState:
        """Reset a stream, and wake workers."""
        state = self._reset_stream(stream_id)
        self._notify_workers(1)
        return state

    def reset_streams(self, versions: Sequence[StreamVersion]) -> dict[int, StreamState]:
        """Reset streams, and wake workers."""
        states = self._reset_streams(versions)
        self._notify_workers(len(states))
        return states

    # Debug counts

    add_debug_counts = _writes(debug_counts.add)
    reset_debug_counts = _writes(debug_counts.reset)

    # Last, because these names shadow modules that are used above
    debug_counts = _reads(debug_counts.read_all)
    statistics = _reads(statistics.collect)
