"""The outbox in memory: effects that wait, and dead letters."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from winchester_core.errors import EffectInProgress, UnknownEffect
from winchester_core.model.effect import EffectState
from winchester_core.storage.effect_records import (
    EffectDelayed,
    EffectDelivered,
    EffectRefused,
    Settled,
)
from winchester_core.storage.epitaph import given_up
from winchester_core.storage.memory.held_effect import HeldEffect, fits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from winchester_core.model.effect import Endpoint, QueuedEffect
    from winchester_core.storage.effect_records import (
        EffectClaim,
        EffectFilter,
        Settlement,
        StoredEffect,
    )
    from winchester_core.storage.memory.transaction import Transaction
    from winchester_core.storage.records import Claim


class HeldOutbox:
    """The effects of a memory store, in the order of their ids."""

    def __init__(self) -> None:
        self._effects: dict[int, HeldEffect] = {}
        self._lanes: dict[tuple[int, Endpoint], list[HeldEffect]] = {}
        self._ids: Iterator[int] = count(1)

    def record(
        self, transaction: Transaction, claim: Claim, queued: QueuedEffect, real_now: datetime
    ) -> None:
        """Record an effect of a stream that is being completed."""
        effect = HeldEffect(
            next(self._ids), queued, claim.stream_id, claim.name, real_now, real_now
        )
        if self._front(effect) is None:
            effect.due_at = real_now
        self._add(effect)
        transaction.on_failure(partial(self._remove, effect))

    def claim(
        self,
        transaction: Transaction,
        endpoint: Endpoint,
        *,
        worker: str,
        limit: int,
        lease: timedelta,
        real_now: datetime,
    ) -> list[EffectClaim]:
        """Claim up to `limit` effects that are due, the longest due first."""
        due = [
            (effect.due_at, effect.id, effect)
            for effect in self._pending(endpoint)
            if effect.due_at is not None and effect.due_at <= real_now
        ]
        taken = [effect for _, _, effect in sorted(due)[:limit]]
        return [self._take(transaction, each, worker, real_now + lease) for each in taken]

    def _take(
        self, transaction: Transaction, effect: HeldEffect, worker: str, until: datetime
    ) -> EffectClaim:
        effect.keep(transaction)
        effect.serial += 1
        effect.attempts += 1
        effect.worker, effect.due_at = worker, until
        return effect.claimed(worker)

    def held_by(self, claim: EffectClaim) -> HeldEffect | None:
        """The effect of `claim`, if it is still as the claim left it."""
        effect = self._effects.get(claim.id)
        if effect is None or (effect.id, effect.serial, effect.worker) != claim.proof:
            return None
        return effect

    def give_back(self, transaction: Transaction, effect: HeldEffect, real_now: datetime) -> None:
        """Release a claimed effect: due at once, and the attempt does not count."""
        effect.change(transaction)
        effect.attempts -= 1
        effect.due_at = real_now

    def settle(
        self, transaction: Transaction, settlements: Sequence[Settlement], real_now: datetime
    ) -> Settled:
        """Forget, delay or bury the effects whose claims hold."""
        counts: Counter[type] = Counter()
        for settlement in settlements:
            effect = self.held_by(settlement.claim)
            if effect is None:
                continue
            counts[type(settlement)] += 1
            match settlement:
                case EffectDelivered():
                    self._forget(transaction, effect, real_now)
                case EffectRefused(reason=reason):
                    self._bury(transaction, effect, reason, real_now)
                case EffectDelayed(delay=delay, reason=reason):
                    effect.change(transaction)
                    effect.due_at, effect.last_error = real_now + delay, reason
        return Settled(
            delivered=counts[EffectDelivered],
            delayed=counts[EffectDelayed],
            dead=counts[EffectRefused],
            lost=len(settlements) - counts.total(),
        )

    def give_up(
        self, transaction: Transaction, max_age: timedelta, limit: int, real_now: datetime
    ) -> Mapping[Endpoint, int]:
        """Make dead letters of up to `limit` effects that have waited for `max_age`."""
        overdue = [
            (effect.waiting_since, effect.id, effect, effect.due_at is not None)
            for effect in self._pending()
            if effect.waiting_since < real_now - max_age and not effect.is_in_hand(real_now)
        ]
        given = sorted(overdue)[:limit]
        for _, _, effect, is_front in given:
            reason = given_up(
                effect.queued.endpoint,
                max_age,
                attempts=effect.attempts,
                is_front=is_front,
                last_error=effect.last_error,
            )
            self._bury(transaction, effect, reason, real_now)
        return Counter(effect.queued.endpoint for _, _, effect, _ in given)

    def next_due(self, endpoint: Endpoint) -> datetime | None:
        """When the next pending effect is due; None when none is pending."""
        times = (effect.due_at for effect in self._pending(endpoint))
        return min((time for time in times if time is not None), default=None)

    def oldest_seconds(self, real_now: datetime) -> float | None:
        """How long the effect that has waited longest has waited; None when none is pending."""
        oldest = min((effect.waiting_since for effect in self._pending()), default=None)
        return None if oldest is None else (real_now - oldest).total_seconds()

    def matching(self, wanted: EffectFilter, cursor: int = 0) -> Iterator[StoredEffect]:
        """The effects that `wanted` asks for past the id `cursor`, by id."""
        for _, effect in sorted(self._effects.items()):
            stored = effect.stored()
            if effect.id > cursor and fits(stored, wanted):
                yield stored

    def get(self, effect_id: int) -> HeldEffect:
        """The effect with this id. Raises `UnknownEffect`."""
        try:
            return self._effects[effect_id]
        except KeyError:
            raise UnknownEffect(effect_id) from None

    def retry(self, transaction: Transaction, effect_id: int, real_now: datetime) -> StoredEffect:
        """Make a dead letter pending again, or a pending effect due at once."""
        effect = self._in_no_hands(effect_id, real_now)
        effect.change(transaction)
        if effect.state is EffectState.DEAD:
            effect.state, effect.attempts = EffectState.PENDING, 0
            effect.waiting_since, effect.last_error = real_now, None
        front = self._front(effect)
        if front is None or front is effect:
            effect.due_at = real_now
        elif effect.id < front.id and not front.is_in_hand(real_now):
            front.change(transaction)
            effect.due_at, front.due_at = real_now, None
        return effect.stored()

    def discard(self, transaction: Transaction, effect_id: int, real_now: datetime) -> None:
        """Forget an effect."""
        self._forget(transaction, self._in_no_hands(effect_id, real_now), real_now)

    def _in_no_hands(self, effect_id: int, real_now: datetime) -> HeldEffect:
        effect = self.get(effect_id)
        if effect.worker is not None and effect.is_in_hand(real_now):
            raise EffectInProgress(effect_id, effect.worker)
        return effect

    def _pending(self, endpoint: Endpoint | None = None) -> list[HeldEffect]:
        return [
            effect
            for effect in self._effects.values()
            if effect.state is EffectState.PENDING
            and (endpoint is None or effect.queued.endpoint == endpoint)
        ]

    def _lane(self, effect: HeldEffect) -> list[HeldEffect]:
        return self._lanes.get((effect.stream_id, effect.queued.endpoint), [])

    def _add(self, effect: HeldEffect) -> None:
        self._effects[effect.id] = effect
        lane = self._lanes.setdefault((effect.stream_id, effect.queued.endpoint), [])
        insort(lane, effect, key=lambda each: each.id)

    def _remove(self, effect: HeldEffect) -> None:
        del self._effects[effect.id]
        lane = self._lane(effect)
        lane.remove(effect)
        if not lane:
            del self._lanes[effect.stream_id, effect.queued.endpoint]

    def _front(self, effect: HeldEffect) -> HeldEffect | None:
        return next((each for each in self._lane(effect) if each.due_at is not None), None)

    def _bury(
        self, transaction: Transaction, effect: HeldEffect, reason: str, real_now: datetime
    ) -> None:
        was_front = effect.due_at is not None
        effect.change(transaction)
        effect.state, effect.due_at, effect.last_error = EffectState.DEAD, None, reason
        if was_front:
            self._advance(transaction, effect, real_now)

    def _forget(self, transaction: Transaction, effect: HeldEffect, real_now: datetime) -> None:
        self._remove(effect)
        transaction.on_failure(partial(self._add, effect))
        if effect.due_at is not None:
            self._advance(transaction, effect, real_now)

    def _advance(self, transaction: Transaction, gone: HeldEffect, real_now: datetime) -> None:
        """Let the first pending effect of a lane be its front, in place of one that is gone."""
        for effect in self._lane(gone):
            if effect.state is EffectState.PENDING:
                effect.keep(transaction)
                effect.due_at = real_now
                return
