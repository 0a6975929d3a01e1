"""The clock of stream time, as `clock:` chooses it, for ingest and for workers."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import TYPE_CHECKING

from winchester_core.clock import TimeSyncClock
from winchester_core.errors import ClockError
from winchester_core.triggers.batch_plan import EventTime, FixedTime, TimePolicy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from winchester_core.clock import Clock
    from winchester_core.storage.interface import IngestStore

logger = logging.getLogger(__name__)


class ClockKind(StrEnum):
    """The choices of the setting `clock`."""

    SYSTEM = "system"
    EVENT = "event"
    TIME_SYNC = "time_sync"


class StreamClock:
    """Tells stream time, and says how a batch of events moves it."""

    def __init__(
        self,
        kind: ClockKind,
        store: IngestStore,
        clock: Clock,
        *,
        max_jump: timedelta | None = None,
    ) -> None:
        self.kind = kind
        self._store = store
        self._clock = clock
        self._max_jump = max_jump

    def now(self) -> datetime | None:
        """Stream time, aware UTC; None while the event clock has never been set."""
        if self.kind is ClockKind.EVENT:
            return self._store.event_clock()
        return self._clock.now()

    def ingest_policy(self) -> TimePolicy:
        """How events that arrive at this moment are timed."""
        if self.kind is ClockKind.EVENT:
            return EventTime(self._max_jump)
        return FixedTime(self._clock.now())

    def completion_policy(self) -> TimePolicy:
        """How events that handlers make are timed: they never move the clock."""
        if self.kind is ClockKind.EVENT:
            return EventTime(advances=False)
        return FixedTime(self._clock.now())

    def publish(self, timestamps: Sequence[datetime]) -> None:
        """Events with these timestamps have been ingested: a `time_sync` service is told.

        They are stored whether it listens or not; it is told again with the next ones.
        """
        if isinstance(self._clock, TimeSyncClock) and timestamps:
            try:
                self._clock.publish(max(timestamps))
            except ClockError as error:
                logger.warning("cannot publish the stream time: %s", error)
