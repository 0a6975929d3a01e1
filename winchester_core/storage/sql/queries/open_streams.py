"""Statements of ingest on the table of streams: finding, opening, moving and closing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from winchester_core.model.stream import StreamState
from winchester_core.storage.sql.pages import pages
from winchester_core.storage.sql.tables import streams
from winchester_core.triggers.progress import StreamFacts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.triggers.plan import StreamDraft

_MOVED_BY_INGEST = (
    "open_key",
    "fingerprint",
    "first_event",
    "last_event",
    "expire_timestamp",
    "fire_timestamp",
    "event_count",
    "progress",
)


@dataclass(frozen=True, slots=True)
class OpenStream:
    """An open stream's row, locked until the transaction ends."""

    id: int
    name: str
    open_key: bytes
    facts: StreamFacts


def lock_open(
    connection: Connection, dialect: SqlDialect, keys: Sequence[bytes]
) -> list[OpenStream]:
    """The open streams of these groups, locked in the order of their keys."""
    found: list[OpenStream] = []
    for page in pages(sorted(keys)):
        query = select(streams).where(streams.c.open_key.in_(page)).order_by(streams.c.open_key)
        query = dialect.through_index(query, streams, "uq_streams_open_key")
        found += map(_open_stream, connection.execute(dialect.lock_rows(query)))
    return found


def _open_stream(row: Row[Any]) -> OpenStream:
    return OpenStream(row.id, row.name, bytes(row.open_key), facts_of(row))


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
            select(streams)
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
        stale += map(_open_stream, connection.execute(dialect.lock_rows(query, skip_locked=True)))
    return stale


def move(connection: Connection, dialect: SqlDialect, drafts: Sequence[StreamDraft]) -> None:
    """Write what a batch did to stored streams, whose rows this transaction has locked."""
    if drafts:
        rows = [{"id": draft.id, **_row(draft)} for draft in drafts]
        connection.execute(dialect.upsert(streams, _MOVED_BY_INGEST), rows)


def open_new(connection: Connection, drafts: Sequence[StreamDraft]) -> None:
    """Store new streams and give the drafts their ids.

    A stream that the batch has opened and closed again has no key by which to tell its row from
    the others that come back, so it goes in under one of its own, which is then taken away.
    """
    if not drafts:
        return
    by_key = {
        draft.group.key if draft.is_open else _stand_in(draft.group.key, place): draft
        for place, draft in enumerate(drafts)
    }
    rows = [{**_row(draft), "open_key": key} for key, draft in by_key.items()]
    statement = insert(streams).returning(streams.c.id, streams.c.open_key)
    for row in connection.execute(statement, rows):
        by_key[bytes(row.open_key)].id = row.id
    closed = [draft.id for draft in drafts if not draft.is_open]
    for page in pages(closed):
        connection.execute(update(streams).where(streams.c.id.in_(page)).values(open_key=None))


def _stand_in(key: bytes, place: int) -> bytes:
    return hashlib.sha256(b"%s closed %d" % (key, place)).digest()


def facts_of(row: Row[Any]) -> StreamFacts:
    """What decides about the stream of a row."""
    return StreamFacts(
        first_event=row.first_event,
        last_event=row.last_event,
        expire_timestamp=row.expire_timestamp,
        fire_timestamp=row.fire_timestamp,
        event_count=row.event_count,
        counts=list(read_progress(row.progress)),
        fingerprint=row.fingerprint,
    )


def read_progress(text: str) -> tuple[int, ...]:
    """The counts that a row's `progress` holds, in the order of the fire criteria."""
    return tuple(int(number) for number in text.split(",")) if text else ()


def _row(draft: StreamDraft) -> dict[str, Any]:
    facts = draft.facts
    return {
        "name": draft.definition.name,
        "open_key": draft.group.key if draft.is_open else None,
        "state": StreamState.ACTIVE.value,
        "state_serial_no": 0,
        "fingerprint": facts.fingerprint,
        "first_event": facts.first_event,
        "last_event": facts.last_event,
        "expire_timestamp": facts.expire_timestamp,
        "fire_timestamp": facts.fire_timestamp,
        "event_count": facts.event_count,
        "progress": ",".join(map(str, facts.counts)),
        "attempts": 0,
    }
