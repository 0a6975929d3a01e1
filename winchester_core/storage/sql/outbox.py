"""The outbox: effects on their way from a completed stream to an endpoint.

Transactions of the outbox lock rows of effects only, those that are in hand first, then the next
of their lanes. Completing a stream adds rows, and locks none of them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from winchester_core.errors import EffectInProgress, UnknownEffect
from winchester_core.interfaces import Effect
from winchester_core.model.effect import EffectState, Endpoint
from winchester_core.model.json import load_payload
from winchester_core.storage.effect_records import (
    EffectClaim,
    EffectDelayed,
    EffectDelivered,
    EffectRefused,
    Settled,
)
from winchester_core.storage.epitaph import given_up
from winchester_core.storage.sql.queries import clocks, effects, stored_effects
from winchester_core.telemetry.checkpoints import Checkpoint, reach

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Connection, Row

    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.effect_records import Settlement, StoredEffect
    from winchester_core.storage.records import Completion

MAX_CLAIM_BYTES = 16 * 1024 * 1024
"""How long the payloads of one claim may be together, one effect excepted."""


def record_effects(
    connection: Connection, dialect: SqlDialect, completions: Iterable[Completion]
) -> None:
    """Record what the runs of completed streams have queued, each stream's in order."""
    queued = [(each.claim, effect) for each in completions for effect in each.effects]
    if not queued:
        return
    now = clocks.real_time(connection, dialect)
    fronts: set[tuple[int, Endpoint]] = set()
    rows = []
    for claim, effect in queued:
        lane = claim.stream_id, effect.endpoint
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
                "due_at": None if lane in fronts else now,
            }
        )
        fronts.add(lane)
    effects.insert_all(connection, rows)


def claim_effects(
    connection: Connection,
    dialect: SqlDialect,
    *,
    endpoint: Endpoint,
    worker: str,
    limit: int,
    lease: timedelta,
) -> list[EffectClaim]:
    """Claim up to `limit` effects that are due, the longest due first."""
    now = clocks.real_time(connection, dialect)
    rows = _light(effects.lock_due(connection, dialect, endpoint, now, limit))
    if not rows:
        return []
    effects.take(connection, rows, worker, now + lease)
    payloads = effects.payloads(connection, [row.id for row in rows])
    reach(Checkpoint.BEFORE_EFFECTS_CLAIM_COMMIT)
    return [_claim(row, worker, payloads[row.id]) for row in rows]


def _light(rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """The first rows whose payloads fit in memory together."""
    light: list[Row[Any]] = []
    size = 0
    for row in rows:
        size += row.payload_length
        if light and size > MAX_CLAIM_BYTES:
            break
        light.append(row)
    return light


def _claim(row: Row[Any], worker: str, payload: str) -> EffectClaim:
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
    connection: Connection, dialect: SqlDialect, held: Sequence[EffectClaim], lease: timedelta
) -> int:
    """Extend the leases of these claims; return how many still hold."""
    return effects.renew(connection, held, clocks.real_time(connection, dialect) + lease)


def release_effects(
    connection: Connection, dialect: SqlDialect, held: Sequence[EffectClaim]
) -> int:
    """Give claims back unused; return how many still held."""
    proofs = effects.lock_held(connection, dialect, held)
    ids = sorted(claim.id for claim in held if claim.proof in proofs)
    effects.give_back(connection, ids, clocks.real_time(connection, dialect))
    return len(ids)


def settle_effects(
    connection: Connection, dialect: SqlDialect, settlements: Sequence[Settlement]
) -> Settled:
    """Forget, delay or bury the effects whose claims hold."""
    proofs = effects.lock_held(connection, dialect, [each.claim for each in settlements])
    now = clocks.real_time(connection, dialect)
    held = [each for each in settlements if each.claim.proof in proofs]
    delivered = [each.claim.id for each in held if isinstance(each, EffectDelivered)]
    delayed = [_delay(each, now) for each in held if isinstance(each, EffectDelayed)]
    refused = [
        burial(each.claim.id, each.reason) for each in held if isinstance(each, EffectRefused)
    ]
    effects.finish(connection, [*delayed, *refused])
    gone = [*delivered, *(each["id"] for each in refused)]
    effects.advance(connection, dialect, gone, now)
    effects.delete_all(connection, delivered)
    reach(Checkpoint.BEFORE_SETTLEMENT_COMMIT)
    return Settled(
        delivered=len(delivered),
        delayed=len(delayed),
        dead=len(refused),
        lost=len(settlements) - len(held),
    )


