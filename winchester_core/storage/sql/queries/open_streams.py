"""Statements of ingest on the table of streams: finding, opening, moving and closing."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import select, update

from winchester_core.model.stream import StreamState
from winchester_core.storage.dialects.bulk import Family, RowInsert, RowLock, RowUpdate
from winchester_core.storage.sql.pages import pages
from winchester_core.storage.sql.tables import streams
from winchester_core.triggers.progress import StreamProgress

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.dialects.bulk import ChildInsert, Rows, Work
    from winchester_core.triggers.batch_plan import PendingStream

_FACTS = (
    "fingerprint",
    "first_event",
    "fire_timestamp",
    "last_event",
    "expire_timestamp",
    "event_count",
    "progress",
)
_MOVE = RowUpdate(streams, "id", _FACTS[3:])
"""What each event that joins moves: nothing of it is in an index."""

_DECIDE = RowUpdate(streams, "id", _FACTS[2:])
"""The same with the fire time, which is set once."""

_REWRITE = RowUpdate(streams, "id", (*_FACTS, "check_at"))
"""All that may change."""

NEW = RowInsert(
    streams,
    ("name", "open_key", "state", "state_serial_no", "attempts", *_FACTS, "check_at"),
    returning=("open_key", "id"),
)
"""New streams, told apart by their keys."""

LOCK_OPEN = RowLock(streams, "open_key", ("id", "open_key", *_FACTS), "uq_streams_open_key")
"""The open streams of some groups."""


OpenStream: TypeAlias = "tuple[int, bytes, StreamProgress]"
"""An open stream's id, open key and facts; its row is locked until the transaction ends."""


def read_open(row: Sequence[Any]) -> OpenStream:
    """The open stream that a row of `LOCK_OPEN` holds."""
    stream_id, key, fingerprint, first, fire, last, expire, event_count, progress = row
    counts = list(read_progress(progress))
    return (
        stream_id,
        bytes(key),
        StreamProgress(first, last, expire, fire, event_count, counts, fingerprint),
    )


def lock_stale(
    connection: Connection, dialect: SqlDialect, name: str, fingerprint: str, limit: int
) -> list[OpenStream]:
    """Up to `limit` open streams of a trigger that were counted by other rules, locked.

    They come in the order of the index, which costs no sort; where locked rows are passed over,
    no order of locks is needed. What is less and what is greater are two ranges of the index; what
    is unequal would be none, and all open streams be read.
    """
    stale: list[OpenStream] = []
    for others in (streams.c.fingerprint < fingerprint, streams.c.fingerprint > fingerprint):
        query = (
            select(*LOCK_OPEN.columns)
            .where(
                streams.c.name == name,
                streams.c.state == StreamState.ACTIVE.value,
                others,
                streams.c.open_key.is_not(None),
            )
            .order_by(streams.c.fingerprint)
            .limit(limit - len(stale))
        )
        query = dialect.through_index(query, streams, "ix_streams_name_state_fingerprint")
        stale += map(read_open, connection.execute(dialect.lock_rows(query, skip_locked=True)))
    return stale


def moves(pending_streams: Iterable[PendingStream]) -> list[Work]:
    """What a batch did to stored streams, whose rows this transaction has locked."""
    moved, decided, rewritten = [], [], []
    for pending in pending_streams:
        values = _values(pending.progress)
        if not _keeps_its_place(pending):
            rewritten.append((pending.id, *values, pending.progress.expire_timestamp))
        elif pending.progress.fire_timestamp is None or pending.had_fire_time:
            moved.append((pending.id, *values[3:]))
        else:
            decided.append((pending.id, *values[2:]))
    return [(_MOVE, moved), (_DECIDE, decided), (_REWRITE, rewritten)]


def _keeps_its_place(pending: PendingStream) -> bool:
    """Whether neither the rules nor the first event changed, nor does it expire earlier.

    One that expires later is checked at the time that was stored, and then put off.
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


def keys_of_new(pending_streams: Iterable[PendingStream]) -> list[bytes]:
    """The keys under which new streams go in.

    One that the batch has opened and closed again goes in under a key of its own, by which to tell
    its row from the others.
    """
    return [
        pending.group.key if pending.is_open else _stand_in(pending.group.key, place)
        for place, pending in enumerate(pending_streams)
    ]


def openings(
    keys: Sequence[bytes],
    pending_streams: Sequence[PendingStream],
    children: Sequence[tuple[ChildInsert, Rows]],
) -> Family:
    """Store new streams and, by their keys, what belongs to them."""
    rows = [
        (
            pending.definition.name,
            key,
            StreamState.ACTIVE.value,
            0,
            0,
            *_values(pending.progress),
            pending.progress.expire_timestamp,
        )
        for key, pending in zip(keys, pending_streams, strict=True)
    ]
    return Family(NEW, rows, children)


def close(connection: Connection, pending_streams: Iterable[PendingStream]) -> None:
    """Take the keys from those that are no longer open."""
    _close(connection, [pending.id for pending in pending_streams if not pending.is_open])


def close_new(
    connection: Connection,
    dialect: SqlDialect,
    keys: Iterable[bytes],
    pending_streams: Iterable[PendingStream],
) -> None:
    """Take their keys from new streams that the batch has closed again.

    They are found as open streams are: an UPDATE by key may go through all rows on MariaDB, and
    wait for those of others.
    """
    closed = [
        key for key, pending in zip(keys, pending_streams, strict=True) if not pending.is_open
    ]
    rows = dialect.bulk.lock(connection, LOCK_OPEN, sorted(closed))
    _close(connection, [stream_id for stream_id, *_ in rows])


def _close(connection: Connection, stream_ids: Sequence[int | None]) -> None:
    for page in pages(stream_ids):
        connection.execute(update(streams).where(streams.c.id.in_(page)).values(open_key=None))


def _stand_in(key: bytes, place: int) -> bytes:
    return hashlib.sha256(b"%s closed %d" % (key, place)).digest()


@lru_cache(maxsize=1024)
def read_progress(text: str) -> tuple[int, ...]:
    """The counts that a row's `progress` holds, in the order of the fire criteria."""
    return tuple(map(int, text.split(","))) if text else ()


def _values(stream_progress: StreamProgress) -> tuple[Any, ...]:
    """The columns `_FACTS`."""
    return (
        stream_progress.fingerprint,
        stream_progress.first_event,
        stream_progress.fire_timestamp,
        stream_progress.last_event,
        stream_progress.expire_timestamp,
        stream_progress.event_count,
        ",".join(map(str, stream_progress.counts)),
    )
