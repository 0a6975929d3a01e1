"""Statements on the table of rejected messages."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update

from winchester_core.errors import UnknownRejectedMessage
from winchester_core.storage.filters import ANY_REJECTED
from winchester_core.storage.records import RejectedMessage
from winchester_core.storage.sql.dialects.bulk import parameter_batches
from winchester_core.storage.sql.keyset import Candidates, Search, id_keyset, rows_in_order
from winchester_core.storage.sql.queries import filter_conditions, make_record, with_cut_texts
from winchester_core.storage.sql.row_list import RowList
from winchester_core.storage.sql.tables import rejected_messages
from winchester_core.storage.sql.types import equals_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Row

    from winchester_core.storage.filters import ListOrder, RejectedFilter
    from winchester_core.storage.records import Rejection
    from winchester_core.storage.sql.database import Transaction
    from winchester_core.storage.sql.dialects import SqlDialect


def insert_all(tx: Transaction, rejections: Sequence[Rejection]) -> int:
    """Insert rejected messages; return the number of new ones."""
    now = tx.real_time()
    return sum(_insert(tx, each, now) for each in rejections)


def _insert(tx: Transaction, rejection: Rejection, received_at: datetime) -> bool:
    """Insert a rejected message; return False if it exists with the same source and digest."""
    existing = select(rejected_messages.c.id).where(
        rejected_messages.c.source == rejection.source,
        rejected_messages.c.digest == rejection.digest,
    )
    if tx.execute(tx.dialect.lock_rows(existing)).first() is not None:
        return False
    reason = tx.dialect.storable(rejection.reason)
    values = {**asdict(rejection), "reason": reason, "received_at": received_at}
    tx.execute(rejected_messages.insert().values(values))
    return True


def rejected_by_id(tx: Transaction, rejected_id: int) -> RejectedMessage:
    """Return the rejected message with this id. Raises `UnknownRejectedMessage`."""
    query = select(rejected_messages).where(rejected_messages.c.id == rejected_id)
    row = tx.execute(query).first()
    if row is None:
        raise UnknownRejectedMessage(rejected_id)
    return _message_from_row(row)


def set_reason(tx: Transaction, rejected_id: int, reason: str) -> None:
    """Replace the reason of a rejected message. Raises `UnknownRejectedMessage`."""
    # the row count of an update is no proof: MariaDB does not count a row that does not change
    rejected_by_id(tx, rejected_id)
    statement = update(rejected_messages).where(rejected_messages.c.id == rejected_id)
    tx.execute(statement.values(reason=tx.dialect.storable(reason)))


def delete_by_id(tx: Transaction, rejected_id: int) -> None:
    """Delete a rejected message. Raises `UnknownRejectedMessage`."""
    statement = delete(rejected_messages).where(rejected_messages.c.id == rejected_id)
    if not tx.execute(statement).rowcount:
        raise UnknownRejectedMessage(rejected_id)


def delete_by_ids(tx: Transaction, rejected_ids: Sequence[int]) -> frozenset[int]:
    """Delete the rejected messages with these ids; return the ids of the deleted ones."""
    deleted: list[int] = []
    row_id = rejected_messages.c.id
    for batch in parameter_batches(sorted(rejected_ids)):
        query = select(row_id).where(tx.dialect.is_one_of(row_id, batch)).order_by(row_id)
        indexed = tx.dialect.force_index(query, rejected_messages, "PRIMARY")
        found = list(tx.execute(tx.dialect.lock_rows(indexed)).scalars())
        if found:
            statement = tx.dialect.delete_by_index(rejected_messages, "PRIMARY")
            tx.execute(statement.where(tx.dialect.is_one_of(row_id, found)))
        deleted += found
    return frozenset(deleted)


def _search(_dialect: SqlDialect, filters: RejectedFilter, order: ListOrder) -> Search:
    columns = rejected_messages.c
    of_source = filter_conditions(
        (filters.source, lambda source: equals_text(columns.source, source)),
    )
    in_time = filter_conditions(
        (filters.older_than, lambda time: columns.received_at < time),
        (filters.younger_than, lambda time: columns.received_at >= time),
    )
    of_kind = filter_conditions((filters.kind, lambda kind: equals_text(columns.kind, kind)))
    conditions = [*of_source, *in_time, *of_kind]
    candidates = None
    if of_source:
        query = select(columns.id).where(*of_source)
        candidates = Candidates(query, "uq_rejected_messages_source_digest")
    elif in_time:
        query = select(columns.id).where(*in_time)
        candidates = Candidates(query, "ix_rejected_messages_received_at")
    return Search(
        id_keyset(rejected_messages, order),
        conditions,
        indexed_conditions=conditions if of_source or in_time else None,
        candidates=candidates,
    )


def _load(tx: Transaction, ids: Sequence[int], is_cut: bool) -> list[RejectedMessage]:
    columns = with_cut_texts(rejected_messages, "reason", "body")
    query = select(*columns) if is_cut else select(rejected_messages)
    return [_message_from_row(row) for row in rows_in_order(tx, query, rejected_messages.c.id, ids)]


def _message_from_row(row: Row[Any]) -> RejectedMessage:
    body = bytes(row.body or b"")  # SQLite cuts an empty body to NULL
    return make_record(RejectedMessage, row, body=body, digest=bytes(row.digest))


LIST = RowList(ANY_REJECTED, _search, _load)
"""The list of rejected messages."""
