"""The store on an SQL database. Each operation is a function that runs in one transaction."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from winchester_core.errors import WinchesterError
from winchester_core.failpoints import Failpoint, hit
from winchester_core.storage.records import IngestResult
from winchester_core.storage.sql import (
    actions,
    activity,
    claim_rows,
    claims,
    clocks,
    debug_counts,
    effect_actions,
    effect_list,
    event_list,
    events,
    ingest,
    member_pages,
    outbox,
    processes,
    rejected,
    replicas,
    retention,
    silent_groups,
    statistics,
    stream_list,
    streams,
    upkeep,
    waiting,
)
from winchester_core.storage.sql.database import Database, Transaction
from winchester_core.storage.sql.dialects.driver_statements import value_error
from winchester_core.storage.sql.schema_revision import check_schema_revision

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    from winchester_core.clock import TimePolicy
    from winchester_core.model.action import Action
    from winchester_core.model.event import Event
    from winchester_core.storage.records import CompletionResult, MatchedEvent

Params = ParamSpec("Params")
Result = TypeVar("Result")

Operation: TypeAlias = "Callable[Concatenate[Transaction, Params], Result]"
Method: TypeAlias = "Callable[Concatenate[SqlStore, Params], Result]"


def _reads(operation: Operation[Params, Result]) -> Method[Params, Result]:
    """Return a method that runs a read-only `operation` in one transaction."""
    return _method(operation, Database.read)


def _writes(
    operation: Operation[Params, Result], wakes: Callable[[Result], int] | None = None
) -> Method[Params, Result]:
    """Return a method that runs `operation` in one transaction and retries it after conflicts.

    If `wakes` returns a number of streams that may be ready, it wakes workers.
    """
    method = _method(operation, Database.write)
    if wakes is None:
        return method

    @wraps(operation)
    def waking(store: SqlStore, /, *args: Params.args, **kwargs: Params.kwargs) -> Result:
        result = method(store, *args, **kwargs)
        if wakes(result):
            store.notifier.notify()
        return result

    return waking


def _acts(
    operation: Callable[Concatenate[Transaction, ...], Result],
    number: Callable[[Result], int],
    *,
    names_operator: bool = False,
    wakes: Callable[[Result], int] | None = None,
) -> Callable[..., Result]:
    """Return a method like `_writes` that has the parameter `action`.

    It stores the action in the same transaction. `number` returns the number of changed objects. If
    `names_operator`, the operation has a parameter for the operator's name.
    """

    @wraps(operation)
    def recorded(
        tx: Transaction, *args: Any, action: Action | None = None, **kwargs: Any
    ) -> Result:
        if action is None:
            return operation(tx, *args, **kwargs)
        if names_operator:
            kwargs["operator"] = action.name
        result = operation(tx, *args, **kwargs)
        if changed := number(result):
            actions.record(tx, replace(action, number=changed))
        return result

    return _writes(recorded, wakes)


def _one(_result: object) -> int:
    return 1


def _repeats_while_none(method: Method[Params, Result | None]) -> Method[Params, Result]:
    @wraps(method)
    def repeating(store: SqlStore, /, *args: Params.args, **kwargs: Params.kwargs) -> Result:
        while (result := method(store, *args, **kwargs)) is None:
            pass  # this transaction has only prepared the next one
        return result

    return repeating


def _method(
    operation: Operation[Params, Result], run: Callable[..., Any]
) -> Method[Params, Result]:
    @wraps(operation)
    def method(store: SqlStore, /, *args: Params.args, **kwargs: Params.kwargs) -> Result:
        database = store.database
        result: Result = run(
            database,
            lambda connection: operation(
                Transaction(connection, database.dialect), *args, **kwargs
            ),
        )
        return result

    return method


def _record(
    tx: Transaction, matched_events: Sequence[MatchedEvent], policy: TimePolicy
) -> IngestResult:
    if not matched_events:
        return IngestResult(())
    try:
        result = ingest.record(tx, matched_events, policy)
    except (WinchesterError, SQLAlchemyError):
        raise
    except Exception as error:
        raise value_error(error) from error
    hit(Failpoint.BEFORE_INGEST_COMMIT)
    return result


def _fire_times_set(result: IngestResult | CompletionResult) -> int:
    return result.fire_times_set


class SqlStore:
    """A `Store` on SQLite, PostgreSQL or MariaDB. Safe to share between threads.

    The operations are described in `winchester_core.storage.interface`.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.notifier = database.dialect.notifier(database.engine)
        self.is_embedded = database.dialect.embedded

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    def check(self) -> None:
        """Raise `SchemaMismatch` or `DatabaseUnavailable` unless the store can be used."""
        check_schema_revision(self.database)

    def listen(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Within the context, call `wake` whenever a process notifies workers of ready streams."""
        return self.notifier.listen(wake)

    # Ingest

    record = _writes(_record, wakes=_fire_times_set)
    insert_rejected = _writes(rejected.insert_all)
    event_clock = _reads(clocks.event_clock_time)
    advance_event_clock = _writes(clocks.advance)

    # Work

    real_time = _reads(Transaction.real_time)
    replica = _reads(replicas.read)
    claim_ready = _repeats_while_none(_writes(claims.claim_ready))
    claim_one = _writes(claims.claim_one)
    members_of = _reads(events.members_of_streams)
    renew = _writes(claims.renew)
    release = _writes(claims.release, wakes=int)
    release_all = _writes(claims.release_all, wakes=int)
    claim_trial = _writes(claims.claim_trial)
    claiming_workers = _reads(claim_rows.claiming_workers)
    skip_unknown_triggers = _reads(claim_rows.skip_unknown_triggers)
    complete = _writes(claims.complete, wakes=_fire_times_set)
    fail = _writes(claims.fail)
    rescue = _writes(claims.rescue)
    recalculate = _writes(ingest.recalculate_streams)
    trim = _writes(retention.trim)
    end_waiting = _writes(upkeep.end_waiting)
    delete_silences = _writes(upkeep.delete_silences)
    unlink_old_members = _writes(upkeep.unlink_old_members)
    backlog = _reads(statistics.backlog)

    def events_of(self, stream_ids: Sequence[int]) -> dict[int, list[Event]]:
        """Return each stream's events, by timestamp."""
        found = self.members_of(stream_ids)
        return {stream_id: found.take(stream_id) for stream_id in dict.fromkeys(stream_ids)}

    # Delivery of effects

    claim_effects = _writes(outbox.claim_effects)
    renew_effects = _writes(outbox.renew_effects)
    release_effects = _writes(outbox.release_effects)
    apply_effect_results = _writes(outbox.apply_effect_results)
    mark_overdue_effects_dead = _writes(outbox.mark_overdue_effects_dead)
    next_effect_seconds = _reads(outbox.next_effect_seconds)

    # Queries

    find_events = _reads(event_list.find_events)
    count_events = _reads(event_list.count_events)
    has_event = _reads(events.has_event)
    get_event_by_message_id = _reads(events.event_by_message_id)
    find_streams = _reads(stream_list.LIST.find)
    count_streams = _reads(stream_list.LIST.count)
    get_stream_by_id = _reads(streams.get_stream)
    get_stream_events = _reads(events.events_of_stream)
    silence_of = _reads(silent_groups.find)
    waits_of = _reads(waiting.times_of)
    waits_after = _reads(waiting.times_after)
    count_states = _reads(statistics.count_states)
    count_states_by_trigger = _reads(statistics.count_states_by_trigger)
    find_rejected = _reads(rejected.LIST.find)
    count_rejected = _reads(rejected.LIST.count)
    get_rejected = _reads(rejected.rejected_by_id)
    find_effects = _reads(effect_list.LIST.find)
    count_effects = _reads(effect_list.LIST.count)
    get_effect = _reads(effect_list.effect_by_id)

    # Pages

    page_of_streams = _reads(stream_list.LIST.page)
    page_of_events = _reads(event_list.page_of_events)
    page_of_stream_events = _reads(member_pages.page_of_stream_events)
    page_of_rejected = _reads(rejected.LIST.page)
    page_of_effects = _reads(effect_list.LIST.page)
    page_of_actions = _reads(actions.LIST.page)
    page_of_stream_ids = _reads(stream_list.LIST.page_of_ids)
    page_of_rejected_ids = _reads(rejected.LIST.page_of_ids)
    page_of_effect_ids = _reads(effect_list.LIST.page_of_ids)

    # Administration

    set_event_clock = _writes(clocks.set_time)
    record_action = _writes(actions.record)
    set_rejected_reason = _acts(rejected.set_reason, _one)
    delete_rejected = _acts(rejected.delete_by_id, _one)
    delete_rejected_messages = _acts(rejected.delete_by_ids, len)
    reset_stream = _writes(streams.reset, wakes=_one)
    reset_streams = _acts(streams.reset_all, len, names_operator=True, wakes=len)
    discard_streams = _acts(streams.discard_all, len)
    purge_stream = _acts(streams.purge, _one)
    retry_effect = _writes(effect_actions.retry_one)
    retry_effects = _acts(effect_actions.retry_all, len)
    discard_effect = _writes(effect_actions.discard_one)
    discard_effects = _acts(effect_actions.discard_all, len)

    # Processes, activity, actions

    report_process = _writes(processes.report)
    end_process = _writes(processes.end)
    find_processes = _reads(processes.find_all)
    read_activity = _reads(activity.read)
    find_actions = _reads(actions.LIST.find)
    count_actions = _reads(actions.LIST.count)
    delete_activity = _writes(activity.delete_old)
    delete_actions = _writes(actions.delete_old)
    delete_gone_processes = _writes(processes.delete_gone)

    # Debug counts

    add_debug_counts = _writes(debug_counts.add)
    reset_debug_counts = _acts(debug_counts.reset, int)

    # Last, because these names shadow modules that are used above
    debug_counts = _reads(debug_counts.read_all)
    statistics = _reads(statistics.collect)
