"""Statements on the actions of operators."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from winchester_core.model.action import ActionRecord
from winchester_core.storage.operation_records import ANY_ACTION
from winchester_core.storage.records import ListOrder
from winchester_core.storage.sql.dialects.bulk import parameter_batches
from winchester_core.storage.sql.keyset import find_ids, id_key, id_keyset, rows_in_order
from winchester_core.storage.sql.queries import count_rows, filter_conditions, make_record
from winchester_core.storage.sql.tables import actions
from winchester_core.storage.sql.types import equals_text

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy import ColumnElement

    from winchester_core.model.action import Action
    from winchester_core.storage.operation_records import ActionFilter
    from winchester_core.storage.sql.database import Transaction


def record(tx: Transaction, action: Action) -> None:
    """Store an action, in the transaction that performs it."""
    storable = tx.dialect.storable
    texts = {"name": storable(action.name), "target": storable(action.target)}
    values = {**asdict(action), **texts, "performed_at": tx.real_time()}
    tx.execute(insert(actions).values(values))


def find(
    tx: Transaction,
    filters: ActionFilter = ANY_ACTION,
    *,
    cursor: int | None = None,
    limit: int = 100,
    order: ListOrder = ListOrder.OLDEST,
) -> list[ActionRecord]:
    """Return up to `limit` actions after the id `cursor`, by id."""
    conditions = _filter_conditions(filters)
    is_indexed = filters.older_than is not None or filters.younger_than is not None
    ids = find_ids(
        tx,
        id_keyset(actions, order),
        id_key(cursor),
        limit,
        conditions,
        indexed_conditions=conditions if is_indexed else None,
    )
    rows = rows_in_order(tx, select(actions), actions.c.id, ids)
    return [make_record(ActionRecord, row) for row in rows]


def count(tx: Transaction, filters: ActionFilter = ANY_ACTION) -> int:
    """Return the number of actions."""
    return count_rows(tx, actions, _filter_conditions(filters))


def delete_old(tx: Transaction, age: timedelta, limit: int) -> int:
    """Delete up to `limit` actions older than `age`; return their number.

    Rows that another process has locked are skipped.
    """
    query = (
        select(actions.c.id)
        .where(actions.c.performed_at < tx.real_time() - age)
        .order_by(actions.c.performed_at)
        .limit(limit)
    )
    indexed = tx.dialect.force_index(query, actions, "ix_actions_performed_at")
    ids = list(tx.execute(tx.dialect.lock_rows(indexed, skip_locked=True)).scalars())
    for batch in parameter_batches(sorted(ids)):
        tx.execute(delete(actions).where(tx.dialect.is_one_of(actions.c.id, batch)))
    return len(ids)


def _filter_conditions(filters: ActionFilter) -> list[ColumnElement[bool]]:
    columns = actions.c
    return filter_conditions(
        (filters.name, lambda name: equals_text(columns.name, name)),
        (filters.action, lambda action: equals_text(columns.action, action)),
        (filters.older_than, lambda time: columns.performed_at < time),
        (filters.younger_than, lambda time: columns.performed_at >= time),
    )
