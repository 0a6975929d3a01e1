"""Pumps one event source into a trigger manager: receive, store, acknowledge."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from winchester_core.clock import monotonic
from winchester_core.ingest.gathering import BatchGatherer
from winchester_core.ingest.outcome import EventStatus
from winchester_core.ingest.rejection import rejection_of
from winchester_core.ingest.totals import PumpTotals
from winchester_core.model.message import MessageKind
from winchester_core.telemetry.checkpoints import Checkpoint, reach
from winchester_core.telemetry.counters import Count
from winchester_core.telemetry.heartbeat import Heartbeat
from winchester_core.telemetry.outage import patiently
from winchester_core.telemetry.scope import Scope

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from winchester_core.ingest.outcome import AddResult
    from winchester_core.ingest.trigger_manager import TriggerManager
    from winchester_core.interfaces import EventSource
    from winchester_core.model.message import Message
    from winchester_core.telemetry.heartbeat import Pulse

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

LAG_SECONDS = 10.0
"""How often a source is asked how much waits at its origin; a broker is asked over the network."""

NO_DEFINITIONS = "no event definitions are configured for notifications"

TRIES_WHILE_ASKED = 4
"""How often a batch is tried that someone waits for an answer to: for about a second."""


class SourcePump:
    """Moves messages from one source into the store, in one thread, until told to stop.

    A message is acknowledged only after the transaction that stored it has committed; a bad one
    is kept as a rejected message first. While the database is away the batch in hand waits; when
    told to stop meanwhile, it is released for redelivery. Of a source that `replies_to_sender` bad
    messages are not kept, and the batch is released after a few tries.

    Nothing is queued here: what is not received waits at its origin. A batch is what has come
    while the one before was stored, and within `batch_wait_seconds` more of a busy source: see
    `BatchGatherer`.
    """

    def __init__(
        self,
        name: str,
        source: EventSource,
        manager: TriggerManager,
        *,
        batch_size: int,
        batch_wait_seconds: float = 0.0,
        stop: threading.Event,
        on_batch: Callable[[PumpTotals], None] | None = None,
        on_quiet: Callable[[], None] | None = None,
        pulse: Pulse | None = None,
    ) -> None:
        self.totals = PumpTotals()
        self._name = name
        self._source = source
        self._manager = manager
        self._batches = BatchGatherer(
            source, size=batch_size, wait_seconds=batch_wait_seconds, stop=stop
        )
        self._stop = stop
        self._on_batch = on_batch
        self._on_quiet = on_quiet
        self._pulse = pulse or Heartbeat().pulse(name)
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

        `stamps` as in `TriggerManager.prepare_messages`.
        """
        self.in_hand = len(messages)
        try:
            with Scope("ingest", source=self._name, messages=len(messages)):
                return self._take(messages, stamps)
        finally:
            self.in_hand = 0

    def _ask_lag(self) -> None:
        if monotonic() >= self._lag_due:
            self.lag = self._source.lag()
            self._lag_due = monotonic() + LAG_SECONDS

    def _take(self, messages: Sequence[Message], stamps: Sequence[datetime] | None) -> bool:
        reach(Checkpoint.RECEIVED)
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
            rejection_of(self._name, message, outcome.reason or "")
            for message, outcome in zip(messages, result.outcomes, strict=True)
            if outcome.status is EventStatus.INVALID
        ]
        if not rejections:
            return True
        self._manager.counters.add(Count.MESSAGES_REJECTED, len(rejections))
        store = self._manager.store
        return self._patiently(lambda: store.insert_rejected(rejections)) is not None

    def _patiently(self, action: Callable[[], Result]) -> Result | None:
        tries = TRIES_WHILE_ASKED if self._source.replies_to_sender else None
        action = self._pulse.beating(action)
        return patiently(self._manager.outage, self._stop, action, tries)

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
        reach(Checkpoint.ACKNOWLEDGED)
        self.totals.add(result)
        if self._on_batch is not None:
            self._on_batch(self.totals)
