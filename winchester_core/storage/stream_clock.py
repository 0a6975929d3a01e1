"""The clock of stream time that the setting `clock` selects."""

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
    """The values of the setting `clock`."""

    SYSTEM = "system"
    EVENT = "event"
    TIME_SYNC = "time_sync"


class StreamClock:
    """Stream time, and the policy by which events advance it."""

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
        """Return the stream time, aware UTC; None until the event clock is first set."""
        if self.kind is ClockKind.EVENT:
            return self._store.event_clock()
        return self._clock.now()

    def ingest_policy(self) -> TimePolicy:
        """Return the time policy for events that arrive now."""
        if self.kind is ClockKind.EVENT:
            return EventTime(self._max_jump)
        return FixedTime(self._clock.now())

    def completion_policy(self) -> TimePolicy:
        """Return the time policy for events from handlers, which never advance the clock."""
        if self.kind is ClockKind.EVENT:
            return EventTime(advances=False)
        return FixedTime(self._clock.now())

    def publish(self, timestamps: Sequence[datetime]) -> None:
        """Send the latest of the ingested `timestamps` to the `time_sync` service.

        Failures are only logged: the events are stored, and the next batch publishes again.
        """
        if isinstance(self._clock, TimeSyncClock) and timestamps:
            try:
                self._clock.publish(max(timestamps))
            except ClockError as error:
                logger.warning("stream time not published: error=%s", error)
