"""An effect as a memory store holds it."""

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

    from winchester_core.model.effect import QueuedEffect
    from winchester_core.storage.effect_records import EffectFilter
    from winchester_core.storage.memory.transaction import Transaction


@dataclass(slots=True, eq=False)
class HeldEffect:
    """An effect; its fields are those of `StoredEffect`, which see."""

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

    def is_in_hand(self, real_now: datetime) -> bool:
        """Whether a worker's lease of it lasts."""
        return self.worker is not None and self.due_at is not None and self.due_at >= real_now

    def stored(self) -> StoredEffect:
        """The effect as callers see it."""
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

    def claimed(self, worker: str) -> EffectClaim:
        """The claim of `worker`, which has just taken it."""
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

    def keep(self, transaction: Transaction) -> None:
        """Remember the effect as it is now."""
        transaction.on_failure(partial(_restore, self, replace(self)))

    def change(self, transaction: Transaction) -> None:
        """Begin a change that takes it out of a worker's hands."""
        self.keep(transaction)
        self.serial += 1
        self.worker = None


def fits(effect: StoredEffect, wanted: EffectFilter) -> bool:
    """Whether `wanted` asks for this effect."""
    return (
        (wanted.state is None or effect.state is wanted.state)
        and (wanted.pipeline is None or effect.endpoint.pipeline == wanted.pipeline)
        and (wanted.handler is None or effect.endpoint.handler == wanted.handler)
        and (wanted.stream_id is None or effect.stream_id == wanted.stream_id)
        and (wanted.older_than is None or effect.created_at < wanted.older_than)
        and (wanted.younger_than is None or effect.created_at >= wanted.younger_than)
    )


def _restore(effect: HeldEffect, before: HeldEffect) -> None:
    for each in fields(HeldEffect):
        setattr(effect, each.name, getattr(before, each.name))
