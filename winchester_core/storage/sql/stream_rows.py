"""Statements of ingest on streams, their links and traits: lock, insert, update, close, delete."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import delete, select, update

from winchester_core.model.json import load_traits
from winchester_core.model.stream import HOLDING, StreamState
from winchester_core.model.time_range import TimeRange
from winchester_core.storage.sql.dialects import driver_statements
from winchester_core.storage.sql.dialects.bulk import (
    ChildInsert,
    ParentChildInsert,
    RowDelete,
    RowInsert,
    RowLock,
    RowUpdate,
    parameter_batches,
)
from winchester_core.storage.sql.tables import stream_events, stream_traits, streams
from winchester_core.triggers.details import format_details, parse_details, shown_progress
from winchester_core.triggers.grouping import encode_value
from winchester_core.triggers.progress import StreamProgress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from winchester_core.storage.sql.database import Transaction
    from winchester_core.storage.sql.dialects.bulk import RowChange, Rows
    from winchester_core.triggers.pending_stream import PendingStream

_PROGRESS_COLUMNS = (
    "fingerprint",
    "first_event",
    "fire_timestamp",
    "last_event",
    "expire_timestamp",
    "event_count",
    "progress",
)
_UPDATE_PROGRESS = RowUpdate(streams, "id", _PROGRESS_COLUMNS[3:])
"""Columns that every joining event changes. No index contains them."""

_UPDATE_FIRE_TIME = RowUpdate(streams, "id", _PROGRESS_COLUMNS[2:])
"""The same columns and the fire time, which is set once."""

_UPDATE_ALL = RowUpdate(streams, "id", (*_PROGRESS_COLUMNS, "check_at"))
"""All columns that may change."""

_UPDATE_UPKEEP = RowUpdate(streams, "id", (*_PROGRESS_COLUMNS, "check_at", "upkeep_at"))
"""The same columns, and the time of upkeep."""

_UPDATE_DECISION = RowUpdate(
    streams, "id", (*_PROGRESS_COLUMNS, "check_at", "upkeep_at", "decision")
)
"""The same columns, and the decision."""

_SET_DECISION = RowUpdate(streams, "id", ("upkeep_at", "decision"))

INSERT_STREAMS = RowInsert(
    streams,
    ("name", "open_key", "state", "state_serial_no", "attempts", *_PROGRESS_COLUMNS, "check_at"),
    returning=("open_key", "id"),
)
"""New streams, identified by their keys."""

LOCK_OPEN_STREAMS = RowLock(
    streams, "open_key", ("id", "open_key", *_PROGRESS_COLUMNS), "uq_streams_open_key"
)
"""The open streams of groups, by group key."""


OpenStream: TypeAlias = "tuple[int, bytes, StreamProgress]"
"""Id, open key and progress of an open stream. Its row is locked in this transaction."""


def decode_open_stream(row: Sequence[Any]) -> OpenStream:
    """Return the open stream of a row of `LOCK_OPEN_STREAMS`."""
    stream_id, key, fingerprint, first, fire, last, expire, event_count, progress = row
    details = parse_details(progress) if progress.startswith("[") else None
    counts = list(_parse_counts(progress)) if details is None else []
    return (
        stream_id,
        bytes(key),
        StreamProgress(first, last, expire, fire, event_count, counts, fingerprint, details),
    )


def lock_outdated_streams(
    tx: Transaction, name: str, fingerprint: str, limit: int
) -> list[OpenStream]:
    """Lock and return up to `limit` open streams of a trigger with an outdated fingerprint.

    Rows are returned in the order of the index, without a sort. No order of locks is needed,
    because locked rows are skipped. `<` and `>` are two ranges of the index; `!=` would read all
    open streams.
    """
    outdated: list[OpenStream] = []
    for differs in (streams.c.fingerprint < fingerprint, streams.c.fingerprint > fingerprint):
        query = (
            select(*LOCK_OPEN_STREAMS.columns)
            .where(
                streams.c.name == name,
                streams.c.state == StreamState.ACTIVE.value,
                differs,
                streams.c.open_key.is_not(None),
            )
            .order_by(streams.c.fingerprint)
            .limit(limit - len(outdated))
        )
        query = tx.dialect.force_index(query, streams, "ix_streams_name_state_fingerprint")
        outdated += map(
            decode_open_stream, tx.execute(tx.dialect.lock_rows(query, skip_locked=True))
        )
    return outdated


def stream_updates(pending_streams: Iterable[PendingStream]) -> list[RowChange]:
    """Return the updates of stored streams. This transaction has locked their rows."""
    progressed, fire_time_set, all_columns = [], [], []
    with_upkeep, decided = [], []
    for pending in pending_streams:
        values = _progress_values(pending.progress)
        if pending.has_new_decision or needs_upkeep(pending):
            every = (pending.id, *values, pending.progress.expire_timestamp, _upkeep_at(pending))
            if pending.has_new_decision:
                decided.append((*every, pending.decision))
            else:
                with_upkeep.append(every)
        elif not _keeps_index_position(pending):
            all_columns.append((pending.id, *values, pending.progress.expire_timestamp))
        elif (pending.progress.fire_timestamp is not None) == pending.had_fire_time:
            progressed.append((pending.id, *values[3:]))
        else:
            fire_time_set.append((pending.id, *values[2:]))
    return [
        (_UPDATE_PROGRESS, progressed),
        (_UPDATE_FIRE_TIME, fire_time_set),
        (_UPDATE_ALL, all_columns),
        (_UPDATE_UPKEEP, with_upkeep),
        (_UPDATE_DECISION, decided),
    ]


def needs_upkeep(pending: PendingStream) -> bool:
    """Return whether the time of upkeep must be written."""
    return pending.progress.details is not None and _upkeep_at(pending) is not None


def _upkeep_at(pending: PendingStream) -> datetime | None:
    """Return the stream time of the next upkeep: when nothing waits any more, or at once."""
    details, keep = pending.progress.details, pending.definition.keep
    if details is None:
        return None
    if details.waiting and (details.is_holding or any(each.cancels for each in details.waiting)):
        return details.time(max(each.deadline for each in details.waiting))
    if keep is not None and details.oldest is not None and details.has_older(keep * 2):
        return pending.progress.first_event
    return None


def _keeps_index_position(pending: PendingStream) -> bool:
    """Return whether fingerprint and first event are unchanged and the expiry is not earlier.

    If the expiry is later, `check_at` need not change: a worker will reschedule the check.
    """
    if pending.stored_progress is None:
        return False
    fingerprint, first_event, expire_timestamp = pending.stored_progress
    stream_progress = pending.progress
    return (
        stream_progress.fingerprint == fingerprint
        and stream_progress.first_event == first_event
        and stream_progress.expire_timestamp >= expire_timestamp
    )


def new_stream_keys(pending_streams: Iterable[PendingStream]) -> list[bytes]:
    """Return the keys for inserting new streams.

    If the batch both opened and closed a stream, the stream gets a unique temporary key, which
    identifies its row.
    """
    return [
        pending.group.key if pending.is_open else _temporary_key(pending.group.key, index)
        for index, pending in enumerate(pending_streams)
    ]


def stream_inserts(
    keys: Sequence[bytes],
    pending_streams: Sequence[PendingStream],
    children: Sequence[tuple[ChildInsert, Rows]],
) -> ParentChildInsert:
    """Return the inserts of new streams and of their children; children refer to keys."""
    rows = [
        (
            pending.definition.name,
            key,
            HOLDING if pending.is_holding else StreamState.ACTIVE.value,
            0,
            0,
            *_progress_values(pending.progress),
            pending.progress.expire_timestamp,
        )
        for key, pending in zip(keys, pending_streams, strict=True)
    ]
    return ParentChildInsert(INSERT_STREAMS, rows, children)


def close_streams(tx: Transaction, pending_streams: Iterable[PendingStream]) -> None:
    """Clear the keys of stored streams that are no longer open."""
    _clear_open_keys(tx, [pending.id for pending in pending_streams if not pending.is_open])


def complete_new_streams(
    tx: Transaction,
    keys: Iterable[bytes],
    pending_streams: Iterable[PendingStream],
) -> None:
    """Set what the insert of new streams did not set.

    Clear the temporary keys of streams that the batch has already closed; set decisions and times
    of upkeep. Set the ids of these streams, and of streams that make their group silent. The ids
    are read first, because on MariaDB an UPDATE by key may scan all rows and wait for locks of
    other transactions.
    """
    incomplete = {
        key: pending
        for key, pending in zip(keys, pending_streams, strict=True)
        if not pending.is_open
        or pending.has_new_decision
        or pending.begins_silence
        or needs_upkeep(pending)
    }
    if not incomplete:
        return
    for row in tx.dialect.bulk.lock(tx.connection, LOCK_OPEN_STREAMS, sorted(incomplete)):
        incomplete[bytes(row[1])].id = row[0]
    pending_streams = sorted(incomplete.values(), key=lambda each: each.id or 0)
    _clear_open_keys(tx, [pending.id for pending in pending_streams if not pending.is_open])
    decided = [
        (pending.id, _upkeep_at(pending), pending.decision)
        for pending in pending_streams
        if pending.has_new_decision or needs_upkeep(pending)
    ]
    tx.dialect.bulk.execute_all(tx.connection, [(_SET_DECISION, decided)])


def _clear_open_keys(tx: Transaction, stream_ids: Sequence[int | None]) -> None:
    for batch in parameter_batches(stream_ids):
        tx.execute(update(streams).where(streams.c.id.in_(batch)).values(open_key=None))


def _temporary_key(key: bytes, index: int) -> bytes:
    return hashlib.sha256(b"%s closed %d" % (key, index)).digest()


@lru_cache(maxsize=1024)
def _parse_counts(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(","))) if text else ()


def parse_progress(text: str) -> tuple[float, ...]:
    """Return the numbers or sums in a row's `progress`, in the order of the fire criteria."""
    details = parse_details(text)
    return _parse_counts(text) if details is None else shown_progress(details)


