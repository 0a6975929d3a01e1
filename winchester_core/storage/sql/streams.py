"""Operations on streams: reset, discard, purge, get, find, count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, false, not_, select

from winchester_core.errors import IllegalTransition, UnknownStream
from winchester_core.model.event import text_problem
from winchester_core.model.stream import (
    CLAIMED_STATES,
    ERROR_STATES,
    HOLDING,
    REASON_STATES,
    Decision,
    ReasonStates,
    StreamRecord,
    StreamState,
    Trial,
    parse_history,
    states_including,
)
from winchester_core.storage.records import ANY_STREAM, ListOrder
from winchester_core.storage.sql import claim_rows, stream_rows
from winchester_core.storage.sql.dialects.bulk import parameter_batches
from winchester_core.storage.sql.keyset import find_ids, id_key, id_keyset, rows_in_order
from winchester_core.storage.sql.queries import count_rows, make_record, matches_glob
from winchester_core.storage.sql.stream_rows import delete_streams, parse_progress
from winchester_core.storage.sql.tables import events, stream_events, stream_traits, streams
from winchester_core.storage.sql.types import equals_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import ColumnElement, Row, Select

    from winchester_core.storage.records import StreamFilter, StreamVersion
    from winchester_core.storage.sql.database import Transaction
    from winchester_core.storage.sql.dialects import SqlDialect


def reset(tx: Transaction, stream_id: int) -> StreamState:
    """Make a stream in error ready again with 0 failures; return its new state.

    Raises `UnknownStream`, or `IllegalTransition` if it is not in error.
    """
    row = claim_rows.lock_one(tx, stream_id)
    if row is None:
        raise UnknownStream(stream_id)
    reason_states = states_including(StreamState(row.state))
    if reason_states is None or row.state != reason_states.failed:
        raise IllegalTransition(row.state, "ready again: only a stream in error can be reset")
    _set_retry(tx, {stream_id: reason_states})
    return reason_states.retry


def reset_all(
    tx: Transaction, versions: Sequence[StreamVersion], *, operator: str | None = None
) -> dict[int, StreamState]:
    """Reset the streams in `versions` that are in error and unchanged; return their states."""
    locked = _lock_unchanged(tx, versions, ERROR_STATES)
    states_by_stream = {each: _STATES_BY_FAILED[state] for each, state in locked.items()}
    _set_retry(tx, states_by_stream, operator)
    return {stream_id: reason_states.retry for stream_id, reason_states in states_by_stream.items()}


def _set_retry(
    tx: Transaction, states_by_stream: Mapping[int, ReasonStates], operator: str | None = None
) -> None:
    """Move locked streams in error to their retry states, due now, with 0 failures."""
    real_now = tx.real_time()
    values = {"failures": 0, "retry_at": real_now, "worker": None, "last_error": None}
    for reason_states in REASON_STATES:
        stream_ids = [each for each, failed in states_by_stream.items() if failed is reason_states]
        claim_rows.set_state(tx, stream_ids, reason_states.retry, operator=operator, **values)


def discard_all(
    tx: Transaction,
    versions: Sequence[StreamVersion],
    states: Collection[StreamState] = ERROR_STATES,
) -> frozenset[int]:
    """Delete the unchanged streams in `versions` with one of `states`; return their ids."""
    found = _lock_unchanged(tx, versions, states)
    delete_streams(tx, sorted(found))
    return frozenset(found)


def purge(tx: Transaction, stream_id: int) -> None:
    """Delete a stream and its links, but not its events.

    Raises `UnknownStream`, or `IllegalTransition` while a worker has claimed it.
    """
    row = claim_rows.lock_one(tx, stream_id)
    if row is None:
        raise UnknownStream(stream_id)
    if row.state in CLAIMED_STATES:
        raise IllegalTransition(row.state, "purged: it is claimed by a worker")
    delete_streams(tx, [stream_id])


def get_stream(tx: Transaction, stream_id: int) -> StreamRecord:
    """Return the stream with this id. Raises `UnknownStream`."""
    found = streams_by_id(tx, [stream_id])
    if not found:
        raise UnknownStream(stream_id)
    return found[0]


_STATES_BY_FAILED = {reason_states.failed.value: reason_states for reason_states in REASON_STATES}


def _lock_unchanged(
    tx: Transaction, versions: Sequence[StreamVersion], states: Collection[StreamState]
) -> dict[int, str]:
    """Lock the unchanged streams in these states; return the state of each by id."""
    found: dict[int, str] = {}
    for batch in parameter_batches(sorted(versions, key=lambda version: version.stream_id)):
        query = (
            select(streams.c.id, streams.c.state)
            .where(
                tx.dialect.has_version(
                    (streams.c.id, streams.c.state_serial_no),
                    [(version.stream_id, version.serial) for version in batch],
                ),
                streams.c.state.in_([state.value for state in states]),
            )
            .order_by(streams.c.id)
        )
        indexed = tx.dialect.force_index(query, streams, "PRIMARY")
        rows = tx.execute(tx.dialect.lock_rows(indexed))
        found.update((row.id, row.state) for row in rows)
    return found


def find(
    tx: Transaction,
    filters: StreamFilter = ANY_STREAM,
    *,
    cursor: int | None = None,
    limit: int = 100,
    order: ListOrder = ListOrder.OLDEST,
) -> list[StreamRecord]:
    """Return up to `limit` streams after the id `cursor`, by id."""
    is_indexed = _is_indexed(filters)
    ids = find_ids(
        tx,
        id_keyset(streams, order),
        id_key(cursor),
        limit,
        _filter_conditions(tx.dialect, filters, per_stream=True),
        indexed_conditions=_filter_conditions(tx.dialect, filters) if is_indexed else None,
    )
    return streams_by_id(tx, ids)


def count(tx: Transaction, filters: StreamFilter = ANY_STREAM) -> int:
    """Return the number of streams."""
    return count_rows(tx, streams, _filter_conditions(tx.dialect, filters))


def _trial(row: Row[Any]) -> Trial | None:
    """Return the mark; a worker of revision 0007 leaves it unchanged on completion."""
    is_marked = row.trial is not None and row.state != StreamState.COMPLETED
    return Trial(row.trial) if is_marked else None


def streams_by_id(tx: Transaction, stream_ids: Sequence[int]) -> list[StreamRecord]:
    """Return the streams with these ids, in this order."""
    query = select(streams).where(streams.c.state != HOLDING)
    rows = rows_in_order(tx, query, streams.c.id, stream_ids)
    traits = stream_rows.traits_of_streams(tx, [row.id for row in rows])
    return [
        make_record(
            StreamRecord,
            row,
            state=StreamState(row.state),
            trial=_trial(row),
            distinguished_by=traits[row.id],
            progress=parse_progress(row.progress),
            progress_text=row.progress,
            decision=None if row.decision is None else Decision(row.decision),
            is_open=row.open_key is not None,
            history=parse_history(row.history),
        )
        for row in rows
    ]


def _is_indexed(filters: StreamFilter) -> bool:
    """Return whether an index finds the streams that match one of the filters.

    The last event has none, because each event that joins the stream would change it. But no stream
    begins after its last event, so the index of first events has all streams with an older one.
    """
    values = (
        *(filters.name, filters.older_than, filters.younger_than, filters.last_event_older_than),
        *(filters.event_type, filters.message_id, filters.is_open or None),
    )
    return bool(filters.states or filters.traits) or any(each is not None for each in values)


def _filter_conditions(
    dialect: SqlDialect, filters: StreamFilter, *, per_stream: bool = False
) -> list[ColumnElement[bool]]:
    """Return the conditions. With `per_stream`, in a form that is cheap for few streams.

    This form looks up the events of each stream instead of all events of a type.
    """
    conditions: list[ColumnElement[bool]] = [streams.c.state != HOLDING]
    if filters.name is not None:
        conditions.append(equals_text(streams.c.name, filters.name))
    if filters.states:
        conditions.append(streams.c.state.in_([state.value for state in filters.states]))
    if filters.is_open is not None:
        has_key = streams.c.open_key.is_not(None)
        conditions.append(has_key if filters.is_open else streams.c.open_key.is_(None))
    if filters.has_trial is not None:
        is_marked = and_(  # compare `_trial`
            streams.c.trial.is_not(None), streams.c.state != StreamState.COMPLETED.value
        )
        conditions.append(is_marked if filters.has_trial else not_(is_marked))
    if filters.unknown_to is not None:
        conditions.append(streams.c.name.not_in(sorted(filters.unknown_to)))
        conditions.append(streams.c.state != StreamState.COMPLETED.value)
    if filters.error_text is not None:
        storable = not text_problem(filters.error_text)
        contained = dialect.contains(streams.c.last_error, filters.error_text)
        conditions.append(contained if storable else false())
    if filters.older_than is not None:
        conditions.append(streams.c.first_event < filters.older_than)
    if filters.younger_than is not None:
        conditions.append(streams.c.first_event >= filters.younger_than)
    if filters.last_event_older_than is not None:
        conditions.append(streams.c.last_event < filters.last_event_older_than)
        conditions.append(streams.c.first_event < filters.last_event_older_than)
    if filters.last_event_younger_than is not None:
        conditions.append(streams.c.last_event >= filters.last_event_younger_than)
    if filters.event_type is not None:
        if per_stream:
            conditions.append(_has_event_type(dialect, filters.event_type))
        else:
            of_type = matches_glob(dialect, events.c.event_type, filters.event_type)
            conditions.append(streams.c.id.in_(_stream_ids_with_event(of_type)))
    if filters.message_id is not None:
        of_id = equals_text(events.c.message_id, filters.message_id)
        conditions.append(streams.c.id.in_(_stream_ids_with_event(of_id)))
    for name, value in filters.traits.items():
        conditions.append(_has_trait_value(name, value))
    return conditions


def _stream_ids_with_event(condition: ColumnElement[bool]) -> Select[Any]:
    """Select the ids of streams with an event that meets `condition`."""
    on = events.c.id == stream_events.c.event_id
    return select(stream_events.c.stream_id).join(events, on).where(condition)


def _has_trait_value(name: str, value: Any) -> ColumnElement[bool]:
    """Return the condition that a stream's trait `name` equals `value` in type and value."""
    if isinstance(value, str) and text_problem(value):
        return false()
    return streams.c.id.in_(
        select(stream_traits.c.stream_id).where(
            equals_text(stream_traits.c.name, name),
            stream_traits.c.digest == stream_rows.value_digest(value),
        )
    )


def _has_event_type(dialect: SqlDialect, glob: str) -> ColumnElement[bool]:
    """Return the condition that the type of one of the stream's events matches `glob`.

    It is evaluated for each stream. MariaDB would rewrite EXISTS as a semi-join. PostgreSQL would
    use the index of types and scan all events of the type for each stream; `+ ""` prevents this.
    """
    of_type = matches_glob(dialect, events.c.event_type + "", glob)
    of_stream = _stream_ids_with_event(and_(stream_events.c.stream_id == streams.c.id, of_type))
    return of_stream.limit(1).scalar_subquery().is_not(None)
