"""Statements of workers on the table of effects: recording, claiming, proving, finishing.

Of each lane (the effects of one stream and endpoint) the first pending one is the front and has a
time in `due_at`; the others have none. Whoever makes another one the front holds the lock of the
row that was it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, insert, or_, select, tuple_, update

from winchester_core.errors import ConcurrentChange
from winchester_core.model.effect import EffectState, Endpoint
from winchester_core.storage.sql.pages import pages
from winchester_core.storage.sql.tables import effects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row

    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.effect_records import EffectClaim

MAX_STATEMENT_BYTES = 4 * 1024 * 1024
MAX_STATEMENT_ROWS = 500

_PENDING = effects.c.state == EffectState.PENDING.value
_NO_PAYLOAD = [column for column in effects.c if column is not effects.c.payload]


def insert_all(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Record effects, so that their ids are in the order of `rows`."""
    statement = insert(effects).returning(effects.c.id, sort_by_parameter_order=True)
    for page in _by_size(rows):
        connection.execute(statement, page)


def _by_size(rows: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Divide rows so that a statement stays within what MariaDB takes."""
    page: list[Mapping[str, Any]] = []
    size = 0
    for row in rows:
        full = size + row["payload_length"] > MAX_STATEMENT_BYTES
        if page and (full or len(page) == MAX_STATEMENT_ROWS):
            yield page
            page, size = [], 0
        page.append(row)
        size += row["payload_length"]
    if page:
        yield page


def lock_due(
    connection: Connection, dialect: SqlDialect, endpoint: Endpoint, real_now: datetime, limit: int
) -> list[Row[Any]]:
    """The first `limit` effects that are due; what others have locked is passed over."""
    query = (
        select(*_NO_PAYLOAD)
        .where(of_endpoint(endpoint), _PENDING, effects.c.due_at <= real_now)
        .order_by(effects.c.due_at, effects.c.id)
        .limit(limit)
    )
    indexed = dialect.through_index(query, effects, "ix_effects_due")
    return list(connection.execute(dialect.lock_rows(indexed, skip_locked=True)))


def take(
    connection: Connection, rows: Sequence[Row[Any]], worker: str, lease_until: datetime
) -> None:
    """Claim the effects of `rows` as they were read.

    Raises `ConcurrentChange` when one of them is not what it was: the caller starts anew.
    """
    for page in pages(rows):
        claimed = connection.execute(
            update(effects)
            .where(_unchanged([(row.id, row.serial_no) for row in page]))
            .values(
                serial_no=effects.c.serial_no + 1,
                attempts=effects.c.attempts + 1,
                worker=worker,
                due_at=lease_until,
            )
        ).rowcount
        if claimed != len(page):
            raise ConcurrentChange(f"{len(page) - claimed} effects were claimed by another worker")


def payloads(connection: Connection, ids: Sequence[int]) -> dict[int, str]:
    """The texts of the payloads by row id."""
    query = select(effects.c.id, effects.c.payload).where(effects.c.id.in_(ids))
    return {row.id: row.payload for row in connection.execute(query)}


def lock_held(
    connection: Connection, dialect: SqlDialect, claims: Sequence[EffectClaim]
) -> set[tuple[int, int, str]]:
    """Lock the effects whose claims still hold; return the proofs of those claims."""
    proofs: set[tuple[int, int, str]] = set()
    for page in pages(claims):
        query = (
            select(effects.c.id, effects.c.serial_no, effects.c.worker)
            .where(_held(page))
            .order_by(effects.c.id)
        )
        indexed = dialect.through_index(query, effects, "PRIMARY")
        rows = connection.execute(dialect.lock_rows(indexed))
        proofs.update((row.id, row.serial_no, row.worker) for row in rows)
    return proofs


def renew(connection: Connection, claims: Sequence[EffectClaim], lease_until: datetime) -> int:
    """Extend the leases of the claims that still hold; return how many do."""
    return sum(
        connection.execute(update(effects).where(_held(page)).values(due_at=lease_until)).rowcount
        for page in pages(claims)
    )


def _held(claims: Iterable[EffectClaim]) -> ColumnElement[bool]:
    listed = list(claims)
    return and_(
        _unchanged([(claim.id, claim.serial) for claim in listed]),
        effects.c.worker.in_({claim.worker for claim in listed}),
    )


def _unchanged(serials: Sequence[tuple[int, int]]) -> ColumnElement[bool]:
    return and_(
        effects.c.id.in_([row_id for row_id, _ in serials]),
        tuple_(effects.c.id, effects.c.serial_no).in_(serials),
    )


def finish(connection: Connection, changes: Iterable[Mapping[str, Any]]) -> None:
    """Take locked effects out of a worker's hands; each change has its row's `id`.

    Beside that it names new values of columns. Those with the same ones go in one statement.
    """
    alike: dict[tuple[tuple[str, Any], ...], list[int]] = {}
    for change in changes:
        values = tuple(each for each in sorted(change.items()) if each[0] != "id")
        alike.setdefault(values, []).append(change["id"])
    for values, ids in alike.items():
        for page in pages(ids):
            connection.execute(
                update(effects)
                .where(effects.c.id.in_(page))
                .values(serial_no=effects.c.serial_no + 1, worker=None, **dict(values))
            )


def give_back(connection: Connection, ids: Sequence[int], real_now: datetime) -> None:
    """Release locked effects: due at once, and the attempt does not count."""
    for page in pages(ids):
        connection.execute(
            update(effects)
            .where(effects.c.id.in_(page))
            .values(
                serial_no=effects.c.serial_no + 1,
                attempts=effects.c.attempts - 1,
                worker=None,
                due_at=real_now,
            )
        )


def delete_all(connection: Connection, ids: Sequence[int]) -> None:
    """Forget these effects."""
    for page in pages(ids):
        connection.execute(delete(effects).where(effects.c.id.in_(page)))


def advance(
    connection: Connection, dialect: SqlDialect, fronts: Sequence[int], real_now: datetime
) -> None:
    """Let the next pending effect of each lane be its front, and due.

    `fronts` are the ids of the present ones, which are locked: they are about to be removed, or
    have been buried in this transaction.
    """
    for page in pages(fronts):
        waiting = _successors(connection, dialect, page)
        while waiting:
            locked = _lock_pending(connection, dialect, sorted(waiting.values()))
            statement = update(effects).where(effects.c.id.in_(locked)).values(due_at=real_now)
            connection.execute(statement)
            # one that was given up or discarded before it was locked: the next of its lane then
            missed = [front for front, successor in waiting.items() if successor not in locked]
            waiting = _successors(connection, dialect, missed) if missed else {}


def _successors(
    connection: Connection, dialect: SqlDialect, fronts: Sequence[int]
) -> dict[int, int]:
    """By the id of each front, that of the first other pending effect of its lane.

    Written so that a planner without statistics, as a queue that was just empty has none, goes
    through the index of lanes all the same.
    """
    front, other = effects.alias("front"), effects.alias("other")
    first = (
        select(other.c.id)
        .where(
            other.c.stream_id == front.c.stream_id,
            other.c.pipeline == front.c.pipeline,
            other.c.handler == front.c.handler,
            other.c.place == front.c.place,
            other.c.state == EffectState.PENDING.value,
            other.c.id != front.c.id,
        )
        .order_by(other.c.id)
        .limit(1)
    )
    indexed = dialect.through_index(first, other, "ix_effects_lane").scalar_subquery()
    query = select(front.c.id, indexed.label("successor")).where(front.c.id.in_(fronts))
    rows = connection.execute(query)
    return {row.id: row.successor for row in rows if row.successor is not None}


def _lock_pending(connection: Connection, dialect: SqlDialect, ids: Sequence[int]) -> list[int]:
    """Lock these effects; return those of them that are pending."""
    query = (
        select(effects.c.id, effects.c.state).where(effects.c.id.in_(ids)).order_by(effects.c.id)
    )
    indexed = dialect.through_index(query, effects, "PRIMARY")
    rows = connection.execute(dialect.lock_rows(indexed))
    return [row.id for row in rows if row.state == EffectState.PENDING]


def lock_overdue(
    connection: Connection,
    dialect: SqlDialect,
    waiting_before: datetime,
    real_now: datetime,
    limit: int,
) -> list[Row[Any]]:
    """Up to `limit` pending effects that wait since before a time and are in nobody's hands."""
    in_no_hands = or_(effects.c.worker.is_(None), effects.c.due_at < real_now)
    query = (
        select(*_NO_PAYLOAD)
        .where(_PENDING, effects.c.waiting_since < waiting_before, in_no_hands)
        .order_by(effects.c.waiting_since, effects.c.id)
        .limit(limit)
    )
    indexed = dialect.through_index(query, effects, "ix_effects_state_waiting_since")
    return list(connection.execute(dialect.lock_rows(indexed, skip_locked=True)))


def next_due(connection: Connection, endpoint: Endpoint) -> datetime | None:
    """When the next pending effect is due; None when none is pending."""
    query = (
        select(effects.c.due_at)
        .where(of_endpoint(endpoint), _PENDING, effects.c.due_at.is_not(None))
        .order_by(effects.c.due_at)
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none()


def of_endpoint(endpoint: Endpoint) -> ColumnElement[bool]:
    """The condition that an effect is to be delivered there."""
    return and_(
        effects.c.pipeline == endpoint.pipeline,
        effects.c.handler == endpoint.handler,
        effects.c.place == endpoint.place,
    )


def endpoint_of(row: Row[Any]) -> Endpoint:
    """Where the effect of `row` is delivered."""
    return Endpoint(row.pipeline, row.handler, row.place)
