"""An effect of the memory store."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING

from winchester_core.interfaces import Effect
from winchester_core.model.effect import EffectState
from winchester_core.model.json import load_payload
from winchester_core.storage.effect_records import EffectClaim, StoredEffect

if TYPE_CHECKING:
    from datetime import datetime

    from oracle.transaction import Transaction
    from winchester_core.model.effect import QueuedEffect
    from winchester_core.storage.effect_records import EffectFilter


@dataclass(slots=True, eq=False)
class MemoryEffect:
    """An effect; its fields are described in `StoredEffect`."""

    id: int
    queued: QueuedEffect
    stream_id: int
    stream_name: str
    created_at: datetime
    waiting_since: datetime
    due_at: datetime | None = None
    state: EffectState = EffectState.PENDING
    serial: int = 0
    attempts: int = 0
    worker: str | None = None
    last_error: str | None = None

    def is_claimed(self, real_now: datetime) -> bool:
        """Return whether a worker has a lease on it that has not expired."""
        return self.worker is not None and self.due_at is not None and self.due_at >= real_now

    def stored(self) -> StoredEffect:
        """Return the effect's public record."""
        return StoredEffect(
            id=self.id,
            effect_id=self.queued.id,
            stream_id=self.stream_id,
            stream_name=self.stream_name,
            endpoint=self.queued.endpoint,
            payload=self.queued.payload,
            state=self.state,
            attempts=self.attempts,
            created_at=self.created_at,
            waiting_since=self.waiting_since,
            due_at=self.due_at,
            worker=self.worker,
            last_error=self.last_error,
        )

    def claim(self, worker: str) -> EffectClaim:
        """Return the claim of `worker`."""
        endpoint = self.queued.endpoint
        return EffectClaim(
            id=self.id,
            serial=self.serial,
            worker=worker,
            effect=Effect(
                id=self.queued.id,
                payload=load_payload(self.queued.payload),
                stream_id=self.stream_id,
                stream_name=self.stream_name,
                pipeline=endpoint.pipeline,
                handler=endpoint.handler,
                attempt=self.attempts,
                created_at=self.created_at,
            ),
        )

    def save(self, transaction: Transaction) -> None:
        """Restore the current state on rollback."""
        transaction.on_rollback(partial(_restore_effect, self, replace(self)))

    def change(self, transaction: Transaction) -> None:
        """Begin a change that ends a claim."""
        self.save(transaction)
        self.serial += 1
        self.worker = None


def matches_filter(effect: StoredEffect, filters: EffectFilter) -> bool:
    """Return whether the effect matches `filters`."""
    return (
        (filters.state is None or effect.state is filters.state)
        and (filters.pipeline is None or effect.endpoint.pipeline == filters.pipeline)
        and (filters.handler is None or effect.endpoint.handler == filters.handler)
        and (filters.stream_id is None or effect.stream_id == filters.stream_id)
        and (filters.older_than is None or effect.created_at < filters.older_than)
        and (filters.younger_than is None or effect.created_at >= filters.younger_than)
    )


def _restore_effect(effect: MemoryEffect, before: MemoryEffect) -> None:
    for each in fields(MemoryEffect):
        setattr(effect, each.name, getattr(before, each.name))
