"""Statistics of a store, for monitoring."""

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
    """Numbers of pending effects and dead letters of one endpoint.

    `oldest_seconds` is the age of the oldest pending effect, or 0 if there is none.
    """

    pending: int = 0
    dead: int = 0
    oldest_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """Numbers of streams, effects and rejected messages, and how long they have waited.

    `streams` contains the numbers by trigger and state; zero counts are omitted.
    `oldest_ready_seconds` is the time that the oldest ready stream has waited for a worker: in
    stream time since it was due to fire or expire, or in real time since its retry was due.
    `oldest_unexpired_seconds` is the age, in stream time, of the first event of the oldest active
    stream. If there is no such stream, the age is 0; ages are never negative. `stream_time` is the
    time of the statistics, or None if the event clock is not set. `trials` is the number of streams
    that wait to be tried alone. With `counted_up_to`, the streams of a trigger in a state and the
    rejected messages were counted only up to this number, and the oldest active stream was searched
    among as many of the oldest streams.
    """

    stream_time: datetime | None
    streams: Mapping[str, Mapping[StreamState, int]]
    oldest_ready_seconds: Mapping[Reason, float]
    oldest_unexpired_seconds: float
    effects: Mapping[Endpoint, EffectBacklog]
    rejected: int
    trials: int = 0
    counted_up_to: int | None = None


@dataclass(frozen=True, slots=True)
class Replica:
    """A database server that accepts no writes.

    `lag_seconds` is the age of its data: the time since the last change that it has received. It is
    0 if the server has everything that the primary has written, and None if it is unknown.
    """

    lag_seconds: float | None


def seconds_since(moment: datetime | None, now: datetime | None) -> float:
    """Return the age of `moment` at `now`; 0 if it is in the future or either is None."""
    if moment is None or now is None:
        return 0.0
    return max(0.0, (now - moment).total_seconds())
