"""Maintenance by workers: trimming, recalculation of streams, overdue effects."""

from __future__ import annotations

import logging
from collections import Counter, deque
from functools import partial
from typing import TYPE_CHECKING, Final

from winchester_core.clock import monotonic
from winchester_core.errors import TimeEvaluationError
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.worker.operations_upkeep import OperationsUpkeep

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from winchester_core.clock import StreamClock
    from winchester_core.storage.interface import EffectStore, WorkStore
    from winchester_core.storage.records import TrimCursor
    from winchester_core.telemetry.watchdog import Deadline
    from winchester_core.timex import Expression
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.matcher import TriggerSet
    from winchester_core.worker.options import WorkerOptions


TRIM_ROUND_SECONDS = 0.5
"""Maximum time for which a worker trims before it returns to streams."""

SWEEP_DELAY_SECONDS_PER_KEPT_EVENT = 0.001
"""Delay per kept event; about 100 times the cost of checking an event again."""


class Trimmer:
    """Deletes old events that belong to no uncompleted stream, in batches.

    A sweep proceeds from the oldest event to the newest event that is old enough, and continues
    with events that become old enough later. If events were kept because they belong to a stream,
    the next sweep checks them again. The more events were kept, the later it starts, so that it
    does not read a million kept events again and again.
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
        """Trim batches for a limited time, until nothing is left or `stop` is set.

        After each batch it pauses for the time that the batch took. SQLite's writers poll for the
        lock instead of queueing, so without the pause ingest would always find the database locked.
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
        """Delete one batch of events with both an old timestamp and an old storage time.

        Return their number.
        """
        age = self._options.trim_age
        now = self._clock.now() if age is not None else None
        if age is None or now is None:
            return 0
        if self._next_sweep_at is not None and monotonic() >= self._next_sweep_at:
            self._cursor, self._kept, self._next_sweep_at = None, 0, None
        result = self._store.trim(
            _evaluate(age, now),
            _evaluate(age, self._store.real_time()),
            self._options.trim_batch_size,
            self._cursor,
        )
        self._counters.add(Count.EVENTS_TRIMMED, result.removed)
        self._cursor, self.has_more = result.cursor, result.more
        self._kept += result.kept
        if not result.more and self._next_sweep_at is None:
            self._next_sweep_at = monotonic() + self._kept * SWEEP_DELAY_SECONDS_PER_KEPT_EVENT
        return result.removed


def _evaluate(age: Expression, now: datetime) -> datetime:
    """Return the value of `age`, or the nearest time within the years 1000-9999."""
    try:
        return age.evaluate({"timestamp": now}).timestamp
    except TimeEvaluationError as error:
        if error.clamp is None:
            raise
        return error.clamp


# Recalculation of open streams after their trigger has changed.


logger = logging.getLogger(__name__)

RECALCULATION_BATCH: Final = 100
"""Streams per transaction."""

RECALCULATION_ROUND_BATCHES: Final = 10
"""Maximum number of transactions per round; then the worker returns to ready streams."""

SCAN_DELAYS_SECONDS: Final = (0.0, 60.0, 600.0)
"""Times after a start or a reload at which to scan for streams to recalculate."""


class StreamRecalculator:
    """Recalculates the open streams of changed triggers, in small transactions.

    It scans at once, and again after one and ten minutes, because processes with the old
    configuration may have opened or recalculated streams in between.
    """

    def __init__(
        self, store: WorkStore, triggers: TriggerSet, counters: Counters, deadline: Deadline
    ) -> None:
        self._store = store
        self._triggers = triggers
        self._counters = counters
        self._deadline = deadline
        started_at = monotonic()
        self._scan_times = deque(started_at + seconds for seconds in SCAN_DELAYS_SECONDS)
        self._remaining: deque[TriggerDefinition] = deque()
        self._recalculated: Counter[str] = Counter()

    @property
    def has_more(self) -> bool:
        """Return whether the current scan is unfinished."""
        return bool(self._remaining)

    def is_due(self) -> bool:
        """Start a scan if it is due. Return whether a scan is in progress."""
        if not self._remaining and self._scan_times and self._scan_times[0] <= monotonic():
            self._scan_times.popleft()
            self._remaining.extend(self._triggers.by_name.values())
        return bool(self._remaining)

    def round(self, now: datetime) -> None:
        """Recalculate a limited number of streams. `now` is stream time."""
        batches = 0
        while self._remaining and batches < RECALCULATION_ROUND_BATCHES:
            definition = self._remaining[0]
            self._deadline.extend()
            number = self._store.recalculate(definition, now, RECALCULATION_BATCH)
            batches += number > 0
            self._recalculated[definition.name] += number
            self._counters.add(Count.STREAMS_RECALCULATED, number)
            if number < RECALCULATION_BATCH:
                self._remaining.popleft()
                recalculated = self._recalculated.pop(definition.name, 0)
                if recalculated:
                    logger.info(
                        "open streams recalculated after a change of their trigger: "
                        "streams=%d trigger=%s",
                        recalculated,
                        definition.name,
                    )


# Upkeep of waiting events, silent groups, and members that do not count any more.

UPKEEP_PERIOD_SECONDS: Final = 10.0
UPKEEP_BATCH: Final = 100
"""Rows per transaction."""


class Upkeep:
    """Deletes waiting events and silences that are over, and unlinks old members.

    It also includes the upkeep of activity, actions and processes.
    """

    def __init__(
        self,
        store: WorkStore,
        triggers: TriggerSet,
        options: WorkerOptions,
        deadline: Deadline,
        stop: threading.Event,
    ) -> None:
        self._store = store
        self._operations = OperationsUpkeep(store, options.activity_age, deadline, stop)
        self._deadline = deadline
        self._stop = stop
        self._definitions = tuple(triggers.by_name.values())
        self._keeping = [each for each in self._definitions if each.keep is not None]
        self._next_at = monotonic()

    def round(self, now: datetime | None) -> None:
        """Do what is due at stream time `now`, at most every ten seconds."""
        self._operations.round()
        if now is None or monotonic() < self._next_at:
            return
        self._repeat(partial(self._store.end_waiting, now, UPKEEP_BATCH))
        self._repeat(partial(self._store.delete_silences, now, self._definitions, UPKEEP_BATCH))
        for each in self._keeping:
            self._repeat(partial(self._store.unlink_old_members, each, now, UPKEEP_BATCH))
        self._next_at = monotonic() + UPKEEP_PERIOD_SECONDS

    def _repeat(self, batch: Callable[[], int]) -> None:
        """Call `batch` until it finds fewer rows than it may take."""
        while not self._stop.is_set():
            self._deadline.extend()
            if batch() < UPKEEP_BATCH:
                return


# Expiry of effects that were never delivered, including effects of removed handlers.


OVERDUE_EFFECTS_BATCH = 1000


def mark_overdue_effects_dead(
    store: EffectStore,
    max_age: timedelta,
    counters: Counters,
    deadline: Deadline,
    stop: threading.Event,
) -> int:
    """Mark effects dead that are older than `max_age`, until none is left or `stop` is set.

    Return their number.
    """
    total = 0
    while not stop.is_set():
        deadline.extend()
        marked = store.mark_overdue_effects_dead(max_age=max_age, limit=OVERDUE_EFFECTS_BATCH)
        for endpoint, number in marked.items():
            logger.error(
                "undelivered effects marked dead: effects=%d max_age=%s endpoint=%s",
                number,
                max_age,
                endpoint,
            )
        number = sum(marked.values())
        counters.add(Count.EFFECTS_DEAD, number)
        total += number
        if number < OVERDUE_EFFECTS_BATCH:
            break
    return total
