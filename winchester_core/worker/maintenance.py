"""Removes old events that no uncompleted stream holds."""

from __future__ import annotations

import logging
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

from winchester_core.clock import monotonic
from winchester_core.telemetry.counters import Count, Counters

if TYPE_CHECKING:
    import threading
    from datetime import datetime, timedelta

    from winchester_core.storage.interface import EffectStore, WorkStore
    from winchester_core.storage.records import TrimCursor, TrimResult
    from winchester_core.storage.stream_clock import StreamClock
    from winchester_core.telemetry.watchdog import Deadline
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.matcher import TriggerSet
    from winchester_core.worker.options import WorkerOptions


TRIM_ROUND_SECONDS = 0.5
"""How long a worker trims before it looks after streams again."""

REST_SECONDS_PER_KEPT_EVENT = 0.001
"""To look at an event again takes some 10 microseconds: about a hundredth of this."""


class Trimmer:
    """One worker's trimming: batch after batch, each past the one before.

    A sweep goes from the oldest event to the youngest that is old enough, and then on with those
    that become old enough. What it has left, because a stream held it, is looked at by the next
    sweep, which waits the longer the more there was: a million events that uncompleted streams
    hold are not read again by each batch.
    """

    def __init__(
        self,
        store: WorkStore,
        clock: StreamClock,
        options: WorkerOptions,
        counters: Counters,
        stop: threading.Event,
    ) -> None:
        self._store = store
        self._clock = clock
        self._options = options
        self._counters = counters
        self._stop = stop
        self._cursor: TrimCursor | None = None
        self._kept = 0
        self._next_sweep_at: float | None = None
        self.has_more = False

    def round(self) -> None:
        """Trim while there is something to trim, for a bounded time and until told to stop.

        It rests as long as it works: on SQLite, where writers do not queue but look again from time
        to time, ingest would else find the database locked each time it looks.
        """
        now = monotonic()
        end = now + TRIM_ROUND_SECONDS
        while True:
            started = now
            self.batch()
            now = monotonic()
            if not self.has_more or now >= end or self._stop.wait(now - started):
                return

    def batch(self) -> int:
        """Remove one batch of events, older by their own time and by when they were stored.

        Returns how many. Raises `TimeEvaluationError` when the age leaves the years 1000-9999.
        """
        age = self._options.trim_age
        now = self._clock.now() if age is not None else None
        if age is None or now is None:
            return 0
        if self._next_sweep_at is not None and monotonic() >= self._next_sweep_at:
            self._cursor, self._kept, self._next_sweep_at = None, 0, None
        trimmed = self._store.trim(
            age.evaluate({"timestamp": now}).timestamp,
            age.evaluate({"timestamp": self._store.real_time()}).timestamp,
            self._options.trim_batch_size,
            self._cursor,
        )
        self._note(trimmed)
        return trimmed.removed

    def _note(self, trimmed: TrimResult) -> None:
        self._counters.add(Count.EVENTS_TRIMMED, trimmed.removed)
        self._cursor, self.has_more = trimmed.cursor, trimmed.more
        self._kept += trimmed.kept
        if not trimmed.more and self._next_sweep_at is None:
            self._next_sweep_at = monotonic() + self._kept * REST_SECONDS_PER_KEPT_EVENT


# Brings open streams up to date after their trigger's rules have changed.


logger = logging.getLogger(__name__)

RECALCULATION_BATCH: Final = 100
"""Streams a transaction."""

RECALCULATION_ROUND_BATCHES: Final = 10
"""How many transactions a round takes before the worker looks after what is ready."""

SCAN_DELAYS_SECONDS: Final = (0.0, 60.0, 600.0)
"""When to look, after a start or a change."""


class StreamRecalculator:
    """Counts the open streams of changed triggers anew, in small transactions, round by round.

    It looks at once, and again a minute and ten minutes later: processes that still went by the
    rules of before may meanwhile have opened streams, or counted them back.
    """

    def __init__(
        self, store: WorkStore, triggers: TriggerSet, counters: Counters, pulse: Deadline
    ) -> None:
        self._store = store
        self._triggers = triggers
        self._counters = counters
        self._pulse = pulse
        started_at = monotonic()
        self._looks = deque(started_at + seconds for seconds in SCAN_DELAYS_SECONDS)
        self._left: deque[TriggerDefinition] = deque()
        self._refreshed: Counter[str] = Counter()

    @property
    def has_more(self) -> bool:
        """Whether the next round goes on with this one's work."""
        return bool(self._left)

    def is_due(self) -> bool:
        """Whether there is anything to look at in this round."""
        if not self._left and self._looks and self._looks[0] <= monotonic():
            self._looks.popleft()
            self._left.extend(self._triggers.by_name.values())
        return bool(self._left)

    def round(self, now: datetime) -> None:
        """Bring a bounded number of streams up to date; `now` is stream time."""
        batches = 0
        while self._left and batches < RECALCULATION_ROUND_BATCHES:
            definition = self._left[0]
            self._pulse.beat()
            number = self._store.recalculate(definition, now, RECALCULATION_BATCH)
            batches += number > 0
            self._refreshed[definition.name] += number
            self._counters.add(Count.STREAMS_RECALCULATED, number)
            if number < RECALCULATION_BATCH:
                self._left.popleft()
                self._tell_of(definition)

    def _tell_of(self, definition: TriggerDefinition) -> None:
        refreshed = self._refreshed.pop(definition.name, 0)
        if refreshed:
            logger.info(
                "trigger %s has changed: %d open streams counted anew", definition.name, refreshed
            )


# Takes streams from workers that died.


RESCUE_BATCH = 1000


def rescue(store: WorkStore, max_attempts: int, counters: Counters, pulse: Deadline) -> int:
    """Send streams whose lease has run out to their next try; return how many were found."""
    total = 0
    while True:
        pulse.beat()
        again, failed = store.rescue(max_attempts=max_attempts, limit=RESCUE_BATCH)
        counters.add(Count.STREAMS_RESCUED, again)
        counters.add(Count.STREAMS_IN_ERROR, failed)
        if again or failed:
            logger.warning(
                "rescued %d streams of dead workers; %d more are in error, attempts used up",
                again,
                failed,
            )
        total += again + failed
        if again + failed < RESCUE_BATCH:
            return total


# Gives effects up that nobody has taken in time, those of removed handlers included.


OVERDUE_EFFECTS_BATCH = 1000


def mark_overdue_effects_dead(store: EffectStore, max_age: timedelta, counters: Counters) -> int:
    """Make dead letters of the effects that have waited for `max_age`; return how many."""
    total = 0
    while True:
        given_up = store.mark_overdue_effects_dead(max_age=max_age, limit=OVERDUE_EFFECTS_BATCH)
        for endpoint, number in given_up.items():
            logger.error(
                "%d effects of %s were not delivered in %s: they are dead letters now",
                number,
                endpoint,
                max_age,
            )
        number = sum(given_up.values())
        counters.add(Count.EFFECTS_DEAD, number)
        total += number
        if number < OVERDUE_EFFECTS_BATCH:
            return total