def _progress_values(stream_progress: StreamProgress) -> tuple[Any, ...]:
    return (
        stream_progress.fingerprint,
        stream_progress.first_event,
        stream_progress.fire_timestamp,
        stream_progress.last_event,
        stream_progress.expire_timestamp,
        stream_progress.event_count,
        ",".join(map(str, stream_progress.counts))
        if stream_progress.details is None
        else format_details(stream_progress.details),
    )


_INSERT_LINKS = RowInsert(stream_events, ("stream_id", "position", "event_id"))
_INSERT_LINKS_OF_NEW_STREAMS = ChildInsert(_INSERT_LINKS, INSERT_STREAMS)

_DELETE_LINKS = RowDelete(stream_events, "stream_id")
"""Delete the links of streams, but not their events."""


def link_inserts(members: Iterable[tuple[int, int, int]]) -> RowChange:
    """Return the insert of links; each is (stream id, position, event's row id).

    The primary key rejects a position that another process has used.
    """
    return _INSERT_LINKS, sorted(members)


def unlink(tx: Transaction, stream_id: int, before: int) -> None:
    """Unlink the members of a stream before a position."""
    tx.execute(
        delete(stream_events).where(
            stream_events.c.stream_id == stream_id, stream_events.c.position < before
        )
    )


def link_inserts_of_new_streams(
    members: Iterable[tuple[bytes, int, int]],
) -> tuple[ChildInsert, Rows]:
    """Return the insert of links of new streams; each is (stream key, position, event's row id)."""
    return _INSERT_LINKS_OF_NEW_STREAMS, list(members)


