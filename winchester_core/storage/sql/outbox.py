"""The outbox: effects of completed streams that wait for delivery.

Outbox transactions lock only rows of effects: first claimed effects, then the next effects of their
ordering keys. Completing a stream inserts rows and locks no existing rows.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from winchester_core.failpoints import Failpoint, hit
from winchester_core.interfaces import Effect
from winchester_core.model.effect import EffectState, Endpoint
from winchester_core.model.json import load_payload
from winchester_core.storage.effect_records import (
    EffectClaim,
    EffectDelayed,
    EffectDelivered,
    EffectRefused,
    EffectResultCounts,
    max_age_error,
)
from winchester_core.storage.sql import effect_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta

    from sqlalchemy import Row

    from winchester_core.storage.effect_records import EffectResult
    from winchester_core.storage.records import Completion
    from winchester_core.storage.sql.database import Transaction

MAX_CLAIM_BYTES = 16 * 1024 * 1024
"""Maximum total size of payloads in one claim. A single larger effect is still claimed."""


def record_effects(tx: Transaction, completions: Iterable[Completion]) -> None:
    """Insert the effects of completed streams; effects of the same stream keep their order."""
    queued = [(each, effect) for each in completions for effect in each.effects]
    now = tx.real_time()
    heads: set[tuple[int, Endpoint]] = set()
    rows = []
    for completion, effect in queued:
        claim, discard_reason = completion.claim, completion.discard_reason
        ordering_key = claim.stream_id, effect.endpoint
        is_pending = discard_reason is None
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
                "state": (EffectState.PENDING if is_pending else EffectState.DISCARDED).value,
                "last_error": discard_reason,
                "serial_no": 0,
                "created_at": now,
                "waiting_since": now,
                "due_at": now if is_pending and ordering_key not in heads else None,
            }
        )
        heads.add(ordering_key)
    effect_rows.insert_effects(tx, rows)


def claim_effects(
    tx: Transaction,
    endpoint: Endpoint,
    *,
    worker: str,
    limit: int,
    lease: timedelta,
) -> list[EffectClaim]:
    """Claim up to `limit` due effects, in the order of due times."""
    now = tx.real_time()
    rows = _limit_payload_bytes(effect_rows.lock_due(tx, endpoint, now, limit))
    if not rows:
        return []
    effect_rows.claim(tx, rows, worker, now + lease)
    payloads = effect_rows.payloads(tx, [row.id for row in rows])
    hit(Failpoint.BEFORE_EFFECTS_CLAIM_COMMIT)
    return [_effect_claim(row, worker, payloads[row.id]) for row in rows]


def _limit_payload_bytes(rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Return the first rows, as long as their payloads stay within `MAX_CLAIM_BYTES`."""
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


def renew_effects(tx: Transaction, claims: Sequence[EffectClaim], lease: timedelta) -> int:
    """Extend the leases of the valid claims; return how many are valid."""
    return effect_rows.extend_leases(tx, claims, tx.real_time() + lease)


def release_effects(tx: Transaction, claims: Sequence[EffectClaim]) -> int:
    """Release the valid claims without counting the attempt; return how many were valid."""
    lease_tokens = effect_rows.lock_claimed(tx, claims)
    ids = sorted(claim.id for claim in claims if claim.lease_token in lease_tokens)
    effect_rows.release(tx, ids, tx.real_time())
    return len(ids)


def apply_effect_results(tx: Transaction, results: Sequence[EffectResult]) -> EffectResultCounts:
    """Delete, reschedule or mark dead the effects with valid claims."""
    if not results:
        return EffectResultCounts()
    lease_tokens = effect_rows.lock_claimed(tx, [each.claim for each in results])
    now = tx.real_time()
    valid = [each for each in results if each.claim.lease_token in lease_tokens]
    delivered = [each.claim.id for each in valid if isinstance(each, EffectDelivered)]
    delayed = [
        {
            "id": each.claim.id,
            "due_at": now + each.delay,
            "last_error": tx.dialect.storable(each.reason),
        }
        for each in valid
        if isinstance(each, EffectDelayed)
    ]
    refused = [
        _dead_letter_update(tx, each.claim.id, each.reason)
        for each in valid
        if isinstance(each, EffectRefused)
    ]
    effect_rows.update_effects(tx, [*delayed, *refused])
    finished_ids = [*delivered, *(each["id"] for each in refused)]
    effect_rows.promote_next(tx, finished_ids, now)
    effect_rows.delete_by_ids(tx, delivered)
    hit(Failpoint.BEFORE_EFFECT_RESULTS_COMMIT)
    return EffectResultCounts(
        delivered=len(delivered),
        delayed=len(delayed),
        dead=len(refused),
        lost=len(results) - len(valid),
    )


def _dead_letter_update(tx: Transaction, row_id: int, reason: str) -> dict[str, Any]:
    error = tx.dialect.storable(reason)
    return {"id": row_id, "state": EffectState.DEAD.value, "due_at": None, "last_error": error}


def mark_overdue_effects_dead(
    tx: Transaction, *, max_age: timedelta, limit: int
) -> Mapping[Endpoint, int]:
    """Mark dead up to `limit` unclaimed effects that are older than `max_age`."""
    now = tx.real_time()
    rows = effect_rows.lock_overdue(tx, now - max_age, now, limit)
    effect_rows.update_effects(
        tx,
        [
            _dead_letter_update(
                tx,
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
    effect_rows.promote_next(tx, heads, now)
    return Counter(map(effect_rows.endpoint_of, rows))


def next_effect_seconds(tx: Transaction, endpoint: Endpoint) -> float | None:
    """Return the real time until the next pending effect is due, or None if none is pending."""
    due_at = effect_rows.next_due(tx, endpoint)
    if due_at is None:
        return None
    return (due_at - tx.real_time()).total_seconds()