def _delay(settlement: EffectDelayed, now: datetime) -> dict[str, Any]:
    return {
        "id": settlement.claim.id,
        "due_at": now + settlement.delay,
        "last_error": settlement.reason,
    }


def burial(row_id: int, reason: str) -> dict[str, Any]:
    """The change that makes a dead letter of an effect."""
    return {"id": row_id, "state": EffectState.DEAD.value, "due_at": None, "last_error": reason}


def give_up_effects(
    connection: Connection, dialect: SqlDialect, *, max_age: timedelta, limit: int
) -> Mapping[Endpoint, int]:
    """Make dead letters of up to `limit` effects that have waited for `max_age`."""
    now = clocks.real_time(connection, dialect)
    rows = effects.lock_overdue(connection, dialect, now - max_age, now, limit)
    effects.finish(
        connection,
        [
            burial(
                row.id,
                given_up(
                    effects.endpoint_of(row),
                    max_age,
                    attempts=row.attempts,
                    is_front=row.due_at is not None,
                    last_error=row.last_error,
                ),
            )
            for row in rows
        ],
    )
    fronts = [row.id for row in rows if row.due_at is not None]
    effects.advance(connection, dialect, fronts, now)
    return Counter(map(effects.endpoint_of, rows))


def next_effect_seconds(
    connection: Connection, dialect: SqlDialect, *, endpoint: Endpoint
) -> float | None:
    """Real time until the next pending effect is due; None when none is pending."""
    due_at = effects.next_due(connection, endpoint)
    if due_at is None:
        return None
    return (due_at - clocks.real_time(connection, dialect)).total_seconds()


def retry_effect(connection: Connection, dialect: SqlDialect, effect_id: int) -> StoredEffect:
    """Make a dead letter pending again, or a pending effect due at once."""
    wanted, lane = _lock_lane(connection, dialect, effect_id)
    now = clocks.real_time(connection, dialect)
    change: dict[str, Any] = {"id": wanted.id}
    if wanted.state == EffectState.DEAD:
        change |= {"state": EffectState.PENDING.value, "attempts": 0}
        change |= {"waiting_since": now, "last_error": None}
    front = next((row for row in lane if row.due_at is not None), None)
    if front is None or front.id == wanted.id:
        change["due_at"] = now
    elif wanted.id < front.id and not _is_in_hand(front, now):
        change["due_at"] = now
        effects.finish(connection, [{"id": front.id, "due_at": None}])
    effects.finish(connection, [change])
    return stored_effects.by_id(connection, effect_id)


def discard_effect(connection: Connection, dialect: SqlDialect, effect_id: int) -> None:
    """Forget an effect."""
    wanted, _ = _lock_lane(connection, dialect, effect_id)
    if wanted.due_at is not None:
        now = clocks.real_time(connection, dialect)
        effects.advance(connection, dialect, [wanted.id], now)
    effects.delete_all(connection, [wanted.id])


def _lock_lane(
    connection: Connection, dialect: SqlDialect, effect_id: int
) -> tuple[Row[Any], list[Row[Any]]]:
    """Lock the lane of an effect: the effect, and all that are there.

    Raises `UnknownEffect`, or `EffectInProgress` when a worker has it in hand.
    """
    lane = stored_effects.lock_lane(connection, dialect, effect_id)
    wanted = next((row for row in lane if row.id == effect_id), None)
    if wanted is None:
        raise UnknownEffect(effect_id)
    if _is_in_hand(wanted, clocks.real_time(connection, dialect)):
        raise EffectInProgress(effect_id, wanted.worker)
    return wanted, lane


def _is_in_hand(row: Row[Any], now: datetime) -> bool:
    return row.worker is not None and row.due_at is not None and row.due_at >= now