_INSERT_TRAITS = ChildInsert(
    RowInsert(stream_traits, ("stream_id", "name", "digest", "value")), INSERT_STREAMS
)

_DELETE_TRAITS = RowDelete(stream_traits, "stream_id")
"""Delete the distinguishing traits of streams."""


def trait_inserts(values: Iterable[tuple[bytes, Mapping[str, Any]]]) -> tuple[ChildInsert, Rows]:
    """Return the insert of distinguishing traits of new streams; each is (stream key, values)."""
    return _INSERT_TRAITS, [
        (key, name, *_stored_value(value)) for key, group in values for name, value in group.items()
    ]


def _stored_value(value: Any) -> tuple[bytes, dict[str, Any]]:
    if isinstance(value, TimeRange):
        return _stored_range(value)
    return value_digest(value), {"value": value}


@lru_cache(maxsize=64)
def _stored_range(value: TimeRange) -> tuple[bytes, dict[str, Any]]:
    # cached, because new streams share ranges
    return value_digest(value), {"begin": value.begin, "end": value.end}


def traits_of_streams(tx: Transaction, stream_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return the distinguishing traits of each stream, by name."""
    found: dict[int, dict[str, Any]] = {stream_id: {} for stream_id in stream_ids}
    for batch in parameter_batches(stream_ids):
        query = (
            select(
                stream_traits.c.stream_id,
                stream_traits.c.name,
                tx.dialect.json_text(stream_traits.c.value),
            )
            .where(tx.dialect.is_one_of(stream_traits.c.stream_id, batch))
            .order_by(stream_traits.c.stream_id, stream_traits.c.name)
        )
        for rows in driver_statements.fetch_parts(tx.connection, tx.execute(query)):
            for stream_id, name, text in rows:
                is_range = text.startswith(_RANGE_BEGIN)
                found[stream_id][name] = _load_range(text) if is_range else _load_value(text)
    return found


def value_digest(value: Any) -> bytes:
    """Return the SHA-256 of a typed value, which is used to find it."""
    return hashlib.sha256(encode_value(value)).digest()


def _load_value(text: str) -> Any:
    document = load_traits(text)
    if "value" in document:
        return document["value"]
    return TimeRange(document["begin"], document["end"])


_RANGE_BEGIN = '{"begin":'

_load_range = lru_cache(maxsize=64)(_load_value)  # streams share ranges


_DELETE_STREAMS = RowDelete(streams, "id")
"""Delete streams after their links and traits have been deleted."""

_DELETE_WITH_LINKS = (_DELETE_LINKS, _DELETE_TRAITS, _DELETE_STREAMS)


def delete_streams(tx: Transaction, stream_ids: Sequence[int]) -> None:
    """Delete streams with their links and traits, but not their events."""
    tx.dialect.bulk.delete(tx.connection, _DELETE_WITH_LINKS, stream_ids)
