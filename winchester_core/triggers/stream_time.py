"""What "now" is for each event of a batch, on the two kinds of clock. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class FixedTime:
    """Every event of the batch arrives at `now` (aware UTC)."""

    now: datetime


@dataclass(frozen=True, slots=True)
class EventTime:
    """The event clock, kept in the database: the greatest event timestamp ingested.

    An event more than `max_jump` ahead does not move it (None: any event does). A clock that
    does not `move` is only read: what handlers make must not push time forward.
    """

    max_jump: timedelta | None = None
    advances: bool = True


TimePolicy: TypeAlias = FixedTime | EventTime


@dataclass(frozen=True, slots=True)
class BatchTimes:
    """The `now` of each event in order, the clock at the end, and the indexes that it refused."""

    arrival_times: tuple[datetime, ...]
    end: datetime | None
    refused: tuple[int, ...] = ()


def compute_batch_times(
    policy: TimePolicy, clock: datetime | None, stamps: Sequence[datetime]
) -> BatchTimes:
    """Walk `stamps` in order of arrival from `clock` (None: it has never been set)."""
    if isinstance(policy, FixedTime):
        return BatchTimes((policy.now,) * len(stamps), clock)
    if not policy.advances:
        return BatchTimes(tuple(clock or stamp for stamp in stamps), clock)
    nows: list[datetime] = []
    refused: list[int] = []
    for index, stamp in enumerate(stamps):
        if clock is None or (stamp > clock and _is_allowed_jump(policy.max_jump, clock, stamp)):
            clock = stamp
        elif stamp > clock:
            refused.append(index)
        nows.append(clock)
    return BatchTimes(tuple(nows), clock, tuple(refused))


def _is_allowed_jump(max_jump: timedelta | None, clock: datetime, stamp: datetime) -> bool:
    return max_jump is None or stamp - clock <= max_jump
