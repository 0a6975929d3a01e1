"""The outbox's part of the store in memory; each method is one transaction under one lock."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING

from winchester_core.storage.effect_records import ANY_EFFECT, Settled
from winchester_core.storage.memory.holdings import Holdings
from winchester_core.storage.memory.transaction import Transaction
from winchester_core.telemetry.checkpoints import Checkpoint, reach

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import timedelta

    from winchester_core.clock import Clock
    from winchester_core.model.effect import Endpoint
    from winchester_core.storage.effect_records import (
        EffectClaim,
        EffectFilter,
        Settlement,
        StoredEffect,
    )


class MemoryEffectStore:
    """An `EffectStore` that lives and dies with its process."""

    def __init__(self, host_clock: Clock) -> None:
        self._clock = host_clock
        self._held = Holdings()
        self._lock = Lock()

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        with self._lock:
            transaction = Transaction()
            try:
                yield transaction
            except BaseException:
                transaction.roll_back()
                raise

    def claim_effects(
        self, endpoint: Endpoint, *, worker: str, limit: int, lease: timedelta
    ) -> list[EffectClaim]:
        """See `EffectStore.claim_effects`."""
        with self._transaction() as transaction:
            claims = self._held.outbox.claim(
                transaction,
                endpoint,
                worker=worker,
                limit=limit,
                lease=lease,
                real_now=self._clock.now(),
            )
            if claims:
                reach(Checkpoint.BEFORE_EFFECTS_CLAIM_COMMIT)
            return claims

    def renew_effects(self, claims: Sequence[EffectClaim], lease: timedelta) -> int:
        """See `EffectStore.renew_effects`."""
        with self._lock:
            effects = [self._held.outbox.held_by(claim) for claim in claims]
            holding = [effect for effect in effects if effect is not None]
            for effect in holding:
                effect.due_at = self._clock.now() + lease
            return len(holding)

    def release_effects(self, claims: Sequence[EffectClaim]) -> int:
        """See `EffectStore.release_effects`."""
        with self._transaction() as transaction:
            effects = [self._held.outbox.held_by(claim) for claim in claims]
            holding = [effect for effect in effects if effect is not None]
            for effect in holding:
                self._held.outbox.give_back(transaction, effect, self._clock.now())
            return len(holding)

    def settle_effects(self, settlements: Sequence[Settlement]) -> Settled:
        """See `EffectStore.settle_effects`."""
        if not settlements:
            return Settled()
        with self._transaction() as transaction:
            settled = self._held.outbox.settle(transaction, settlements, self._clock.now())
            reach(Checkpoint.BEFORE_SETTLEMENT_COMMIT)
            return settled

    def give_up_effects(self, *, max_age: timedelta, limit: int) -> Mapping[Endpoint, int]:
        """See `EffectStore.give_up_effects`."""
        with self._transaction() as transaction:
            return self._held.outbox.give_up(transaction, max_age, limit, self._clock.now())

    def next_effect_seconds(self, endpoint: Endpoint) -> float | None:
        """See `EffectStore.next_effect_seconds`."""
        with self._lock:
            due_at = self._held.outbox.next_due(endpoint)
            return None if due_at is None else (due_at - self._clock.now()).total_seconds()

    def find_effects(
        self, wanted: EffectFilter = ANY_EFFECT, *, cursor: int | None = None, limit: int = 100
    ) -> list[StoredEffect]:
        """See `EffectStore.find_effects`."""
        with self._lock:
            return list(islice(self._held.outbox.matching(wanted, cursor or 0), limit))

    def count_effects(self, wanted: EffectFilter = ANY_EFFECT) -> int:
        """See `EffectStore.count_effects`."""
        with self._lock:
            return sum(1 for _ in self._held.outbox.matching(wanted))

    def get_effect(self, effect_id: int) -> StoredEffect:
        """See `EffectStore.get_effect`."""
        with self._lock:
            return self._held.outbox.get(effect_id).stored()

    def retry_effect(self, effect_id: int) -> StoredEffect:
        """See `EffectStore.retry_effect`."""
        with self._transaction() as transaction:
            return self._held.outbox.retry(transaction, effect_id, self._clock.now())

    def discard_effect(self, effect_id: int) -> None:
        """See `EffectStore.discard_effect`."""
        with self._transaction() as transaction:
            self._held.outbox.discard(transaction, effect_id, self._clock.now())
