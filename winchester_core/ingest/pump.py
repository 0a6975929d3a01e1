"""Pump from one event source into an ingester: receive, store, acknowledge."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, TypeVar

from winchester_core.clock import monotonic
from winchester_core.failpoints import Failpoint, hit
from winchester_core.ingest.decoding import make_rejection
from winchester_core.model.message import EventStatus, MessageKind
from winchester_core.retry import retry_until_stopped
from winchester_core.telemetry.counters import Count
from winchester_core.telemetry.log_context import LogContext
from winchester_core.telemetry.watchdog import Watchdog

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from typing import Self

    from winchester_core.ingest.ingester import Ingester
    from winchester_core.ingest.recorder import AddResult
    from winchester_core.interfaces import EventSource
    from winchester_core.model.message import Message
    from winchester_core.telemetry.watchdog import Deadline


logger = logging.getLogger(__name__)

Result = TypeVar("Result")

LAG_INTERVAL_SECONDS = 10.0
"""Minimum interval of lag queries, because they may be requests to a broker."""

NO_DEFINITIONS = "no event definitions are configured for notifications"

MAX_ATTEMPTS_BEFORE_REPLY = 4
"""Number of attempts to store a batch while senders wait for the reply (about a second)."""


class SourcePump:
    """Moves messages from one source into the store, in one thread.

    A message is acknowledged only after the transaction that stored it has committed. An invalid
    message is first stored as a rejected message. While the database is unavailable, the pump
    retries its batch; when it is stopped, it releases the batch for redelivery. If a source
    `replies_to_sender`, invalid messages are not stored, and the batch is released after a few
    attempts.

    The pump has no queue; messages stay at their origin until they are received.
    `batch_wait_seconds` as in `MessageBatcher`.
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
        self.in_flight = 0
        """Number of messages that are received but not settled. Any thread may read it."""
        self.lag: int | None = None
        """Number of messages at the origin at the last query; None if unknown."""
        self._next_lag_query_at = monotonic()

    def run(self) -> PumpTotals:
        """Pump until `stop` is set or the source is exhausted."""
        self._deadline.extend()
        try:
            self._source.open()
            while not self._stop.is_set() and not self._source.exhausted:
                self._deadline.extend()
                messages = self._batcher.next_batch()
                if messages:
                    self.ingest(messages)
                elif self._on_idle is not None:
                    self._on_idle()
                self._update_lag()
        finally:
            self._source.close()
        return self.totals

    def ingest(self, messages: Sequence[Message], stamps: Sequence[datetime] | None = None) -> bool:
        """Store these messages and settle them with the source. Return False if some were released.

        If they exceed `MAX_BATCH_BYTES`, they are stored in several transactions, in order.
        `stamps` as in `Ingester.add_messages`.
        """
        self.in_flight = len(messages)
        try:
            for part in _parts_by_bytes(messages):
                settled = False
                try:
                    with LogContext("ingest", source=self._name, messages=len(messages[part])):
                        settled = self._ingest(messages[part], stamps and stamps[part])
                finally:
                    if not settled and part.stop < len(messages):
                        self._source.release(messages[part.stop :])
                if not settled:
                    return False
            return True
        finally:
            self.in_flight = 0

    def _update_lag(self) -> None:
        if monotonic() >= self._next_lag_query_at:
            self.lag = self._source.lag()
            self._next_lag_query_at = monotonic() + LAG_INTERVAL_SECONDS

    def _ingest(self, messages: Sequence[Message], stamps: Sequence[datetime] | None) -> bool:
        hit(Failpoint.RECEIVED)
        try:
            prepared = self._ingester.prepare_messages(
                self._refuse_notifications_without_definitions(messages), stamps
            )
            result = self._retry(lambda: self._ingester.add_prepared(prepared))
            is_stored = result is not None and self._store_rejected(messages, result)
        except BaseException:
            self._source.release(messages)
            raise
        if result is None or not is_stored:
            self._source.release(messages)
            return False
        self._settle(messages, result)
        return True

    def _refuse_notifications_without_definitions(
        self, messages: Sequence[Message]
    ) -> Sequence[Message]:
        """Mark notifications invalid if there are no definitions and the sender waits for a reply.

        For other sources `prepare_messages` raises `ConfigurationError`, which a waiting sender
        would not receive.
        """
        if self._ingester.accepts_notifications or not self._source.replies_to_sender:
            return messages
        return [
            replace(each, fault=each.fault or NO_DEFINITIONS)
            if each.kind is MessageKind.NOTIFICATION
            else each
            for each in messages
        ]

    def _store_rejected(self, messages: Sequence[Message], result: AddResult) -> bool:
        if self._source.replies_to_sender:
            return True
        rejections = [
            make_rejection(self._name, message, outcome.reason or "")
            for message, outcome in zip(messages, result.outcomes, strict=True)
            if outcome.status is EventStatus.INVALID
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

    def _settle(self, messages: Sequence[Message], result: AddResult) -> None:
        source, pairs = self._source, list(zip(messages, result.outcomes, strict=True))
        invalid = [each for each in pairs if each[1].status is EventStatus.INVALID]
        valid = [each for each, outcome in pairs if outcome.status is not EventStatus.INVALID]
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


MAX_BATCH_BYTES = 8 * 1024 * 1024
"""Maximum size of message bodies per transaction. MariaDB accepts 16 MiB per statement."""


def _parts_by_bytes(messages: Sequence[Message]) -> Iterator[slice]:
    """Divide messages into consecutive parts of at most `MAX_BATCH_BYTES` or one message.

    If a body is already parsed, its size is unknown and counts as 0.
    """
    begin = size = 0
    for index, message in enumerate(messages):
        length = len(message.body) if isinstance(message.body, bytes) else 0
        if index > begin and size + length > MAX_BATCH_BYTES:
            yield slice(begin, index)
            begin, size = index, 0
        size += length
    yield slice(begin, len(messages))


RECEIVE_TIMEOUT_SECONDS = 1.0


class MessageBatcher:
    """Collects messages of an open source into batches of up to `size`.

    A single message is returned immediately. If the source is busy (the last batch had more than
    one message), a batch waits up to `wait_seconds` for more messages, because a transaction with
    one message costs nearly as much as one with a hundred. If senders wait for a reply, the batch
    never waits.
    """

    def __init__(
        self, source: EventSource, *, size: int, wait_seconds: float, stop: threading.Event
    ) -> None:
        self._source = source
        self._size = size
        self._wait_seconds = 0.0 if source.replies_to_sender else wait_seconds
        self._stop = stop
        self._is_busy = False

    def next_batch(self) -> list[Message]:
        """Return the next batch. It is empty if no message arrives within a second.

        Errors of the source propagate, after the messages received so far have been released.
        """
        messages = list(self._source.receive(self._size, RECEIVE_TIMEOUT_SECONDS))
        if messages and self._is_busy:
            self._fill(messages)
        self._is_busy = len(messages) > 1
        return messages

    def _fill(self, messages: list[Message]) -> None:
        timeout_at = monotonic() + self._wait_seconds
        try:
            while (
                len(messages) < self._size
                and not self._stop.is_set()
                and not self._source.exhausted
            ):
                remaining = timeout_at - monotonic()
                if remaining <= 0:
                    return
                messages += self._source.receive(self._size - len(messages), remaining)
        except BaseException:
            self._source.release(messages)
            raise


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
