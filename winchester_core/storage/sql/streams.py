"""Operations on streams: reset, discard, purge, get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from winchester_core.errors import IllegalTransition, UnknownStream
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
from winchester_core.storage.sql import claim_rows, stream_rows
from winchester_core.storage.sql.dialects.bulk import parameter_batches
from winchester_core.storage.sql.keyset import rows_in_order
from winchester_core.storage.sql.queries import make_record, with_cut_texts
from winchester_core.storage.sql.stream_rows import delete_streams, parse_progress
from winchester_core.storage.sql.tables import streams

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Row

    from winchester_core.storage.records import StreamVersion
    from winchester_core.storage.sql.database import Transaction


def reset(tx: Transaction, stream_id: int) -> StreamState:
    """Make a stream in error ready again with 0 failures; return its new state.

    Raises `UnknownStream`, or `IllegalTransition` if it is not in error.
    """
    row = claim_rows.lock_one(tx, stream_id)
    if row is None:
        raise UnknownStream(stream_id)
    reason_states = states_including(StreamState(row.state))
    if reason_states is None or row.state != reason_states.failed:
        raise IllegalTransition(row.state, "reset: only a stream in error can be reset")
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


def _trial(row: Row[Any]) -> Trial | None:
    """Return the mark; a worker of revision 0007 leaves it unchanged on completion."""
    is_marked = row.trial is not None and row.state != StreamState.COMPLETED
    return Trial(row.trial) if is_marked else None


def streams_by_id(
    tx: Transaction, stream_ids: Sequence[int], is_cut: bool = False
) -> list[StreamRecord]:
    """Return the streams with these ids, in this order; with `is_cut`, with cut errors."""
    columns = with_cut_texts(streams, "last_error") if is_cut else [streams]
    query = select(*columns).where(streams.c.state != HOLDING)
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
