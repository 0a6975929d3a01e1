"""Steps on the outbox of a store, as data, and their execution."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

from hypothesis import strategies as st

from winchester_core.errors import EffectInProgress
from winchester_core.model.effect import EffectState, Endpoint, QueuedEffect
from winchester_core.model.json import dump_payload
from winchester_core.storage.effect_records import (
    EffectDelayed,
    EffectDelivered,
    EffectFilter,
    EffectRefused,
)

if TYPE_CHECKING:
    from winchester_core.storage.effect_records import EffectClaim, EffectResult, StoredEffect
    from winchester_core.storage.interface import Store

ALL = 10_000
ENDPOINTS = (Endpoint("fire", "mail"), Endpoint("fire", "mail", 1), Endpoint("expire", "http"))


@dataclass(frozen=True)
class ClaimEffects:
    """A worker claims effects of an endpoint; with a negative lease it dies at once."""

    endpoint: Endpoint
    limit: int
    lease: timedelta


@dataclass(frozen=True)
class ApplyEffectResults:
    """A worker records results of its claims, one kind after the other."""

    kinds: tuple[str, ...]
    delay: timedelta


@dataclass(frozen=True)
class ReleaseEffects:
    """A worker releases all its claims."""


@dataclass(frozen=True)
class RenewEffects:
    """A worker renews all its leases."""

    lease: timedelta


@dataclass(frozen=True)
class MarkDeadEffects:
    """Effects past the maximum age are marked dead."""

    max_age: timedelta
    limit: int


@dataclass(frozen=True)
class RetryAndDiscardEffects:
    """An operator retries some effects, and discards some; with `in_bulk`, in one transaction."""

    retries: tuple[int, ...]
    discards: tuple[int, ...]
    in_bulk: bool


EffectStep: TypeAlias = (
    ClaimEffects
    | ApplyEffectResults
    | ReleaseEffects
    | RenewEffects
    | MarkDeadEffects
    | RetryAndDiscardEffects
)

leases = st.sampled_from([timedelta(hours=1), timedelta(hours=1), -timedelta(hours=1)])
delays = st.sampled_from([timedelta(0), timedelta(minutes=1), timedelta(hours=1)])
places = st.lists(st.integers(0, 9), max_size=3).map(tuple)
kinds = st.lists(st.sampled_from(["delivered", "delayed", "refused"]), min_size=1).map(tuple)

claiming_effects = st.builds(
    ClaimEffects, st.sampled_from(ENDPOINTS), st.sampled_from([1, 3, ALL]), leases
)
applying_results = st.builds(ApplyEffectResults, kinds, delays)
effect_steps: st.SearchStrategy[EffectStep] = st.one_of(
    claiming_effects,
    applying_results,
    st.just(ReleaseEffects()),
    st.builds(RenewEffects, leases),
    st.builds(MarkDeadEffects, delays, st.sampled_from([1, ALL])),
    st.builds(RetryAndDiscardEffects, places, places, st.booleans()),
)
delivering_effects: st.SearchStrategy[list[EffectStep]] = st.tuples(
    claiming_effects, applying_results
).map(list)
queued_endpoints = st.lists(st.integers(0, len(ENDPOINTS) - 1), max_size=4).map(tuple)
"""Return the endpoints of a run's effects."""


class OutboxRun:
    """An outbox, and the worker that delivers from it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: list[EffectClaim] = []
        self._queued = 0

    def queue(self, endpoints: tuple[int, ...]) -> tuple[QueuedEffect, ...]:
        """Queue effects of a run; the same ones in every store."""
        effects = []
        for number in endpoints:
            self._queued += 1
            payload = dump_payload(self._queued)
            effects.append(QueuedEffect(f"id {self._queued}", ENDPOINTS[number], payload))
        return tuple(effects)

    def do(self, step: EffectStep) -> Any:
        """Execute one step; return the result without surrogate keys."""
        match step:
            case ClaimEffects(endpoint, limit, lease):
                return self._take(endpoint, limit, lease)
            case ApplyEffectResults(kinds, delay):
                held, self._held = self._held, []
                results = [
                    _settlement(kinds[n % len(kinds)], claim, delay) for n, claim in enumerate(held)
                ]
                return self._store.apply_effect_results(results)
            case ReleaseEffects():
                held, self._held = self._held, []
                return self._store.release_effects(held)
            case RenewEffects(lease):
                return self._store.renew_effects(self._held, lease)
            case MarkDeadEffects(max_age, limit):
                return dict(self._store.mark_overdue_effects_dead(max_age=max_age, limit=limit))
            case RetryAndDiscardEffects(retries, discards, in_bulk=True):
                return self._repair_in_bulk(retries, discards)
            case RetryAndDiscardEffects(retries, discards):
                return self._repair(retries, discards)
            case _:
                assert_never(step)

    def _take(self, endpoint: Endpoint, limit: int, lease: timedelta) -> list[Any]:
        claims = self._store.claim_effects(endpoint, worker="w", limit=limit, lease=lease)
        self._held += claims
        return [
            (claim.serial, claim.effect.id, claim.effect.payload, claim.effect.attempt)
            for claim in claims
        ]

    def _repair(self, retries: tuple[int, ...], discards: tuple[int, ...]) -> list[Any]:
        answers: list[Any] = []
        for place in retries:
            found = self._store.find_effects(limit=place + 1)[place:]
            answers += [self._tried(self._store.retry_effect, each.id) for each in found]
        for place in discards:
            found = self._store.find_effects(limit=place + 1)[place:]
            answers += [self._tried(self._store.discard_effect, each.id) for each in found]
        return answers

    def _repair_in_bulk(self, retries: tuple[int, ...], discards: tuple[int, ...]) -> list[int]:
        numbers: list[int] = []
        for places, action in (
            (retries, self._store.retry_effects),
            (discards, self._store.discard_effects),
        ):
            found = [each.id for each in self._store.find_effects(limit=ALL)]
            ids = [found[place] for place in places if place < len(found)]
            numbers.append(len(action(ids)))
        return numbers

    def _tried(self, action: Any, effect_id: int) -> Any:
        try:
            answer = action(effect_id)
        except EffectInProgress as error:
            return error.worker
        return answer and _facts(answer)

    def state(self) -> dict[str, Any]:
        """Return the contents of the outbox without surrogate keys."""
        return {
            "effects": [_facts(each) for each in self._store.find_effects(limit=ALL)],
            "dead": self._store.count_effects(EffectFilter(state=EffectState.DEAD)),
            "next": [self._store.next_effect_seconds(each) for each in ENDPOINTS],
        }


def _settlement(kind: str, claim: EffectClaim, delay: timedelta) -> EffectResult:
    if kind == "delivered":
        return EffectDelivered(claim)
    return EffectDelayed(claim, delay, "no") if kind == "delayed" else EffectRefused(claim, "no")


def _facts(effect: StoredEffect) -> dict[str, Any]:
    facts = asdict(effect)
    del facts["id"], facts["stream_id"]
    return facts
