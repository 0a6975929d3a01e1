"""Removes old events that no uncompleted stream holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.clock import monotonic
from winchester_core.telemetry.counters import Count, Counters

if TYPE_CHECKING:
    import threading

    from winchester_core.storage.interface import WorkStore
    from winchester_core.storage.records import TrimCursor, TrimResult
    from winchester_core.storage.stream_clock import StreamClock
    from winchester_core.worker.options import WorkerOptions

ROUND_SECONDS = 0.5
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
        end = now + ROUND_SECONDS
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
