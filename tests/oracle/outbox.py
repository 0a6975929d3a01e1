"""The outbox in memory: pending effects and dead letters."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from oracle.effects import MemoryEffect, matches_filter
from oracle.paging import ids_after
from winchester_core.errors import EffectInProgress, UnknownEffect
from winchester_core.model.effect import EffectState
from winchester_core.storage.effect_records import (
    EffectDelayed,
    EffectDelivered,
    EffectRefused,
    EffectResultCounts,
    max_age_error,
)
from winchester_core.storage.filters import ListOrder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from oracle.transaction import Transaction
    from winchester_core.model.effect import Endpoint, QueuedEffect
    from winchester_core.storage.effect_records import (
        EffectClaim,
        EffectFilter,
        EffectResult,
        StoredEffect,
    )
    from winchester_core.storage.records import Completion


class MemoryOutbox:
    """The effects of a memory store, in the order of their ids."""

    def __init__(self) -> None:
        self._effects: dict[int, MemoryEffect] = {}
        self._ordering_groups: dict[tuple[int, Endpoint], list[MemoryEffect]] = {}
        self._ids: Iterator[int] = count(1)

    def record(
        self,
        transaction: Transaction,
        completion: Completion,
        queued: QueuedEffect,
        real_now: datetime,
    ) -> None:
        """Insert an effect of a stream that is being completed."""
        claim = completion.claim
        effect = MemoryEffect(
            next(self._ids), queued, claim.stream_id, claim.name, real_now, real_now
        )
        if completion.discard_reason is not None:
            effect.state, effect.last_error = EffectState.DISCARDED, completion.discard_reason
        elif self._head(effect) is None:
            effect.due_at = real_now
        self._add(effect)
        transaction.on_rollback(partial(self._remove, effect))

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
        """Claim up to `limit` due effects, the longest due first."""
        due = [
            (effect.due_at, effect.id, effect)
            for effect in self._pending(endpoint)
            if effect.due_at is not None and effect.due_at <= real_now
        ]
        first = [effect for _, _, effect in sorted(due)[:limit]]
        return [self._claim(transaction, each, worker, real_now + lease) for each in first]

    def _claim(
        self, transaction: Transaction, effect: MemoryEffect, worker: str, lease_until: datetime
    ) -> EffectClaim:
        effect.save(transaction)
        effect.serial += 1
        effect.attempts += 1
        effect.worker, effect.due_at = worker, lease_until
        return effect.claim(worker)

    def claimed_effect(self, claim: EffectClaim) -> MemoryEffect | None:
        """Return the effect of `claim`; None when the claim is no longer valid."""
        effect = self._effects.get(claim.id)
        if effect is None or (effect.id, effect.serial, effect.worker) != claim.lease_token:
            return None
        return effect

    def release(self, transaction: Transaction, effect: MemoryEffect, real_now: datetime) -> None:
        """Release a claimed effect: due now, without counting the attempt."""
        effect.change(transaction)
        effect.attempts -= 1
        effect.due_at = real_now

    def apply_results(
        self, transaction: Transaction, results: Sequence[EffectResult], real_now: datetime
    ) -> EffectResultCounts:
        """Delete, reschedule or mark dead the effects whose claims are valid."""
        counts: Counter[type] = Counter()
        for result in results:
            effect = self.claimed_effect(result.claim)
            if effect is None:
                continue
            counts[type(result)] += 1
            match result:
                case EffectDelivered():
                    self._delete(transaction, effect, real_now)
                case EffectRefused(reason=reason):
                    self._mark_dead(transaction, effect, reason, real_now)
                case EffectDelayed(delay=delay, reason=reason):
                    effect.change(transaction)
                    effect.due_at, effect.last_error = real_now + delay, reason
        return EffectResultCounts(
            delivered=counts[EffectDelivered],
            delayed=counts[EffectDelayed],
            dead=counts[EffectRefused],
            lost=len(results) - counts.total(),
        )

    def mark_overdue_dead(
        self, transaction: Transaction, max_age: timedelta, limit: int, real_now: datetime
    ) -> Mapping[Endpoint, int]:
        """Mark dead up to `limit` unclaimed effects that are older than `max_age`."""
        overdue = [
            (effect.waiting_since, effect.id, effect, effect.due_at is not None)
            for effect in self._pending()
            if effect.waiting_since < real_now - max_age and not effect.is_claimed(real_now)
        ]
        selected = sorted(overdue)[:limit]
        for _, _, effect, is_head in selected:
            reason = max_age_error(
                effect.queued.endpoint,
                max_age,
                attempts=effect.attempts,
                is_head=is_head,
                last_error=effect.last_error,
            )
            self._mark_dead(transaction, effect, reason, real_now)
        return Counter(effect.queued.endpoint for _, _, effect, _ in selected)

    def next_due(self, endpoint: Endpoint) -> datetime | None:
        """Return when the next pending effect is due; None when none is pending."""
        times = (effect.due_at for effect in self._pending(endpoint))
        return min((time for time in times if time is not None), default=None)

    def oldest_seconds(self, real_now: datetime) -> float | None:
        """Return the age of the oldest pending effect; None when none is pending."""
        oldest = min((effect.waiting_since for effect in self._pending()), default=None)
        return None if oldest is None else (real_now - oldest).total_seconds()

    def matching(
        self,
        filters: EffectFilter,
        cursor: int | None = None,
        order: ListOrder = ListOrder.OLDEST,
    ) -> Iterator[StoredEffect]:
        """Yield the effects that match `filters` after the id `cursor`, by id."""
        for effect_id in ids_after(self._effects, cursor, order):
            stored = self._effects[effect_id].stored()
            if matches_filter(stored, filters):
                yield stored

    def get(self, effect_id: int) -> MemoryEffect:
        """Return the effect with this id. Raises `UnknownEffect`."""
        try:
            return self._effects[effect_id]
        except KeyError:
            raise UnknownEffect(effect_id) from None

    def retry(self, transaction: Transaction, effect_id: int, real_now: datetime) -> StoredEffect:
        """Make a dead letter or a discarded effect pending, or a pending effect due now."""
        effect = self._unclaimed(effect_id, real_now)
        effect.change(transaction)
        if effect.state is not EffectState.PENDING:
            effect.state, effect.attempts = EffectState.PENDING, 0
            effect.waiting_since, effect.last_error = real_now, None
        head = self._head(effect)
        if head is None or head is effect:
            effect.due_at = real_now
        elif effect.id < head.id and not head.is_claimed(real_now):
            head.change(transaction)
            effect.due_at, head.due_at = real_now, None
        return effect.stored()

    def retry_all(
        self, transaction: Transaction, effect_ids: Sequence[int], real_now: datetime
    ) -> None:
        """Retry unclaimed effects, ascending. A retried effect that was a head changes once."""
        serials = {each: self._effects[each].serial + 1 for each in effect_ids}
        for each in effect_ids:
            self.retry(transaction, each, real_now)
        for each, serial in serials.items():
            self._effects[each].serial = serial

    def discard(self, transaction: Transaction, effect_id: int, real_now: datetime) -> None:
        """Delete an effect."""
        self._delete(transaction, self._unclaimed(effect_id, real_now), real_now)

    def changeable(
        self,
        effect_ids: Iterable[int],
        states: Collection[EffectState] | None,
        real_now: datetime,
    ) -> list[int]:
        """Return the ids of the unclaimed effects in one of `states`, ascending."""
        stored = [self._effects[each] for each in sorted(set(effect_ids)) if each in self._effects]
        return [
            each.id
            for each in stored
            if not each.is_claimed(real_now) and (states is None or each.state in states)
        ]

    def _unclaimed(self, effect_id: int, real_now: datetime) -> MemoryEffect:
        effect = self.get(effect_id)
        if effect.worker is not None and effect.is_claimed(real_now):
            raise EffectInProgress(effect_id, effect.worker)
        return effect

    def _pending(self, endpoint: Endpoint | None = None) -> list[MemoryEffect]:
        return [
            effect
            for effect in self._effects.values()
            if effect.state is EffectState.PENDING
            and (endpoint is None or effect.queued.endpoint == endpoint)
        ]

    def _ordering_group(self, effect: MemoryEffect) -> list[MemoryEffect]:
        return self._ordering_groups.get((effect.stream_id, effect.queued.endpoint), [])

    def _add(self, effect: MemoryEffect) -> None:
        self._effects[effect.id] = effect
        group = self._ordering_groups.setdefault((effect.stream_id, effect.queued.endpoint), [])
        insort(group, effect, key=lambda each: each.id)

    def _remove(self, effect: MemoryEffect) -> None:
        del self._effects[effect.id]
        group = self._ordering_group(effect)
        group.remove(effect)
        if not group:
            del self._ordering_groups[effect.stream_id, effect.queued.endpoint]

    def _head(self, effect: MemoryEffect) -> MemoryEffect | None:
        return next(
            (each for each in self._ordering_group(effect) if each.due_at is not None), None
        )

    def _mark_dead(
        self, transaction: Transaction, effect: MemoryEffect, reason: str, real_now: datetime
    ) -> None:
        was_head = effect.due_at is not None
        effect.change(transaction)
        effect.state, effect.due_at, effect.last_error = EffectState.DEAD, None, reason
        if was_head:
            self._promote_next(transaction, effect, real_now)

    def _delete(self, transaction: Transaction, effect: MemoryEffect, real_now: datetime) -> None:
        self._remove(effect)
        transaction.on_rollback(partial(self._add, effect))
        if effect.due_at is not None:
            self._promote_next(transaction, effect, real_now)

    def _promote_next(
        self, transaction: Transaction, old_head: MemoryEffect, real_now: datetime
    ) -> None:
        """Make the next pending effect of the ordering key the head, due now."""
        for effect in self._ordering_group(old_head):
            if effect.state is EffectState.PENDING:
                effect.save(transaction)
                effect.due_at = real_now
                return
