"""The outbox: effects of completed streams, pending delivery to an endpoint.

Outbox transactions lock only rows of effects: claimed ones first, then the next of their ordering
keys. Completing a stream inserts rows and locks no existing ones.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from winchester_core.errors import EffectInProgress, UnknownEffect
from winchester_core.interfaces import Effect
from winchester_core.model.effect import EffectState, Endpoint
from winchester_core.model.json import load_payload
from winchester_core.storage.effect_records import (
    ANY_EFFECT,
    EffectClaim,
    EffectDelayed,
    EffectDelivered,
    EffectRefused,
    EffectResultCounts,
    max_age_error,
)
from winchester_core.storage.sql import clocks, effect_rows
from winchester_core.telemetry.failpoints import Failpoint, hit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Connection, Row

    from winchester_core.storage.effect_records import EffectFilter, EffectResult, StoredEffect
    from winchester_core.storage.records import Completion
    from winchester_core.storage.sql.database import Database
    from winchester_core.storage.sql.dialects import SqlDialect

MAX_CLAIM_BYTES = 16 * 1024 * 1024
"""Limit of the total size of payloads in one claim; a single larger effect is still claimed."""


def record_effects(
    connection: Connection, dialect: SqlDialect, completions: Iterable[Completion]
) -> None:
    """Insert the effects of completed streams, those of each stream in order."""
    queued = [(each.claim, effect) for each in completions for effect in each.effects]
    if not queued:
        return
    now = clocks.real_time(connection, dialect)
    heads: set[tuple[int, Endpoint]] = set()
    rows = []
    for claim, effect in queued:
        ordering_key = claim.stream_id, effect.endpoint
        rows.append(
            {
                "effect_id": effect.id,
                "stream_id": claim.stream_id,
                "stream_name": claim.name,
                "pipeline": effect.endpoint.pipeline,
                "handler": effect.endpoint.handler,
                "place": effect.endpoint.place,
                "payload": effect.payload,
                "payload_length": len(effect.payload.encode()),
                "state": EffectState.PENDING.value,
                "serial_no": 0,
                "created_at": now,
                "waiting_since": now,
                "due_at": None if ordering_key in heads else now,
            }
        )
        heads.add(ordering_key)
    effect_rows.insert_effects(connection, rows)


def claim_effects(
    connection: Connection,
    dialect: SqlDialect,
    *,
    endpoint: Endpoint,
    worker: str,
    limit: int,
    lease: timedelta,
) -> list[EffectClaim]:
    """Claim up to `limit` due effects, the longest due first."""
    now = clocks.real_time(connection, dialect)
    rows = _limit_payload_bytes(effect_rows.lock_due(connection, dialect, endpoint, now, limit))
    if not rows:
        return []
    effect_rows.claim(connection, rows, worker, now + lease)
    payloads = effect_rows.payloads(connection, [row.id for row in rows])
    hit(Failpoint.BEFORE_EFFECTS_CLAIM_COMMIT)
    return [_effect_claim(row, worker, payloads[row.id]) for row in rows]


def _limit_payload_bytes(rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Return the first rows whose payloads together stay within `MAX_CLAIM_BYTES`."""
    selected: list[Row[Any]] = []
    size = 0
    for row in rows:
        size += row.payload_length
        if selected and size > MAX_CLAIM_BYTES:
            break
        selected.append(row)
    return selected


def _effect_claim(row: Row[Any], worker: str, payload: str) -> EffectClaim:
    return EffectClaim(
        id=row.id,
        serial=row.serial_no + 1,
        worker=worker,
        effect=Effect(
            id=row.effect_id,
            payload=load_payload(payload),
            stream_id=row.stream_id,
            stream_name=row.stream_name,
            pipeline=row.pipeline,
            handler=row.handler,
            attempt=row.attempts + 1,
            created_at=row.created_at,
        ),
    )


def renew_effects(
    connection: Connection, dialect: SqlDialect, claims: Sequence[EffectClaim], lease: timedelta
) -> int:
    """Extend the leases of the valid claims; return how many are valid."""
    return effect_rows.extend_leases(
        connection, claims, clocks.real_time(connection, dialect) + lease
    )


