"""Operators' actions on effects: retry and discard, of one effect or of several.

All effects with the same ordering key are locked together, because one of them may become the head.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from winchester_core.errors import EffectInProgress, UnknownEffect
from winchester_core.model.effect import EffectState
from winchester_core.storage.sql import effect_rows
from winchester_core.storage.sql.effect_list import effect_by_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Row

    from winchester_core.storage.effect_records import StoredEffect
    from winchester_core.storage.sql.database import Transaction


def retry_one(tx: Transaction, effect_id: int) -> StoredEffect:
    """Make a dead letter or a discarded effect pending again, or a pending effect due now.

    Raises `UnknownEffect`, `EffectInProgress`.
    """
    group, effect, now = _lock_one(tx, effect_id)
    effect_rows.update_effects(tx, _retry_changes(group, [effect], now))
    return effect_by_id(tx, effect_id)


def retry_all(
    tx: Transaction, effect_ids: Sequence[int], states: Collection[EffectState] | None = None
) -> frozenset[int]:
    """Retry the effects that are unclaimed and in one of `states`; return their ids."""
    changed: set[int] = set()
    changes: list[dict[str, Any]] = []
    for group, selected, now in _lock_all(tx, effect_ids, states):
        changes += _retry_changes(group, selected, now)
        changed.update(row.id for row in selected)
    effect_rows.update_effects(tx, changes)
    return frozenset(changed)


def discard_one(tx: Transaction, effect_id: int) -> None:
    """Delete an effect. Raises `UnknownEffect`, `EffectInProgress`."""
    _, effect, now = _lock_one(tx, effect_id)
    _delete(tx, [effect], now)


def discard_all(
    tx: Transaction, effect_ids: Sequence[int], states: Collection[EffectState] | None = None
) -> frozenset[int]:
    """Delete the effects that are unclaimed and in one of `states`; return their ids."""
    found = list(_lock_all(tx, effect_ids, states))
    rows = [row for _, selected, _ in found for row in selected]
    if rows:
        _delete(tx, rows, found[0][2])
    return frozenset(row.id for row in rows)


def _lock_one(tx: Transaction, effect_id: int) -> tuple[list[Row[Any]], Row[Any], datetime]:
    """Lock all effects of an effect's ordering key; return them, the effect, and the time.

    Raises `UnknownEffect`, or `EffectInProgress` while a worker has claimed it.
    """
    group = effect_rows.lock_ordering_group(tx, effect_id)
    effect = next((row for row in group if row.id == effect_id), None)
    if effect is None:
        raise UnknownEffect(effect_id)
    now = tx.real_time()
    if _is_claimed(effect, now):
        raise EffectInProgress(effect_id, effect.worker)
    return group, effect, now


def _lock_all(
    tx: Transaction, effect_ids: Sequence[int], states: Collection[EffectState] | None
) -> Iterator[tuple[list[Row[Any]], list[Row[Any]], datetime]]:
    """Lock the effects of several ordering keys.

    Yield the effects of each key, those to change, and the time, which is the same for all.
    """
    rows = effect_rows.lock_effects_of_same_streams(tx, effect_ids)
    now = tx.real_time()
    ids = frozenset(effect_ids)
    for _, group_rows in groupby(sorted(rows, key=_group_order), _ordering_key):
        group = list(group_rows)
        selected = [
            row
            for row in group
            if row.id in ids
            and (states is None or row.state in states)
            and not _is_claimed(row, now)
        ]
        if selected:
            yield group, selected, now


def _ordering_key(row: Row[Any]) -> tuple[Any, ...]:
    return row.stream_id, row.pipeline, row.handler, row.place


def _group_order(row: Row[Any]) -> tuple[Any, ...]:
    return *_ordering_key(row), row.id


def _retry_changes(
    group: Sequence[Row[Any]], selected: Sequence[Row[Any]], now: datetime
) -> list[dict[str, Any]]:
    """Return the changes that retry the effects `selected` of one ordering key, by id.

    The first of them becomes the head, unless an earlier or a claimed effect is the head.
    """
    changes: dict[int, dict[str, Any]] = {row.id: {"id": row.id} for row in selected}
    for row in selected:
        if row.state != EffectState.PENDING:
            changes[row.id] |= {"state": EffectState.PENDING.value, "attempts": 0}
            changes[row.id] |= {"waiting_since": now, "last_error": None}
    first = selected[0]
    head = next((row for row in group if row.due_at is not None), None)
    if head is None or (first.id < head.id and not _is_claimed(head, now)):
        changes[first.id]["due_at"] = now
        if head is not None:
            changes.setdefault(head.id, {"id": head.id})["due_at"] = None
    elif head.id in changes:
        changes[head.id]["due_at"] = now
    return list(changes.values())


def _delete(tx: Transaction, rows: Sequence[Row[Any]], now: datetime) -> None:
    """Delete locked effects. The next effect of a deleted head becomes the head."""
    heads = [row.id for row in rows if row.due_at is not None]
    effect_rows.delete_by_ids(tx, [row.id for row in rows if row.due_at is None])
    effect_rows.promote_next(tx, heads, now)
    effect_rows.delete_by_ids(tx, heads)


def _is_claimed(row: Row[Any], now: datetime) -> bool:
    return row.worker is not None and row.due_at is not None and row.due_at >= now
