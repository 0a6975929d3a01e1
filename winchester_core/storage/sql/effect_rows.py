"""Statements on the table of effects: insert, claim, update, delete.

Effects with the same ordering key (stream and endpoint) are delivered in the order of their ids.
Invariants:

1. The first pending effect of a key is its head. Only the head has a `due_at`; for other effects it
   is null.
2. If a transaction makes another effect the head, it holds the lock of the previous head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, insert, or_, select, update

from winchester_core.errors import ConcurrentChange
from winchester_core.model.effect import EffectState, Endpoint
from winchester_core.storage.sql.dialects.bulk import parameter_batches
from winchester_core.storage.sql.tables import effects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row

    from winchester_core.storage.effect_records import EffectClaim
    from winchester_core.storage.sql.database import Transaction
    from winchester_core.storage.sql.dialects import SqlDialect

MAX_STATEMENT_BYTES = 4 * 1024 * 1024
MAX_STATEMENT_ROWS = 500

_PENDING = effects.c.state == EffectState.PENDING.value
_VERSION = (effects.c.id, effects.c.serial_no)
_COLUMNS_WITHOUT_PAYLOAD = [column for column in effects.c if column is not effects.c.payload]


def insert_effects(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert effects; their ids ascend in the order of `rows`."""
    statement = insert(effects).returning(effects.c.id, sort_by_parameter_order=True)
    for batch in _batches_by_size(rows):
        tx.execute(statement, batch)