def release_effects(
    connection: Connection, dialect: SqlDialect, claims: Sequence[EffectClaim]
) -> int:
    """Release the valid claims without counting the attempt; return how many were valid."""
    lease_tokens = effect_rows.lock_claimed(connection, dialect, claims)
    ids = sorted(claim.id for claim in claims if claim.lease_token in lease_tokens)
    effect_rows.release(connection, ids, clocks.real_time(connection, dialect))
    return len(ids)


def apply_effect_results(
    connection: Connection, dialect: SqlDialect, results: Sequence[EffectResult]
) -> EffectResultCounts:
    """Delete, reschedule or mark dead the effects whose claims are valid."""
    lease_tokens = effect_rows.lock_claimed(connection, dialect, [each.claim for each in results])
    now = clocks.real_time(connection, dialect)
    valid = [each for each in results if each.claim.lease_token in lease_tokens]
    delivered = [each.claim.id for each in valid if isinstance(each, EffectDelivered)]
    delayed = [_reschedule_update(each, now) for each in valid if isinstance(each, EffectDelayed)]
    refused = [
        _dead_letter_update(each.claim.id, each.reason)
        for each in valid
        if isinstance(each, EffectRefused)
    ]
    effect_rows.update_effects(connection, [*delayed, *refused])
    finished_ids = [*delivered, *(each["id"] for each in refused)]
    effect_rows.promote_next(connection, dialect, finished_ids, now)
    effect_rows.delete_by_ids(connection, delivered)
    hit(Failpoint.BEFORE_SETTLEMENT_COMMIT)
    return EffectResultCounts(
        delivered=len(delivered),
        delayed=len(delayed),
        dead=len(refused),
        lost=len(results) - len(valid),
    )


def _reschedule_update(result: EffectDelayed, now: datetime) -> dict[str, Any]:
    return {
        "id": result.claim.id,
        "due_at": now + result.delay,
        "last_error": result.reason,
    }


def _dead_letter_update(row_id: int, reason: str) -> dict[str, Any]:
    """Return the update that marks an effect dead."""
    return {"id": row_id, "state": EffectState.DEAD.value, "due_at": None, "last_error": reason}


def mark_overdue_effects_dead(
    connection: Connection, dialect: SqlDialect, *, max_age: timedelta, limit: int
) -> Mapping[Endpoint, int]:
    """Mark dead up to `limit` unclaimed effects that are older than `max_age`."""
    now = clocks.real_time(connection, dialect)
    rows = effect_rows.lock_overdue(connection, dialect, now - max_age, now, limit)
    effect_rows.update_effects(
        connection,
        [
            _dead_letter_update(
                row.id,
                max_age_error(
                    effect_rows.endpoint_of(row),
                    max_age,
                    attempts=row.attempts,
                    is_head=row.due_at is not None,
                    last_error=row.last_error,
                ),
            )
            for row in rows
        ],
    )
    heads = [row.id for row in rows if row.due_at is not None]
    effect_rows.promote_next(connection, dialect, heads, now)
    return Counter(map(effect_rows.endpoint_of, rows))


def next_effect_seconds(
    connection: Connection, dialect: SqlDialect, *, endpoint: Endpoint
) -> float | None:
    """Return the real time until the next pending effect is due; None when none is pending."""
    due_at = effect_rows.next_due(connection, endpoint)
    if due_at is None:
        return None
    return (due_at - clocks.real_time(connection, dialect)).total_seconds()


def retry_effect(connection: Connection, dialect: SqlDialect, effect_id: int) -> StoredEffect:
    """Make a dead letter pending again, or a pending effect due now.

    It becomes the head of its ordering key unless an earlier or a claimed effect is.
    """
    effect, group = _lock_ordering_group(connection, dialect, effect_id)
    now = clocks.real_time(connection, dialect)
    change: dict[str, Any] = {"id": effect.id}
    if effect.state == EffectState.DEAD:
        change |= {"state": EffectState.PENDING.value, "attempts": 0}
        change |= {"waiting_since": now, "last_error": None}
    head = next((row for row in group if row.due_at is not None), None)
    if head is None or head.id == effect.id:
        change["due_at"] = now
    elif effect.id < head.id and not _is_claimed(head, now):
        change["due_at"] = now
        effect_rows.update_effects(connection, [{"id": head.id, "due_at": None}])
    effect_rows.update_effects(connection, [change])
    return effect_rows.effect_by_id(connection, effect_id)


