"""The outbox and debug roles of the memory store."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from oracle.locked_memory import LockedMemory
from oracle.state import MemoryDebugCounts
from winchester_core.failpoints import Failpoint, hit
from winchester_core.storage.effect_records import ANY_EFFECT, EffectResultCounts
from winchester_core.storage.filters import ListOrder
from winchester_core.storage.records import DebugRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import timedelta

    from winchester_core.model.action import Action
    from winchester_core.model.effect import EffectState, Endpoint
    from winchester_core.storage.effect_records import (
        EffectClaim,
        EffectFilter,
        EffectResult,
        StoredEffect,
    )
    from winchester_core.telemetry.debug_counts import DebugGroup


class MemoryEffectStore(LockedMemory):
    """An in-memory `EffectStore`."""

    def claim_effects(
        self, endpoint: Endpoint, *, worker: str, limit: int, lease: timedelta
    ) -> list[EffectClaim]:
        """See `EffectStore.claim_effects`."""
        with self._transaction() as transaction:
            claims = self._memory.outbox.claim(
                transaction,
                endpoint,
                worker=worker,
                limit=limit,
                lease=lease,
                real_now=self._clock.now(),
            )
            if claims:
                hit(Failpoint.BEFORE_EFFECTS_CLAIM_COMMIT)
            return claims

    def renew_effects(self, claims: Sequence[EffectClaim], lease: timedelta) -> int:
        """See `EffectStore.renew_effects`."""
        with self._lock:
            effects = [self._memory.outbox.claimed_effect(claim) for claim in claims]
            claimed = [effect for effect in effects if effect is not None]
            for effect in claimed:
                effect.due_at = self._clock.now() + lease
            return len(claimed)

    def release_effects(self, claims: Sequence[EffectClaim]) -> int:
        """See `EffectStore.release_effects`."""
        with self._transaction() as transaction:
            effects = [self._memory.outbox.claimed_effect(claim) for claim in claims]
            claimed = [effect for effect in effects if effect is not None]
            for effect in claimed:
                self._memory.outbox.release(transaction, effect, self._clock.now())
            return len(claimed)

    def apply_effect_results(self, results: Sequence[EffectResult]) -> EffectResultCounts:
        """See `EffectStore.apply_effect_results`."""
        if not results:
            return EffectResultCounts()
        with self._transaction() as transaction:
            counts = self._memory.outbox.apply_results(transaction, results, self._clock.now())
            hit(Failpoint.BEFORE_EFFECT_RESULTS_COMMIT)
            return counts

    def mark_overdue_effects_dead(
        self, *, max_age: timedelta, limit: int
    ) -> Mapping[Endpoint, int]:
        """See `EffectStore.mark_overdue_effects_dead`."""
        with self._transaction() as transaction:
            return self._memory.outbox.mark_overdue_dead(
                transaction, max_age, limit, self._clock.now()
            )

    def next_effect_seconds(self, endpoint: Endpoint) -> float | None:
        """See `EffectStore.next_effect_seconds`."""
        with self._lock:
            due_at = self._memory.outbox.next_due(endpoint)
            return None if due_at is None else (due_at - self._clock.now()).total_seconds()

    def find_effects(
        self,
        filters: EffectFilter = ANY_EFFECT,
        *,
        cursor: int | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
    ) -> list[StoredEffect]:
        """See `ReadStore.find_effects`."""
        with self._lock:
            return list(islice(self._memory.outbox.matching(filters, cursor, order), limit))

    def count_effects(self, filters: EffectFilter = ANY_EFFECT, *, up_to: int | None = None) -> int:
        """See `ReadStore.count_effects`."""
        with self._lock:
            return sum(1 for _ in islice(self._memory.outbox.matching(filters), up_to))

    def get_effect(self, effect_id: int) -> StoredEffect:
        """See `ReadStore.get_effect`."""
        with self._lock:
            return self._memory.outbox.get(effect_id).stored()

    def retry_effect(self, effect_id: int) -> StoredEffect:
        """See `AdminStore.retry_effect`."""
        with self._transaction() as transaction:
            return self._memory.outbox.retry(transaction, effect_id, self._clock.now())

    def retry_effects(
        self,
        effect_ids: Sequence[int],
        states: Collection[EffectState] | None = None,
        *,
        action: Action | None = None,
    ) -> frozenset[int]:
        """See `AdminStore.retry_effects`."""
        outbox = self._memory.outbox
        with self._transaction() as transaction:
            now = self._clock.now()
            selected = outbox.changeable(effect_ids, states, now)
            outbox.retry_all(transaction, selected, now)
            self._record_action(transaction, action, len(selected))
            return frozenset(selected)

    def discard_effect(self, effect_id: int) -> None:
        """See `AdminStore.discard_effect`."""
        with self._transaction() as transaction:
            self._memory.outbox.discard(transaction, effect_id, self._clock.now())

    def discard_effects(
        self,
        effect_ids: Sequence[int],
        states: Collection[EffectState] | None = None,
        *,
        action: Action | None = None,
    ) -> frozenset[int]:
        """See `AdminStore.discard_effects`."""
        outbox = self._memory.outbox
        with self._transaction() as transaction:
            now = self._clock.now()
            selected = outbox.changeable(effect_ids, states, now)
            for each in selected:
                outbox.discard(transaction, each, now)
            self._record_action(transaction, action, len(selected))
            return frozenset(selected)


class MemoryDebugStore(LockedMemory):
    """An in-memory `DebugStore`."""

    def add_debug_counts(self, groups: Mapping[str, DebugGroup]) -> None:
        """See `DebugStore.add_debug_counts`."""
        with self._lock:
            now = self._clock.now()
            for name, group in groups.items():
                counts = self._memory.debug.setdefault(name, MemoryDebugCounts(now, now))
                counts.counted_at = now
                counts.group.add(group)

    def debug_counts(self) -> dict[str, DebugRecord]:
        """See `DebugStore.debug_counts`."""
        with self._lock:
            return {
                name: DebugRecord.from_group(
                    counts.group, since=counts.since, counted_at=counts.counted_at
                )
                for name, counts in sorted(self._memory.debug.items())
            }

    def reset_debug_counts(self, name: str, *, action: Action | None = None) -> bool:
        """See `DebugStore.reset_debug_counts`."""
        with self._transaction() as transaction:
            counts = self._memory.debug.pop(name, None)
            self._record_action(transaction, action, int(counts is not None))
            return counts is not None
