"""Arrival time of each event of a batch in stream time, by the kind of clock. Pure."""

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

    An event more than `max_jump` ahead does not advance it (None: no limit). With `advances`
    False it is only read: events that handlers add must not advance time.
    """

    max_jump: timedelta | None = None
    advances: bool = True


TimePolicy: TypeAlias = FixedTime | EventTime


@dataclass(frozen=True, slots=True)
class BatchTimes:
    """Arrival time of each event, the clock after the batch, and the indexes of refused jumps."""

    arrival_times: tuple[datetime, ...]
    end: datetime | None
    refused: tuple[int, ...] = ()


def compute_batch_times(
    policy: TimePolicy, clock: datetime | None, timestamps: Sequence[datetime]
) -> BatchTimes:
    """Advance `clock` (None: never set) by the events' `timestamps`, in order of arrival."""
    if isinstance(policy, FixedTime):
        return BatchTimes((policy.now,) * len(timestamps), clock)
    if not policy.advances:
        return BatchTimes(tuple(clock or time for time in timestamps), clock)
    arrival_times: list[datetime] = []
    refused: list[int] = []
    for index, time in enumerate(timestamps):
        if clock is None or (time > clock and _is_allowed_jump(policy.max_jump, clock, time)):
            clock = time
        elif time > clock:
            refused.append(index)
        arrival_times.append(clock)
    return BatchTimes(tuple(arrival_times), clock, tuple(refused))


def _is_allowed_jump(max_jump: timedelta | None, clock: datetime, time: datetime) -> bool:
    return max_jump is None or time - clock <= max_jump
