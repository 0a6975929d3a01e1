"""Pump from one event source into an ingester: receive, store, acknowledge."""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeVar

from winchester_core.clock import ClockKind, monotonic
from winchester_core.failpoints import Failpoint, hit
from winchester_core.ingest.batching import MessageBatcher, parts_by_bytes
from winchester_core.ingest.decoding import make_rejection
from winchester_core.ingest.storing_thread import StoringThread
from winchester_core.model.message import EventStatus
from winchester_core.retry import retry_until_stopped
from winchester_core.telemetry.counters import Count
from winchester_core.telemetry.log_context import LogContext
from winchester_core.telemetry.watchdog import Watchdog

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Self

    from winchester_core.ingest.ingester import Ingester, PreparedBatch
    from winchester_core.ingest.recorder import AddResult
    from winchester_core.interfaces import EventSource
    from winchester_core.model.message import Message
    from winchester_core.telemetry.watchdog import Deadline


logger = logging.getLogger(__name__)

Result = TypeVar("Result")

QUERY_INTERVAL_SECONDS = 10.0
"""Minimum interval of queries of a source's numbers; `lag` may be a request to a broker."""

MAX_ATTEMPTS_BEFORE_REPLY = 4
"""Number of attempts to store a batch while senders wait for the reply (about a second)."""


