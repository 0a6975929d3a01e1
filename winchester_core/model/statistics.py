"""What a store holds at a moment, in numbers: for whoever watches it from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from winchester_core.model.effect import Endpoint
    from winchester_core.model.stream import Reason, StreamState


@dataclass(frozen=True, slots=True)
class EffectBacklog:
    """The effects of one endpoint: how many wait, and how many are dead letters.

    `oldest_seconds` is how long the one that has waited longest waits; 0 where none does.
    """

    pending: int = 0
    dead: int = 0
    oldest_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """How many streams, effects and rejected messages there are, and how long they wait.

    `streams` has the numbers by trigger and state; neither is named where there is none.
    `oldest_ready_seconds` is how long the stream that is ready for the longest time waits for a
    worker: since its fire or expire time, in stream time, or since its retry was due, in real
    time. `oldest_unexpired_seconds` is how long ago, in stream time, the first event of the oldest
    active stream was. All of these are 0 where there is none, and never negative.
    `stream_time` is the time of the statistics; None while the event clock has never been set.
    """

    stream_time: datetime | None
    streams: Mapping[str, Mapping[StreamState, int]]
    oldest_ready_seconds: Mapping[Reason, float]
    oldest_unexpired_seconds: float
    effects: Mapping[Endpoint, EffectBacklog]
    rejected: int


def seconds_since(moment: datetime | None, now: datetime | None) -> float:
    """How long ago `moment` was; 0 when it is to come, or one of the two is not known."""
    if moment is None or now is None:
        return 0.0
    return max(0.0, (now - moment).total_seconds())
