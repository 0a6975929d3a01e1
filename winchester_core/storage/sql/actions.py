"""Statements on the actions of operators."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from winchester_core.model.action import ActionRecord
from winchester_core.storage.operation_records import ANY_ACTION
from winchester_core.storage.sql.dialects.bulk import parameter_batches
from winchester_core.storage.sql.keyset import Candidates, Search, id_keyset, rows_in_order
from winchester_core.storage.sql.queries import filter_conditions, make_record, with_cut_texts
from winchester_core.storage.sql.row_list import RowList
from winchester_core.storage.sql.tables import actions
from winchester_core.storage.sql.types import equals_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from winchester_core.model.action import Action
    from winchester_core.storage.filters import ListOrder
    from winchester_core.storage.operation_records import ActionFilter
    from winchester_core.storage.sql.database import Transaction
    from winchester_core.storage.sql.dialects import SqlDialect


def record(tx: Transaction, action: Action) -> None:
    """Store an action, in the transaction that performs it."""
    storable = tx.dialect.storable
    texts = {"name": storable(action.name), "target": storable(action.target)}
    values = {**asdict(action), **texts, "performed_at": tx.real_time()}
    tx.execute(insert(actions).values(values))


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


def _search(_dialect: SqlDialect, filters: ActionFilter, order: ListOrder) -> Search:
    columns = actions.c
    in_time = filter_conditions(
        (filters.older_than, lambda time: columns.performed_at < time),
        (filters.younger_than, lambda time: columns.performed_at >= time),
    )
    others = filter_conditions(
        (filters.name, lambda name: equals_text(columns.name, name)),
        (filters.action, lambda action: equals_text(columns.action, action)),
    )
    conditions = [*in_time, *others]
    return Search(
        id_keyset(actions, order),
        conditions,
        indexed_conditions=conditions if in_time else None,
        candidates=Candidates(select(columns.id).where(*in_time), "ix_actions_performed_at")
        if in_time
        else None,
    )


def _load(tx: Transaction, ids: Sequence[int], is_cut: bool) -> list[ActionRecord]:
    columns = with_cut_texts(actions, "target") if is_cut else [actions]
    rows = rows_in_order(tx, select(*columns), actions.c.id, ids)
    return [make_record(ActionRecord, row) for row in rows]


LIST = RowList(ANY_ACTION, _search, _load)
"""The list of actions."""