def discard_effect(connection: Connection, dialect: SqlDialect, effect_id: int) -> None:
    """Delete an effect. Raises `UnknownEffect`, `EffectInProgress`."""
    effect, _ = _lock_ordering_group(connection, dialect, effect_id)
    if effect.due_at is not None:
        now = clocks.real_time(connection, dialect)
        effect_rows.promote_next(connection, dialect, [effect.id], now)
    effect_rows.delete_by_ids(connection, [effect.id])


def _lock_ordering_group(
    connection: Connection, dialect: SqlDialect, effect_id: int
) -> tuple[Row[Any], list[Row[Any]]]:
    """Lock all effects of an effect's ordering key; return the effect, and all of them by id.

    Raises `UnknownEffect`, or `EffectInProgress` while a worker has claimed it.
    """
    group = effect_rows.lock_ordering_group(connection, dialect, effect_id)
    effect = next((row for row in group if row.id == effect_id), None)
    if effect is None:
        raise UnknownEffect(effect_id)
    if _is_claimed(effect, clocks.real_time(connection, dialect)):
        raise EffectInProgress(effect_id, effect.worker)
    return effect, group


def _is_claimed(row: Row[Any], now: datetime) -> bool:
    return row.worker is not None and row.due_at is not None and row.due_at >= now


class SqlEffectStore:
    """An `EffectStore` on SQLite, PostgreSQL or MariaDB. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._dialect = database.dialect

    def claim_effects(
        self, endpoint: Endpoint, *, worker: str, limit: int, lease: timedelta
    ) -> list[EffectClaim]:
        """See `EffectStore.claim_effects`."""
        return self.database.write(
            partial(
                claim_effects,
                dialect=self._dialect,
                endpoint=endpoint,
                worker=worker,
                limit=limit,
                lease=lease,
            )
        )

    def renew_effects(self, claims: Sequence[EffectClaim], lease: timedelta) -> int:
        """See `EffectStore.renew_effects`."""
        return self.database.write(
            partial(renew_effects, dialect=self._dialect, claims=claims, lease=lease)
        )

    def release_effects(self, claims: Sequence[EffectClaim]) -> int:
        """See `EffectStore.release_effects`."""
        return self.database.write(partial(release_effects, dialect=self._dialect, claims=claims))

    def apply_effect_results(self, results: Sequence[EffectResult]) -> EffectResultCounts:
        """See `EffectStore.apply_effect_results`."""
        if not results:
            return EffectResultCounts()
        return self.database.write(
            partial(apply_effect_results, dialect=self._dialect, results=results)
        )

    def mark_overdue_effects_dead(
        self, *, max_age: timedelta, limit: int
    ) -> Mapping[Endpoint, int]:
        """See `EffectStore.mark_overdue_effects_dead`."""
        return self.database.write(
            partial(mark_overdue_effects_dead, dialect=self._dialect, max_age=max_age, limit=limit)
        )

    def next_effect_seconds(self, endpoint: Endpoint) -> float | None:
        """See `EffectStore.next_effect_seconds`."""
        return self.database.read(
            partial(next_effect_seconds, dialect=self._dialect, endpoint=endpoint)
        )

    def find_effects(
        self, filters: EffectFilter = ANY_EFFECT, *, cursor: int | None = None, limit: int = 100
    ) -> list[StoredEffect]:
        """See `ReadStore.find_effects`."""
        return self.database.read(
            partial(effect_rows.find, filters=filters, cursor=cursor or 0, limit=limit)
        )

    def count_effects(self, filters: EffectFilter = ANY_EFFECT) -> int:
        """See `ReadStore.count_effects`."""
        return self.database.read(partial(effect_rows.count, filters=filters))

    def get_effect(self, effect_id: int) -> StoredEffect:
        """See `ReadStore.get_effect`."""
        return self.database.read(partial(effect_rows.effect_by_id, effect_id=effect_id))

    def retry_effect(self, effect_id: int) -> StoredEffect:
        """See `AdminStore.retry_effect`."""
        return self.database.write(
            partial(retry_effect, dialect=self._dialect, effect_id=effect_id)
        )

    def discard_effect(self, effect_id: int) -> None:
        """See `AdminStore.discard_effect`."""
        self.database.write(partial(discard_effect, dialect=self._dialect, effect_id=effect_id))
