"""Queries of effects: the list, and one by id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from winchester_core.errors import UnknownEffect
from winchester_core.model.effect import EffectState
from winchester_core.storage.effect_records import ANY_EFFECT, StoredEffect
from winchester_core.storage.sql.effect_rows import endpoint_of
from winchester_core.storage.sql.keyset import Candidates, Search, id_keyset, rows_in_order
from winchester_core.storage.sql.queries import filter_conditions, make_record, with_cut_texts
from winchester_core.storage.sql.row_list import RowList
from winchester_core.storage.sql.tables import effects
from winchester_core.storage.sql.types import equals_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row

    from winchester_core.storage.effect_records import EffectFilter
    from winchester_core.storage.filters import ListOrder
    from winchester_core.storage.sql.database import Transaction
    from winchester_core.storage.sql.dialects import SqlDialect


def effect_by_id(tx: Transaction, effect_id: int) -> StoredEffect:
    """Return the effect with this id. Raises `UnknownEffect`."""
    row = tx.execute(select(effects).where(effects.c.id == effect_id)).first()
    if row is None:
        raise UnknownEffect(effect_id)
    return _effect_from_row(row)


def _search(_dialect: SqlDialect, filters: EffectFilter, order: ListOrder) -> Search:
    columns = effects.c
    in_state = filter_conditions((filters.state, lambda state: columns.state == state.value))
    of_stream = filter_conditions(
        (filters.stream_id, lambda stream_id: columns.stream_id == stream_id),
    )
    of_pipeline = filter_conditions(
        (filters.pipeline, lambda pipeline: equals_text(columns.pipeline, pipeline)),
    )
    of_handler = filter_conditions(
        (filters.handler, lambda handler: equals_text(columns.handler, handler)),
    )
    in_time = filter_conditions(
        (filters.older_than, lambda time: columns.created_at < time),
        (filters.younger_than, lambda time: columns.created_at >= time),
    )
    conditions = [*of_stream, *of_pipeline, *of_handler, *in_time]
    candidates = None
    if of_stream:
        candidates = Candidates(select(columns.id).where(*of_stream), "ix_effects_lane")
    elif of_pipeline:
        query = select(columns.id).where(*of_pipeline, *of_handler)
        candidates = Candidates(query, "ix_effects_due")
    return Search(
        id_keyset(effects, order, "ix_effects_state_id" if in_state else None),
        conditions,
        indexed_conditions=None if candidates is None else conditions,
        within=in_state,
        candidates=candidates,
    )


def _load(tx: Transaction, ids: Sequence[int], is_cut: bool) -> list[StoredEffect]:
    columns = with_cut_texts(effects, "payload", "last_error")
    query = select(*columns) if is_cut else select(effects)
    return [_effect_from_row(row) for row in rows_in_order(tx, query, effects.c.id, ids)]


def _effect_from_row(row: Row[Any]) -> StoredEffect:
    return make_record(StoredEffect, row, endpoint=endpoint_of(row), state=EffectState(row.state))


LIST = RowList(ANY_EFFECT, _search, _load)
"""The list of effects."""
