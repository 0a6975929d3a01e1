"""Replay of recorded messages: ingest and worker alternate; time comes from the messages.

Replaying a recorded week takes a minute and gives the same result as live. Every message advances
time when it is read, even if it is dropped or a duplicate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from winchester_core.ingest.batching import RECEIVE_TIMEOUT_SECONDS
from winchester_core.ingest.pump import SourcePump
from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from winchester_core.ingest.ingester import Ingester
    from winchester_core.interfaces import EventSource
    from winchester_core.model.message import Message
    from winchester_core.worker import Worker

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ReplayPace:
    """Times at which the worker runs during a replay.

    The worker runs whenever time enters a new `step` (aligned to midnight UTC). After the last
    message, time advances by `advance` in increments of `advance_step`, and the worker runs after
    each increment. If no message arrives for several steps, the worker also runs at the end of each
    of them in which a stream is due, so that events of handlers meet the streams that they met
    live.
    """

    step: timedelta = timedelta(hours=1)
    advance: timedelta = timedelta(days=5)
    advance_step: timedelta = timedelta(days=1)
    batch_size: int = 1000

    def step_of(self, time: datetime) -> int:
        """Return the number of the step that contains `time`."""
        return (time - EPOCH) // self.step

    def end_of_step(self, time: datetime) -> datetime:
        """Return the end of the step that contains `time`, at most the year 9999."""
        try:
            return EPOCH + (self.step_of(time) + 1) * self.step
        except OverflowError:
            return datetime.max.replace(tzinfo=UTC)

    def increments(self) -> list[timedelta]:
        """Return the increments of time after the last message; at least one, which may be zero."""
        increments = [self.advance_step] * (self.advance // self.advance_step)
        remainder = self.advance % self.advance_step
        return [*increments, remainder] if remainder or not increments else increments


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    """Counts of a replay.

    `commits_skipped` counts the skipped calls of `commit`, and `effects_discarded` the effects that
    were recorded as discarded. `new_events` counts the events that handlers created, by event type.
    """

    messages: int
    stored: int
    duplicates: int
    rejected: int
    dropped: int
    streams_opened: int
    streams_fired: int
    streams_expired: int
    streams_cancelled: int
    streams_suppressed: int
    streams_in_error: int
    commits_skipped: int = 0
    effects_discarded: int = 0
    new_events: dict[str, int] = field(default_factory=dict)


class Replayer:
    """Replay of a source. The ingester and the worker must use the event clock.

    `name` is the source's name in the log and for rejected messages.
    """

    def __init__(
        self,
        source: EventSource,
        ingester: Ingester,
        worker: Worker,
        *,
        pace: ReplayPace,
        stop: threading.Event,
        name: str = "replay",
        on_batch: Callable[[int], None] | None = None,
    ) -> None:
        self._source = source
        self._pump = SourcePump(name, source, ingester, batch_size=pace.batch_size, stop=stop)
        self._ingester = ingester
        self._worker = worker
        self._pace = pace
        self._stop = stop
        self._on_batch = on_batch
        self._time: datetime | None = None
        self._batch: list[Message] = []
        self._stamps: list[datetime] = []

    def run(self) -> ReplaySummary:
        """Replay the source until it is exhausted, then advance time; return the summary."""
        self._time = self._ingester.store.event_clock()
        try:
            self._source.open()
            while not self._stop.is_set() and not self._source.exhausted:
                messages = self._source.receive(self._pace.batch_size, RECEIVE_TIMEOUT_SECONDS)
                for message in messages:
                    self._add(message)
                self._flush()
                if self._on_batch is not None:
                    self._on_batch(self._pump.totals.received)
        finally:
            self._source.close()
        self._advance_past_end()
        self._ingester.debug.flush()
        self._worker.debug.flush()
        return self._summary()

    def _add(self, message: Message) -> None:
        time = self._ingester.message_time(message)
        if time is not None and (self._time is None or time > self._time):
            before, self._time = self._time, time
            if before is not None and self._pace.step_of(before) != self._pace.step_of(time):
                self._flush()
                self._run_worker()
        self._batch.append(message)
        # EPOCH is never used, because all messages before the first timestamp are rejected
        self._stamps.append(self._time or EPOCH)

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        stamps, self._stamps = self._stamps, []
        if batch and not self._stop.is_set():
            self._pump.ingest(batch, stamps)

    def _run_worker(self) -> None:
        """Run the worker up to the current time, step by step if streams are due earlier."""
        store = self._ingester.store
        earlier: datetime | None = None
        while self._time is not None and not self._stop.is_set():
            due = store.backlog(store.event_clock()).next_due
            # a stream that is still due is of an unknown trigger
            is_next = due is not None and (earlier is None or due > earlier)
            end = self._pace.end_of_step(due) if due is not None and is_next else self._time
            earlier = min(end, self._time)
            store.advance_event_clock(earlier)
            self._worker.run_until_idle()
            if end >= self._time:
                return

    def _advance_past_end(self) -> None:
        for increment in self._pace.increments():
            if self._time is not None:
                self._time += increment
            self._run_worker()

    def _summary(self) -> ReplaySummary:
        totals = self._pump.totals
        counts = self._worker.counters
        return ReplaySummary(
            messages=totals.received,
            stored=totals.stored,
            duplicates=totals.duplicates,
            rejected=totals.rejected,
            dropped=totals.dropped,
            streams_opened=self._ingester.counters[Count.STREAMS_OPENED]
            + counts[Count.STREAMS_OPENED],
            streams_fired=counts[Count.STREAMS_FIRED],
            streams_expired=counts[Count.STREAMS_EXPIRED],
            streams_cancelled=counts[Count.STREAMS_CANCELLED],
            streams_suppressed=counts[Count.STREAMS_SUPPRESSED],
            streams_in_error=counts[Count.STREAMS_IN_ERROR],
            commits_skipped=counts[Count.HANDLER_COMMITS_SKIPPED],
            effects_discarded=counts[Count.EFFECTS_DISCARDED],
            new_events=dict(sorted(counts.labels(Count.EVENTS_CREATED).items())),
        )
