"""Pumps one event source into a trigger manager: receive, store, acknowledge."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, TypeVar

from winchester_core.clock import monotonic
from winchester_core.ingest.decoding import make_rejection
from winchester_core.model.message import EventStatus, MessageKind
from winchester_core.telemetry.counters import Count
from winchester_core.telemetry.failpoints import Failpoint, hit
from winchester_core.telemetry.log_context import LogContext
from winchester_core.telemetry.retry import retry_until_stopped
from winchester_core.telemetry.watchdog import Watchdog

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from typing import Self

    from winchester_core.ingest.ingester import Ingester
    from winchester_core.ingest.outcome import AddResult
    from winchester_core.interfaces import EventSource
    from winchester_core.model.message import Message
    from winchester_core.telemetry.watchdog import Deadline


logger = logging.getLogger(__name__)

Result = TypeVar("Result")

LAG_INTERVAL_SECONDS = 10.0
"""How often a source is asked how much waits at its origin; a broker is asked over the network."""

NO_DEFINITIONS = "no event definitions are configured for notifications"

MAX_ATTEMPTS_BEFORE_REPLY = 4
"""How often a batch is tried that someone waits for an answer to: for about a second."""


class SourcePump:
    """Moves messages from one source into the store, in one thread, until told to stop.

    A message is acknowledged only after the transaction that stored it has committed; a bad one
    is kept as a rejected message first. While the database is away the batch in hand waits; when
    told to stop meanwhile, it is released for redelivery. Of a source that `replies_to_sender` bad
    messages are not kept, and the batch is released after a few tries.

    Nothing is queued here: what is not received waits at its origin. A batch is what has come
    while the one before was stored, and within `batch_wait_seconds` more of a busy source: see
    `MessageBatcher`.
    """

    def __init__(
        self,
        name: str,
        source: EventSource,
        manager: Ingester,
        *,
        batch_size: int,
        batch_wait_seconds: float = 0.0,
        stop: threading.Event,
        on_batch: Callable[[PumpTotals], None] | None = None,
        on_quiet: Callable[[], None] | None = None,
        pulse: Deadline | None = None,
    ) -> None:
        self.totals = PumpTotals()
        self._name = name
        self._source = source
        self._manager = manager
        self._batches = MessageBatcher(
            source, size=batch_size, wait_seconds=batch_wait_seconds, stop=stop
        )
        self._stop = stop
        self._on_batch = on_batch
        self._on_quiet = on_quiet
        self._pulse = pulse or Watchdog().pulse(name)
        self.in_hand = 0
        """How many messages are received and not settled; other threads may read it."""
        self.lag: int | None = None
        """How many waited at the origin when last asked; None where that is not known."""
        self._lag_due = monotonic()

    def run(self) -> PumpTotals:
        """Pump until `stop` is set or the source is exhausted."""
        self._pulse.beat()
        try:
            self._source.open()
            while not self._stop.is_set() and not self._source.exhausted:
                self._pulse.beat()
                messages = self._batches.gather()
                if messages:
                    self.take(messages)
                elif self._on_quiet is not None:
                    self._on_quiet()
                self._ask_lag()
        finally:
            self._source.close()
        return self.totals

    def take(self, messages: Sequence[Message], stamps: Sequence[datetime] | None = None) -> bool:
        """Store these messages and settle them with the source; False when they were released.

        `stamps` as in `Ingester.prepare_messages`.
        """
        self.in_hand = len(messages)
        try:
            with LogContext("ingest", source=self._name, messages=len(messages)):
                return self._take(messages, stamps)
        finally:
            self.in_hand = 0

    def _ask_lag(self) -> None:
        if monotonic() >= self._lag_due:
            self.lag = self._source.lag()
            self._lag_due = monotonic() + LAG_INTERVAL_SECONDS

    def _take(self, messages: Sequence[Message], stamps: Sequence[datetime] | None) -> bool:
        hit(Failpoint.RECEIVED)
        try:
            prepared = self._manager.prepare_messages(self._readable(messages), stamps)
            result = self._patiently(lambda: self._manager.add_prepared(prepared))
            kept = result is not None and self._keep_rejected(messages, result)
        except BaseException:
            self._source.release(messages)
            raise
        if result is None or not kept:
            self._source.release(messages)
            return False
        self._settle(messages, result)
        return True

    def _readable(self, messages: Sequence[Message]) -> Sequence[Message]:
        """The messages; without definitions, notifications that a sender can be told of are bad.

        Of other sources they are a fault of the configuration: nobody would hear of it.
        """
        if self._manager.takes_notifications or not self._source.replies_to_sender:
            return messages
        return [
            replace(each, fault=each.fault or NO_DEFINITIONS)
            if each.kind is MessageKind.NOTIFICATION
            else each
            for each in messages
        ]

    def _keep_rejected(self, messages: Sequence[Message], result: AddResult) -> bool:
        if self._source.replies_to_sender:
            return True
        rejections = [
            make_rejection(self._name, message, outcome.reason or "")
            for message, outcome in zip(messages, result.outcomes, strict=True)
            if outcome.status is EventStatus.INVALID
        ]
        if not rejections:
            return True
        self._manager.counters.add(Count.MESSAGES_REJECTED, len(rejections))
        store = self._manager.store
        return self._patiently(lambda: store.insert_rejected(rejections)) is not None

    def _patiently(self, action: Callable[[], Result]) -> Result | None:
        tries = MAX_ATTEMPTS_BEFORE_REPLY if self._source.replies_to_sender else None
        action = self._pulse.beating(action)
        return retry_until_stopped(self._manager.outage, self._stop, action, tries)

    def _settle(self, messages: Sequence[Message], result: AddResult) -> None:
        pairs = list(zip(messages, result.outcomes, strict=True))
        if self._source.replies_to_sender:
            for message, outcome in pairs:
                self._source.reply(message, outcome)
        self._source.ack(
            [message for message, outcome in pairs if outcome.status is not EventStatus.INVALID]
        )
        for message, outcome in pairs:
            if outcome.status is EventStatus.INVALID:
                self._source.reject(message, outcome.reason or "")
        hit(Failpoint.ACKNOWLEDGED)
        self.totals.add(result)
        if self._on_batch is not None:
            self._on_batch(self.totals)


# Gathers what comes from a source into batches, by number or time.


RECEIVE_TIMEOUT_SECONDS = 1.0


class MessageBatcher:
    """Takes batches of up to `size` messages from a source that is open.

    What comes alone is handed on at once. As soon as messages follow each other, the first of a
    batch waits up to `wait_seconds` for others, for a transaction costs nearly the same for one
    message and for a hundred. A source whose senders wait for an answer is never waited for.
    """

    def __init__(
        self, source: EventSource, *, size: int, wait_seconds: float, stop: threading.Event
    ) -> None:
        self._source = source
        self._size = size
        self._wait_seconds = 0.0 if source.replies_to_sender else wait_seconds
        self._stop = stop
        self._is_busy = False

    def gather(self) -> list[Message]:
        """The next batch; empty when nothing came for a second.

        Raises what the source raises; what had come before is released then.
        """
        messages = list(self._source.receive(self._size, RECEIVE_TIMEOUT_SECONDS))
        if messages and self._is_busy:
            self._add_others(messages)
        self._is_busy = len(messages) > 1
        return messages

    def _add_others(self, messages: list[Message]) -> None:
        until = monotonic() + self._wait_seconds
        try:
            while len(messages) < self._size and not self._is_over():
                remaining = until - monotonic()
                if remaining <= 0:
                    return
                messages += self._source.receive(self._size - len(messages), remaining)
        except BaseException:
            self._source.release(messages)
            raise

    def _is_over(self) -> bool:
        return self._stop.is_set() or self._source.exhausted


# What was moved from a source into the store, in numbers.


@dataclass(slots=True)
class PumpTotals:
    """What a pump has moved so far, and how often its source has failed."""

    received: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    dropped: int = 0
    failures: int = 0

    def add(self, result: AddResult) -> None:
        """Add a batch."""
        self.received += len(result.outcomes)
        self.stored += result.stored
        self.duplicates += result.duplicates
        self.rejected += result.invalid
        self.dropped += result.dropped

    def text(self) -> str:
        """The numbers as statistics show them: how many were received, and what is not 0."""
        numbers = ((field.name, getattr(self, field.name)) for field in fields(self))
        return " ".join(f"{name}={n}" for name, n in numbers if n or name == "received")

    @classmethod
    def together(cls, totals: Iterable[PumpTotals]) -> Self:
        """The sum of several."""
        every = list(totals)
        return cls(*(sum(getattr(each, field.name) for each in every) for field in fields(cls)))