def _batches_by_size(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Yield batches of rows; the statement for a batch stays below MariaDB's packet limit."""
    batch: list[Mapping[str, Any]] = []
    size = 0
    for row in rows:
        full = size + row["payload_length"] > MAX_STATEMENT_BYTES
        if batch and (full or len(batch) == MAX_STATEMENT_ROWS):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row["payload_length"]
    if batch:
        yield batch


def lock_due(tx: Transaction, endpoint: Endpoint, real_now: datetime, limit: int) -> list[Row[Any]]:
    """Lock and return up to `limit` due effects, in the order of due times; skip locked rows."""
    query = (
        select(*_COLUMNS_WITHOUT_PAYLOAD)
        .where(has_endpoint(endpoint), _PENDING, effects.c.due_at <= real_now)
        .order_by(effects.c.due_at, effects.c.id)
        .limit(limit)
    )
    indexed = tx.dialect.force_index(query, effects, "ix_effects_due")
    return list(tx.execute(tx.dialect.lock_rows(indexed, skip_locked=True)))


def claim(tx: Transaction, rows: Sequence[Row[Any]], worker: str, lease_until: datetime) -> None:
    """Claim the effects in `rows`.

    If one of them has changed since it was read, raises `ConcurrentChange`, and the caller retries.
    """
    for batch in parameter_batches(rows):
        claimed = tx.execute(
            update(effects)
            .where(tx.dialect.has_version(_VERSION, [(row.id, row.serial_no) for row in batch]))
            .values(
                serial_no=effects.c.serial_no + 1,
                attempts=effects.c.attempts + 1,
                worker=worker,
                due_at=lease_until,
            )
        ).rowcount
        if claimed != len(batch):
            raise ConcurrentChange(f"effects claimed by another worker: {len(batch) - claimed}")


def payloads(tx: Transaction, ids: Sequence[int]) -> dict[int, str]:
    """Return the JSON texts of the payloads by row id."""
    query = select(effects.c.id, effects.c.payload).where(effects.c.id.in_(ids))
    return {row.id: row.payload for row in tx.execute(query)}


def lock_claimed(tx: Transaction, claims: Sequence[EffectClaim]) -> set[tuple[int, int, str]]:
    """Lock the effects with valid claims; return the lease tokens of these claims."""
    lease_tokens: set[tuple[int, int, str]] = set()
    for batch in parameter_batches(claims):
        query = (
            select(effects.c.id, effects.c.serial_no, effects.c.worker)
            .where(_is_claimed_by(tx.dialect, batch))
            .order_by(effects.c.id)
        )
        indexed = tx.dialect.force_index(query, effects, "PRIMARY")
        rows = tx.execute(tx.dialect.lock_rows(indexed))
        lease_tokens.update((row.id, row.serial_no, row.worker) for row in rows)
    return lease_tokens


def extend_leases(tx: Transaction, claims: Sequence[EffectClaim], lease_until: datetime) -> int:
    """Extend the leases of the valid claims; return their number."""
    return sum(
        tx.execute(
            update(effects).where(_is_claimed_by(tx.dialect, batch)).values(due_at=lease_until)
        ).rowcount
        for batch in parameter_batches(claims)
    )


def _is_claimed_by(dialect: SqlDialect, claims: Sequence[EffectClaim]) -> ColumnElement[bool]:
    return and_(
        dialect.has_version(_VERSION, [(claim.id, claim.serial) for claim in claims]),
        effects.c.worker.in_({claim.worker for claim in claims}),
    )


def update_effects(tx: Transaction, changes: Iterable[Mapping[str, Any]]) -> None:
    """Update locked effects and end their claims.

    Each change contains the row's `id` and new values of columns. Changes with equal values share a
    statement.
    """
    ids_by_values: dict[tuple[tuple[str, Any], ...], list[int]] = {}
    for change in changes:
        values = tuple(each for each in sorted(change.items()) if each[0] != "id")
        ids_by_values.setdefault(values, []).append(change["id"])
    for values, ids in ids_by_values.items():
        for batch in parameter_batches(ids):
            tx.execute(
                update(effects)
                .where(effects.c.id.in_(batch))
                .values(serial_no=effects.c.serial_no + 1, worker=None, **dict(values))
            )


def release(tx: Transaction, ids: Sequence[int], real_now: datetime) -> None:
    """Make locked effects due now, without counting the attempt."""
    for batch in parameter_batches(ids):
        tx.execute(
            update(effects)
            .where(effects.c.id.in_(batch))
            .values(
                serial_no=effects.c.serial_no + 1,
                attempts=effects.c.attempts - 1,
                worker=None,
                due_at=real_now,
            )
        )


def delete_by_ids(tx: Transaction, ids: Sequence[int]) -> None:
    """Delete these effects."""
    for batch in parameter_batches(ids):
        tx.execute(delete(effects).where(effects.c.id.in_(batch)))


def promote_next(tx: Transaction, heads: Sequence[int], real_now: datetime) -> None:
    """Make the next pending effect of each ordering key the head; it is due now.

    `heads` are the ids of the current heads. This transaction has locked them, and deletes them or
    marks them dead.
    """
    for batch in parameter_batches(heads):
        waiting = _successors(tx, batch)
        while waiting:
            locked = _lock_pending(tx, sorted(waiting.values()))
            statement = update(effects).where(effects.c.id.in_(locked)).values(due_at=real_now)
            tx.execute(statement)
            # if a successor was marked dead or discarded before it was locked, try the next one
            missed = [head for head, successor in waiting.items() if successor not in locked]
            waiting = _successors(tx, missed) if missed else {}


def _successors(tx: Transaction, heads: Sequence[int]) -> dict[int, int]:
    """Map the id of each head to the id of the next pending effect of its ordering key.

    A scalar subquery makes the planner use the index even if there are no table statistics, for
    example because the queue was empty before.
    """
    head, other = effects.alias("head"), effects.alias("other")
    first = (
        select(other.c.id)
        .where(
            other.c.stream_id == head.c.stream_id,
            other.c.pipeline == head.c.pipeline,
            other.c.handler == head.c.handler,
            other.c.place == head.c.place,
            other.c.state == EffectState.PENDING.value,
            other.c.id != head.c.id,
        )
        .order_by(other.c.id)
        .limit(1)
    )
    indexed = tx.dialect.force_index(first, other, "ix_effects_lane").scalar_subquery()
    query = select(head.c.id, indexed.label("successor")).where(head.c.id.in_(heads))
    rows = tx.execute(query)
    return {row.id: row.successor for row in rows if row.successor is not None}


def _lock_pending(tx: Transaction, ids: Sequence[int]) -> list[int]:
    """Lock these effects; return the ids of the pending ones."""
    query = (
        select(effects.c.id, effects.c.state).where(effects.c.id.in_(ids)).order_by(effects.c.id)
    )
    indexed = tx.dialect.force_index(query, effects, "PRIMARY")
    rows = tx.execute(tx.dialect.lock_rows(indexed))
    return [row.id for row in rows if row.state == EffectState.PENDING]


def lock_overdue(
    tx: Transaction,
    waiting_before: datetime,
    real_now: datetime,
    limit: int,
) -> list[Row[Any]]:
    """Lock and return up to `limit` unclaimed effects with an earlier `waiting_since`."""
    unclaimed = or_(effects.c.worker.is_(None), effects.c.due_at < real_now)
    query = (
        select(*_COLUMNS_WITHOUT_PAYLOAD)
        .where(_PENDING, effects.c.waiting_since < waiting_before, unclaimed)
        .order_by(effects.c.waiting_since, effects.c.id)
        .limit(limit)
    )
    indexed = tx.dialect.force_index(query, effects, "ix_effects_state_waiting_since")
    return list(tx.execute(tx.dialect.lock_rows(indexed, skip_locked=True)))


def next_due(tx: Transaction, endpoint: Endpoint) -> datetime | None:
    """Return when the next pending effect of an endpoint is due, or None if none is pending."""
    query = (
        select(effects.c.due_at)
        .where(has_endpoint(endpoint), _PENDING, effects.c.due_at.is_not(None))
        .order_by(effects.c.due_at)
        .limit(1)
    )
    return tx.execute(query).scalar_one_or_none()


def has_endpoint(endpoint: Endpoint) -> ColumnElement[bool]:
    """Return the SQL condition for effects addressed to `endpoint`."""
    return and_(
        effects.c.pipeline == endpoint.pipeline,
        effects.c.handler == endpoint.handler,
        effects.c.place == endpoint.place,
    )


def endpoint_of(row: Row[Any]) -> Endpoint:
    """Return the endpoint of an effect's row."""
    return Endpoint(row.pipeline, row.handler, row.place)


def lock_ordering_group(tx: Transaction, effect_id: int) -> list[Row[Any]]:
    """Lock and return all effects of an effect's ordering key, by id; [] if it does not exist."""
    keys = effects.c["stream_id", "pipeline", "handler", "place"]
    row = tx.execute(select(*keys).where(effects.c.id == effect_id)).first()
    if row is None:
        return []
    query = (
        select(*_COLUMNS_WITHOUT_PAYLOAD)
        .where(effects.c.stream_id == row.stream_id, has_endpoint(endpoint_of(row)))
        .order_by(effects.c.id)
    )
    indexed = tx.dialect.force_index(query, effects, "ix_effects_lane")
    return list(tx.execute(tx.dialect.lock_rows(indexed)))


def lock_effects_of_same_streams(tx: Transaction, effect_ids: Sequence[int]) -> list[Row[Any]]:
    """Lock and return all effects of the streams to which the effects with these ids belong."""
    stream_ids: set[int] = set()
    for batch in parameter_batches(sorted(effect_ids)):
        query = select(effects.c.stream_id).where(tx.dialect.is_one_of(effects.c.id, batch))
        stream_ids.update(tx.execute(query).scalars())
    rows: list[Row[Any]] = []
    for batch in parameter_batches(sorted(stream_ids)):
        query = (
            select(*_COLUMNS_WITHOUT_PAYLOAD)
            .where(tx.dialect.is_one_of(effects.c.stream_id, batch))
            .order_by(effects.c.id)
        )
        indexed = tx.dialect.force_index(query, effects, "ix_effects_lane")
        rows += tx.execute(tx.dialect.lock_rows(indexed))
    return rows
