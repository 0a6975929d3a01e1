"""Records of the outbox: plain values, no SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from winchester_core.storage.filters import FilterInUtc

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from winchester_core.interfaces import Effect
    from winchester_core.model.effect import EffectState, Endpoint


@dataclass(frozen=True, slots=True)
class EffectClaim:
    """An effect claimed by a worker; valid while the row has the same `serial` and `worker`."""

    id: int
    serial: int
    worker: str
    effect: Effect

    @property
    def lease_token(self) -> tuple[int, int, str]:
        """Id, serial and worker. The effect's row has these values while the claim is valid."""
        return self.id, self.serial, self.worker


@dataclass(frozen=True, slots=True)
class EffectDelivered:
    """The effect of `claim` was delivered."""

    claim: EffectClaim


@dataclass(frozen=True, slots=True)
class EffectDelayed:
    """The effect of `claim` will be retried after `delay` (real time)."""

    claim: EffectClaim
    delay: timedelta
    reason: str


@dataclass(frozen=True, slots=True)
class EffectRefused:
    """The effect of `claim` is not retried; it becomes a dead letter."""

    claim: EffectClaim
    reason: str


EffectResult: TypeAlias = EffectDelivered | EffectDelayed | EffectRefused
"""The result of delivering a claimed effect."""


@dataclass(frozen=True, slots=True)
class StoredEffect:
    """An effect in the outbox; times are the database server's.

    `effect_id` is the id that `put` returned, and `payload` the output of `dump_payload`.
    `waiting_since` is the time when the effect was recorded or an operator last retried it.
    `due_at` is None for a dead letter, and while an earlier effect of the same ordering key is
    pending. While `worker` has claimed the effect, `due_at` is the end of the lease.
    """

    id: int
    effect_id: str
    stream_id: int
    stream_name: str
    endpoint: Endpoint
    payload: str
    state: EffectState
    attempts: int
    created_at: datetime
    waiting_since: datetime
    due_at: datetime | None
    worker: str | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class EffectFilter(FilterInUtc):
    """Filters of effects; None matches any.

    `older_than` and `younger_than` compare the time at which the effect was recorded (real time,
    UTC).
    """

    state: EffectState | None = None
    pipeline: str | None = None
    handler: str | None = None
    stream_id: int | None = None
    older_than: datetime | None = None
    younger_than: datetime | None = None


@dataclass(frozen=True, slots=True)
class EffectResultCounts:
    """Counts of effect results by kind. `lost` counts results with an invalid claim."""

    delivered: int = 0
    delayed: int = 0
    dead: int = 0
    lost: int = 0


ANY_EFFECT = EffectFilter()


def max_age_error(
    endpoint: Endpoint,
    max_age: timedelta,
    *,
    attempts: int,
    is_head: bool,
    last_error: str | None,
) -> str:
    """Return the error of an effect that became a dead letter at `max_age`."""
    if last_error is not None:
        cause = f"attempts: {attempts}, last error: {last_error}"
    elif attempts:
        cause = f"attempts: {attempts}, none reported a result"
    elif is_head:
        cause = f"no worker had {endpoint} in its configuration"
    else:
        cause = "an earlier effect of the same stream and handler was not delivered"
    return f"not delivered within {max_age}: {cause}"
