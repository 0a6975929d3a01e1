"""Operations on the outbox of a store: queueing, claiming, delivering."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from support.builders.events import LEASE, NOON, claim_all, ready_to_fire
from winchester_core.clock import FixedTime
from winchester_core.model.effect import Endpoint, QueuedEffect
from winchester_core.model.json import dump_payload
from winchester_core.storage.effect_records import (
    EffectClaim,
    EffectDelivered,
    EffectRefused,
)
from winchester_core.storage.records import Claim, Completion

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store

NOW = FixedTime(NOON)
HOUR = timedelta(hours=1)
AT_ONCE = timedelta(0)
MAIL = Endpoint("fire", "mail")
HTTP = Endpoint("fire", "http")


def make_queued_effect(payload: Any, endpoint: Endpoint = MAIL) -> QueuedEffect:
    return QueuedEffect(str(uuid.uuid4()), endpoint, dump_payload(payload))


def claim_streams(store: Store, *names: str) -> list[Claim]:
    ready_to_fire(store, *names)
    claims = claim_all(store)
    by_name = {claim.distinguished_by["instance"]: claim for claim in claims}
    return [by_name[name] for name in names]


def queue_effects(store: Store, **payloads: list[Any]) -> dict[str, int]:
    """Complete a stream for each name, with an effect for each payload; return the streams' ids."""
    claims = claim_streams(store, *payloads)
    completions = [
        Completion(claim, effects=tuple(map(make_queued_effect, each)))
        for claim, each in zip(claims, payloads.values(), strict=True)
    ]
    store.complete(completions, NOW)
    return {name: claim.stream_id for name, claim in zip(payloads, claims, strict=True)}


def claim_effects(
    store: Store,
    endpoint: Endpoint = MAIL,
    *,
    limit: int = 100,
    worker: str = "w1",
    lease: timedelta = LEASE,
) -> list[EffectClaim]:
    return store.claim_effects(endpoint, worker=worker, limit=limit, lease=lease)


def payloads(claims: list[EffectClaim]) -> list[Any]:
    return [claim.effect.payload for claim in claims]


def deliver_all(store: Store, endpoint: Endpoint = MAIL) -> list[Any]:
    """Deliver everything; return the payloads in order."""
    seen: list[Any] = []
    while claims := claim_effects(store, endpoint):
        seen += payloads(claims)
        store.apply_effect_results([EffectDelivered(claim) for claim in claims])
    return seen


def make_dead_letter(store: Store, name: str = "a") -> int:
    """Create a dead letter, alone in its ordering key; return its id."""
    queue_effects(store, **{name: [name]})
    (claim,) = claim_effects(store)
    store.apply_effect_results([EffectRefused(claim, "no such address")])
    return claim.id
