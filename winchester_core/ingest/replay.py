"""Replays recorded messages: ingest and worker take turns, and time is that of the messages.

A recorded week passes in a minute, with the result that it had live. Time comes from every
message as it is read, from those that are dropped or known too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from winchester_core.ingest.pump import RECEIVE_TIMEOUT_SECONDS
from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from winchester_core.ingest.ingester import Ingester
    from winchester_core.ingest.pump import SourcePump
    from winchester_core.interfaces import EventSource
    from winchester_core.model.message import Message
    from winchester_core.worker import Worker

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ReplayPace:
    """When the worker gets its turns.

    The worker runs whenever time enters a new `step` (counted from midnight UTC); at the end
    time goes on by `advance`, in strides of `advance_step`, the worker after each.
    """

    step: timedelta = timedelta(hours=1)
    advance: timedelta = timedelta(days=5)
    advance_step: timedelta = timedelta(days=1)
    batch_size: int = 1000

    def step_of(self, moment: datetime) -> int:
        """The number of the step that `moment` falls in."""
        return (moment - EPOCH) // self.step

    def strides(self) -> list[timedelta]:
        """How far time goes on before each of the worker's last turns; at least one turn."""
        strides = [self.advance_step] * (self.advance // self.advance_step)
        rest = self.advance % self.advance_step
        return [*strides, rest] if rest or not strides else strides


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    """What a replay did. `new_events` counts what handlers made, by event type."""

    messages: int
    stored: int
    duplicates: int
    rejected: int
    dropped: int
    streams_opened: int
    streams_fired: int
    streams_expired: int
    streams_in_error: int
    new_events: dict[str, int] = field(default_factory=dict)


class Replayer:
    """One replay of one source. The manager and the worker must be on the event clock."""

    def __init__(
        self,
        *,
        source: EventSource,
        pump: SourcePump,
        manager: Ingester,
        worker: Worker,
        pace: ReplayPace,
        stop: threading.Event,
        on_batch: Callable[[int], None] | None = None,
    ) -> None:
        self._source = source
        self._pump = pump
        self._manager = manager
        self._worker = worker
        self._pace = pace
        self._stop = stop
        self._on_batch = on_batch
        self._time: datetime | None = None
        self._batch: list[Message] = []
        self._stamps: list[datetime] = []

    def run(self) -> ReplaySummary:
        """Replay the source to its end, then let time go on; return what happened."""
        self._time = self._manager.store.event_clock()
        try:
            self._source.open()
            while not self._stop.is_set() and not self._source.exhausted:
                messages = self._source.receive(self._pace.batch_size, RECEIVE_TIMEOUT_SECONDS)
                for message in messages:
                    self._pass(message)
                self._flush()
                if self._on_batch is not None:
                    self._on_batch(self._pump.totals.received)
        finally:
            self._source.close()
        self._go_on()
        self._manager.debug.flush()
        self._worker.debug.flush()
        return self._summary()

    def _pass(self, message: Message) -> None:
        moment = self._manager.message_time(message)
        if moment is not None and (self._time is None or moment > self._time):
            before, self._time = self._time, moment
            if before is not None and self._pace.step_of(before) != self._pace.step_of(moment):
                self._flush()
                self._work()
        self._batch.append(message)
        # a message without a time can only be rejected; until one has a time there is none
        self._stamps.append(self._time or EPOCH)

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        stamps, self._stamps = self._stamps, []
        if batch and not self._stop.is_set():
            self._pump.take(batch, stamps)

    def _work(self) -> None:
        if self._time is not None and not self._stop.is_set():
            self._manager.store.advance_event_clock(self._time)
            self._worker.run_until_idle()

    def _go_on(self) -> None:
        for stride in self._pace.strides():
            if self._time is not None:
                self._time += stride
            self._work()

    def _summary(self) -> ReplaySummary:
        totals = self._pump.totals
        counts = self._worker.counters
        return ReplaySummary(
            messages=totals.received,
            stored=totals.stored,
            duplicates=totals.duplicates,
            rejected=totals.rejected,
            dropped=totals.dropped,
            streams_opened=self._manager.counters[Count.STREAMS_OPENED]
            + counts[Count.STREAMS_OPENED],
            streams_fired=counts[Count.STREAMS_FIRED],
            streams_expired=counts[Count.STREAMS_EXPIRED],
            streams_in_error=counts[Count.STREAMS_IN_ERROR],
            new_events=dict(sorted(counts.labels(Count.EVENTS_CREATED).items())),
        )