class SourcePump:
    """Moves messages from one source into the store.

    A message is acknowledged only after the transaction that stored it has committed. An invalid
    message is first stored as a rejected message. While the database is unavailable, the pump
    retries its batch; when it is stopped, it releases the batch for redelivery. If a source
    `replies_to_sender`, only invalid messages with `keep_invalid` are stored, and the batch is
    released after a few attempts.

    All methods of the source are called in the thread that calls `run`. If the source
    `allows_prefetch` and has more messages, and the database is a server, another thread stores a
    batch while this thread receives and prepares the next. Then these invariants hold:

    1. At most two batches are held: one is being stored, the other is collected or prepared.
    2. The storing of a batch begins after the batch before it has been settled. So batches are
       stored and acknowledged in order.
    3. If a batch is not stored, or if the pump is stopped, the next batch is released after it.
    4. A batch is stored with the triggers that were in use when it was prepared.

    Other messages stay at their origin until they are received. `batch_wait_seconds` as in
    `MessageBatcher`.
    """

    def __init__(
        self,
        name: str,
        source: EventSource,
        ingester: Ingester,
        *,
        batch_size: int,
        batch_wait_seconds: float = 0.0,
        stop: threading.Event,
        on_batch: Callable[[PumpTotals], None] | None = None,
        on_idle: Callable[[], None] | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self.totals = PumpTotals()
        self._name = name
        self._source = source
        self._ingester = ingester
        self._batcher = MessageBatcher(
            source, size=batch_size, wait_seconds=batch_wait_seconds, stop=stop
        )
        self._stop = stop
        self._on_batch = on_batch
        self._on_idle = on_idle
        self._deadline = deadline or Watchdog().deadline(name)
        self._storing_thread: StoringThread[AddResult | None] = StoringThread(f"store-{name}")
        self._being_stored: Sequence[Message] = ()
        """The messages that the other thread stores."""
        self._unsettled = 0
        """Number of messages that have left the batcher and are not settled."""
        self.lag: int | None = None
        """Number of messages at the origin at the last query; None if unknown."""
        self.refused: Mapping[str, int] = {}
        """Number of requests that the source refused until the last query, by reason."""
        self._next_query_at = monotonic()

    @property
    def in_flight(self) -> int:
        """Number of messages that are received but not settled. Any thread may read it."""
        return self._unsettled + len(self._batcher)

    def run(self) -> PumpTotals:
        """Pump until `stop` is set or the source is exhausted."""
        self._deadline.extend()
        try:
            self._source.open()
            try:
                self._pump()
            finally:
                self._end()
        finally:
            self._source.close()
        return self.totals

    def ingest(self, messages: Sequence[Message], stamps: Sequence[datetime] | None = None) -> bool:
        """Store these messages and settle them with the source. Return False if some were released.

        If they exceed `MAX_BATCH_BYTES`, they are stored in several transactions, in order.
        `stamps` as in `Ingester.add_messages`.
        """
        return self._ingest_in_parts(
            messages, lambda part: self._ingest(messages[part], stamps and stamps[part])
        )

    def _pump(self) -> None:
        while not self._stop.is_set() and not self._is_finished():
            self._deadline.extend()
            if self._being_stored and not self._batcher.collect_available(
                self._storing_thread.is_done
            ):
                self._finish_storing()
                continue
            messages = self._batcher.next_batch()
            if self._being_stored or (self._batcher.is_full(messages) and self._may_prefetch()):
                self._ingest_ahead(messages)
            elif messages:
                self.ingest(messages)
            elif self._on_idle is not None:
                self._on_idle()
            self._query_source()

    def _is_finished(self) -> bool:
        return self._source.exhausted and not self._being_stored and not len(self._batcher)

    def _end(self) -> None:
        try:
            self._finish_storing()
        finally:
            self._storing_thread.close()
            self._batcher.release()

    def _may_prefetch(self) -> bool:
        """Return whether the next batch may be prepared while this one is stored.

        An embedded database uses this process's time, so there is nothing to gain. The first batch
        sets the event clock, whose time a later notification without a timestamp gets.
        """
        ingester = self._ingester
        is_clock_set = ingester.clock.kind is not ClockKind.EVENT or self.totals.stored > 0
        return (
            getattr(self._source, "allows_prefetch", False)
            and not ingester.store.is_embedded
            and is_clock_set
        )

    def _query_source(self) -> None:
        """Update the numbers that the source knows, at intervals."""
        if monotonic() >= self._next_query_at:
            self.lag = self._source.lag()
            self.refused = getattr(self._source, "refused", dict)()
            self._next_query_at = monotonic() + QUERY_INTERVAL_SECONDS

    def _ingest_ahead(self, messages: Sequence[Message]) -> bool:
        """Prepare a batch, and let the other thread store it. Return as `ingest` does."""
        return self._ingest_in_parts(messages, lambda part: self._start_storing(messages[part]))

    def _ingest_in_parts(
        self, messages: Sequence[Message], ingest: Callable[[slice], bool]
    ) -> bool:
        """Call `ingest` for each part of a batch. If it returns False or fails, release the rest.

        `ingest` settles or releases its part, or returns True while the other thread stores it.
        """
        self._unsettled += len(messages)
        for part in parts_by_bytes(messages):
            is_ingested = False
            try:
                is_ingested = ingest(part)
            finally:
                if not is_ingested and part.stop < len(messages):
                    self._release(messages[part.stop :])
            if not is_ingested:
                return False
        return True

    def _ingest(self, messages: Sequence[Message], stamps: Sequence[datetime] | None) -> bool:
        """Prepare, store and settle messages. Return False if they were released."""
        with self._log_context("ingest", messages):
            prepared = self._prepare(messages, stamps)
            with self._releasing_after_error(messages):
                result = self._store(messages, prepared)
            return self._settle_or_release(messages, result)

    def _start_storing(self, messages: Sequence[Message]) -> bool:
        """Prepare messages, and let the other thread store them after the messages before them.

        Return False if they were released.
        """
        with self._log_context("prepare", messages):
            prepared = self._prepare(messages, None)

        def store() -> AddResult | None:
            with self._log_context("ingest", messages):
                return self._store(messages, prepared)

        with self._releasing_after_error(messages):
            is_next = self._finish_storing() and not self._stop.is_set()
            if is_next:
                self._storing_thread.start(store)
        if not is_next:
            self._release(messages)
            return False
        self._being_stored = messages
        return True

    def _finish_storing(self) -> bool:
        """Wait until the other thread has stored its messages, and settle them.

        Return False if they were released, True also if there are none.
        """
        messages, self._being_stored = self._being_stored, ()
        if not messages:
            return True
        with self._releasing_after_error(messages):
            result = self._storing_thread.wait()
        return self._settle_or_release(messages, result)

    def _log_context(self, step: str, messages: Sequence[Message]) -> LogContext:
        return LogContext(step, source=self._name, messages=len(messages))

    @contextmanager
    def _releasing_after_error(self, messages: Sequence[Message]) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._release(messages)
            raise

    def _prepare(
        self, messages: Sequence[Message], stamps: Sequence[datetime] | None
    ) -> PreparedBatch:
        hit(Failpoint.RECEIVED)
        with self._releasing_after_error(messages):
            prepared = self._ingester.prepare_messages(messages, stamps)
            hit(Failpoint.PREPARED)
        return prepared

    def _store(self, messages: Sequence[Message], prepared: PreparedBatch) -> AddResult | None:
        """Store a batch and its rejected messages. Return None if it was stopped or given up."""
        result = self._retry(lambda: self._ingester.add_prepared(prepared))
        if result is None or not self._store_rejected(messages, result):
            return None
        return result

    def _store_rejected(self, messages: Sequence[Message], result: AddResult) -> bool:
        rejections = [
            make_rejection(
                self._name,
                message,
                outcome.reason or "",
                self._ingester.rejection_context(message),
            )
            for message, outcome in zip(messages, result.outcomes, strict=True)
            if outcome.status is EventStatus.INVALID
            and (message.keep_invalid or not self._source.replies_to_sender)
        ]
        if not rejections:
            return True
        self._ingester.counters.add(Count.MESSAGES_REJECTED, len(rejections))
        store = self._ingester.store
        return self._retry(lambda: store.insert_rejected(rejections)) is not None

    def _retry(self, action: Callable[[], Result]) -> Result | None:
        max_attempts = MAX_ATTEMPTS_BEFORE_REPLY if self._source.replies_to_sender else None
        action = self._deadline.extend_before(action)
        return retry_until_stopped(self._ingester.outage, self._stop, action, max_attempts)

    def _settle_or_release(self, messages: Sequence[Message], result: AddResult | None) -> bool:
        if result is None:
            self._release(messages)
            return False
        self._settle(messages, result)
        return True

    def _release(self, messages: Sequence[Message]) -> None:
        self._unsettled -= len(messages)
        self._source.release(messages)

    def _settle(self, messages: Sequence[Message], result: AddResult) -> None:
        source, pairs = self._source, list(zip(messages, result.outcomes, strict=True))
        invalid = [each for each in pairs if each[1].status is EventStatus.INVALID]
        valid = [each for each, outcome in pairs if outcome.status is not EventStatus.INVALID]
        self._unsettled -= len(messages)
        with ExitStack() as stack:  # makes all calls even if some fail, the last one first
            for message, outcome in reversed(invalid):
                stack.callback(source.reject, message, outcome.reason or "")
            stack.callback(source.ack, valid)
            for message, outcome in reversed(pairs) if source.replies_to_sender else ():
                stack.callback(source.reply, message, outcome)
        hit(Failpoint.ACKNOWLEDGED)
        self.totals.add(result)
        if self._on_batch is not None:
            self._on_batch(self.totals)


@dataclass(slots=True)
class PumpTotals:
    """Message counts of a pump by outcome, and the number of failures of its source."""

    received: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    dropped: int = 0
    failures: int = 0

    def add(self, result: AddResult) -> None:
        """Add the outcomes of a batch."""
        self.received += len(result.outcomes)
        self.stored += result.stored
        self.duplicates += result.duplicates
        self.rejected += result.invalid
        self.dropped += result.dropped

    def text(self) -> str:
        """Return `received` and all other nonzero numbers as key=value pairs."""
        numbers = ((field.name, getattr(self, field.name)) for field in fields(self))
        return " ".join(f"{name}={n}" for name, n in numbers if n or name == "received")

    @classmethod
    def sum_of(cls, totals: Iterable[PumpTotals]) -> Self:
        """Return the sum of several totals."""
        summands = list(totals)
        return cls(*(sum(getattr(each, field.name) for each in summands) for field in fields(cls)))
