"""Statements that read effects for people, and lock what they mend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from winchester_core.errors import UnknownEffect
from winchester_core.model.effect import EffectState
from winchester_core.storage.effect_records import StoredEffect
from winchester_core.storage.sql.queries.effects import endpoint_of, of_endpoint
from winchester_core.storage.sql.tables import effects

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Row

    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.effect_records import EffectFilter


def find(
    connection: Connection, wanted: EffectFilter, cursor: int, limit: int
) -> list[StoredEffect]:
    """Up to `limit` effects past the id `cursor`, by id."""
    query = (
        select(effects)
        .where(effects.c.id > cursor, *_conditions(wanted))
        .order_by(effects.c.id)
        .limit(limit)
    )
    return [_stored(row) for row in connection.execute(query)]


def count(connection: Connection, wanted: EffectFilter) -> int:
    """How many effects there are."""
    query = select(func.count()).select_from(effects).where(*_conditions(wanted))
    return connection.execute(query).scalar_one()


def by_id(connection: Connection, effect_id: int) -> StoredEffect:
    """The effect with this id. Raises `UnknownEffect`."""
    row = connection.execute(select(effects).where(effects.c.id == effect_id)).first()
    if row is None:
        raise UnknownEffect(effect_id)
    return _stored(row)


def lock_lane(connection: Connection, dialect: SqlDialect, effect_id: int) -> list[Row[Any]]:
    """The lane of an effect, locked, by id; empty when there is no such effect."""
    keys = effects.c["stream_id", "pipeline", "handler", "place"]
    row = connection.execute(select(*keys).where(effects.c.id == effect_id)).first()
    if row is None:
        return []
    query = (
        select(*(column for column in effects.c if column is not effects.c.payload))
        .where(effects.c.stream_id == row.stream_id, of_endpoint(endpoint_of(row)))
        .order_by(effects.c.id)
    )
    indexed = dialect.through_index(query, effects, "ix_effects_lane")
    return list(connection.execute(dialect.lock_rows(indexed)))


def _conditions(wanted: EffectFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.state is not None:
        conditions.append(effects.c.state == wanted.state.value)
    if wanted.pipeline is not None:
        conditions.append(effects.c.pipeline == wanted.pipeline)
    if wanted.handler is not None:
        conditions.append(effects.c.handler == wanted.handler)
    if wanted.stream_id is not None:
        conditions.append(effects.c.stream_id == wanted.stream_id)
    if wanted.older_than is not None:
        conditions.append(effects.c.created_at < wanted.older_than)
    if wanted.younger_than is not None:
        conditions.append(effects.c.created_at >= wanted.younger_than)
    return conditions


def _stored(row: Row[Any]) -> StoredEffect:
    return StoredEffect(
        id=row.id,
        effect_id=row.effect_id,
        stream_id=row.stream_id,
        stream_name=row.stream_name,
        endpoint=endpoint_of(row),
        payload=row.payload,
        state=EffectState(row.state),
        attempts=row.attempts,
        created_at=row.created_at,
        waiting_since=row.waiting_since,
        due_at=row.due_at,
        worker=row.worker,
        last_error=row.last_error,
    )
