"""What goes into the outbox of a store and what comes out of it: plain values, no SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from winchester_core.interfaces import Effect
    from winchester_core.model.effect import EffectState, Endpoint


@dataclass(frozen=True, slots=True)
class EffectClaim:
    """An effect that a worker holds: `serial` and `worker` prove it."""

    id: int
    serial: int
    worker: str
    effect: Effect

    @property
    def lease_token(self) -> tuple[int, int, str]:
        """What an effect in this worker's hands must still show: its id, serial and worker."""
        return self.id, self.serial, self.worker


@dataclass(frozen=True, slots=True)
class EffectDelivered:
    """The effect of `claim` was delivered."""

    claim: EffectClaim


@dataclass(frozen=True, slots=True)
class EffectDelayed:
    """The effect of `claim` is to be tried again after `delay`, real time."""

    claim: EffectClaim
    delay: timedelta
    reason: str


@dataclass(frozen=True, slots=True)
class EffectRefused:
    """The effect of `claim` is not to be tried again."""

    claim: EffectClaim
    reason: str


EffectResult: TypeAlias = EffectDelivered | EffectDelayed | EffectRefused
"""What became of a claimed effect."""


@dataclass(frozen=True, slots=True)
class StoredEffect:
    """An effect in the outbox, times by the database server.

    `effect_id` is what `put` returned; `payload` the text of `dump_payload`. `waiting_since` is
    when it was recorded, or sent again by an operator. `due_at` is None for a dead letter and
    while another effect of its stream and handler goes first; while `worker` has it in hand, it
    is the end of the lease.
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
class EffectFilter:
    """Which effects to find; None asks for anything.

    `older_than` and `younger_than` compare the time at which it was recorded, real time in UTC.
    """

    state: EffectState | None = None
    pipeline: str | None = None
    handler: str | None = None
    stream_id: int | None = None
    older_than: datetime | None = None
    younger_than: datetime | None = None


@dataclass(frozen=True, slots=True)
class EffectResultCounts:
    """How many claimed effects were settled in which way; `lost` are those whose claims did not
    hold, or were settled already.
    """

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
    """Why an effect became a dead letter at its age, in a sentence."""
    if last_error is not None:
        cause = f"attempts {attempts}, the last of them: {last_error}"
    elif attempts:
        cause = f"attempts {attempts}, none of which reported a result"
    elif is_head:
        cause = f"no worker has had {endpoint} in its configuration"
    else:
        cause = "another effect of the same stream and handler, put before it, was not delivered"
    return f"given up after {max_age}: {cause}"
