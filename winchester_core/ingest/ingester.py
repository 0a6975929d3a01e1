"""Ingest of events and notifications, each batch in one transaction."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winchester_core.clock import ClockKind
from winchester_core.config.triggers import add_definitions, delete_definition
from winchester_core.distill import open_envelope
from winchester_core.errors import InvalidEvent, WinchesterError
from winchester_core.ingest.decoding import NoDefinition
from winchester_core.ingest.event_groups import merge_outcomes, with_group_stamp, with_stamp
from winchester_core.ingest.recorder import AddResult, Recorder
from winchester_core.mapping import MessageDropped
from winchester_core.model.event import clean_event, printable
from winchester_core.model.message import EventOutcome, EventStatus, Message, MessageKind
from winchester_core.pipelines import NOT_CAUGHT, describe_error
from winchester_core.retry import OutageState
from winchester_core.storage.debug_flusher import DebugFlusher
from winchester_core.storage.records import MatchedEvent
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.telemetry.metrics import LabelValues
from winchester_core.triggers.matcher import TriggerSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from typing import Self

    from winchester_core.clock import StreamClock
    from winchester_core.ingest.decoding import Decoder
    from winchester_core.interfaces import Condition
    from winchester_core.model.event import CleanEvent, Event, TraitDrop
    from winchester_core.storage.interface import Store
    from winchester_core.triggers.definition import TriggerDefinition

logger = logging.getLogger(__name__)

DEBUG_PERIOD_SECONDS = 10.0
"""Default period of storing debug counts."""


@dataclass(frozen=True, slots=True)
class IngestConfiguration:
    """Triggers and the decoder of messages, which are replaced together."""

    definitions: Sequence[TriggerDefinition]
    decoder: Decoder


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """Decoded and matched messages, in order. `time` is published when they are stored.

    There is one item for each message, unless `item_numbers` has their numbers by message: a
    mapping makes one or more items of a message.
    """

    items: Sequence[MatchedEvent | EventOutcome]
    time: datetime | None = None
    item_numbers: Sequence[int] | None = None


class Ingester:
    """Stores events and adds them to the streams of the triggers that they match.

    Invalid input is an outcome, not an exception. Methods raise `ConfigurationError` and
    `StorageError`. Each call is a separate transaction. Safe to share between threads, but not
    across a fork. A context manager that closes the store on exit.
    """

    def __init__(
        self,
        *,
        store: Store,
        stream_clock: StreamClock,
        configuration: IngestConfiguration,
        conditions: Mapping[str, type[Condition]],
        counters: Counters | None = None,
        debug_period_seconds: float = DEBUG_PERIOD_SECONDS,
    ) -> None:
        self.store = store
        self.counters = counters or Counters()
        self.debug = DebugFlusher(store, debug_period_seconds)
        self.outage = OutageState("database", self.counters)
        self._clock = stream_clock
        self._triggers = TriggerSet(configuration.definitions, self.debug.counts)
        self._conditions = conditions
        self._decoder = configuration.decoder
        self._recorder = Recorder(store, stream_clock, self.counters)
        self._reload_lock = threading.Lock()

    # --- adding ---------------------------------------------------------------------------

    def add_event(self, event: Mapping[str, Any]) -> bool:
        """Add one event. Return whether it was stored (not a duplicate or invalid)."""
        return self.add_events([event]).stored == 1

    def add_events(self, events: Iterable[Mapping[str, Any]]) -> AddResult:
        """Add events in one transaction. The result is as if they were added one by one."""
        return self._add(events, clean_event)

    def add_notification(self, notification: Mapping[str, Any]) -> bool:
        """Distil one notification and add its event. Return whether the event was stored."""
        return self.add_notifications([notification]).stored == 1

    def add_notifications(self, notifications: Iterable[Mapping[str, Any]]) -> AddResult:
        """Distil notifications and add their events, in one transaction.

        A notification may be in an oslo.messaging envelope.
        """
        return self._add(notifications, self._decoder.notification)

    def add_messages(
        self, messages: Sequence[Message], stamps: Sequence[datetime] | None = None
    ) -> AddResult:
        """Add a source's messages in one transaction. The result has one outcome per message.

        `stamps` (one per message) override the times to which the event clock advances.
        """
        return self.add_prepared(self.prepare_messages(messages, stamps))

    def prepare_messages(
        self, messages: Sequence[Message], stamps: Sequence[datetime] | None = None
    ) -> PreparedBatch:
        """Decode and match messages for `add_prepared`; `stamps` as in `add_messages`."""
        if any(message.mappings for message in messages):
            return self._prepare_with_mappings(messages, stamps)
        prepared = self._prepare(messages, self._decoder.message)
        if stamps is None:
            return prepared
        return PreparedBatch(
            [with_stamp(each, stamp) for each, stamp in zip(prepared.items, stamps, strict=True)]
        )

    def add_prepared(self, prepared: PreparedBatch) -> AddResult:
        """Add a prepared batch in one transaction; safe to retry after a failure."""
        outcomes = self._recorder.record(prepared.items)
        if prepared.item_numbers is not None:
            outcomes = merge_outcomes(outcomes, prepared.item_numbers)
        result = AddResult(outcomes)
        self._clock.publish(prepared.time)
        self.debug.flush_if_due()
        return result

    def convert_notification(self, notification: Mapping[str, Any]) -> Event | None:
        """Return the event of a notification without storing it.

        Returns None if no definition covers the notification, or if it is invalid; the reason is
        then counted and logged.
        """
        try:
            return self._decoder.notification(notification).event
        except BaseException as error:  # noqa: BLE001 - as in `_prepare_one`
            self._unusable(notification, error)
            return None

    def message_time(self, message: Message) -> datetime | None:
        """Return the timestamp of a message, aware UTC, or None if it has no valid timestamp."""
        return self._decoder.message_time(message)

    def rejection_context(self, message: Message) -> str | None:
        """Return the context with which an invalid message is stored, or None if it has none."""
        return self._decoder.rejection_context(message)

    # --- triggers -------------------------------------------------------------------------

    def add_trigger_definition(self, configs: Iterable[Mapping[str, Any]]) -> None:
        """Add triggers, given as entries of `triggers.yaml`; replace triggers of the same name.

        If any trigger is invalid, raises `ConfigurationError` with all problems and adds no
        trigger.
        """
        with self._reload_lock:
            current = self._triggers.by_name.values()
            definitions = add_definitions(current, configs, self._conditions)
            self._triggers = TriggerSet(definitions, self.debug.counts)

    def delete_trigger_definition(self, name: str) -> None:
        """Remove a trigger, but not its streams. Raises `ConfigurationError` if unknown."""
        with self._reload_lock:
            definitions = delete_definition(self._triggers.by_name.values(), name)
            self._triggers = TriggerSet(definitions, self.debug.counts)

    def reload(self, configuration: IngestConfiguration) -> None:
        """Replace all triggers, event definitions and mappings, also those added by a program.

        Sources may use mappings that are removed, because they are not reloaded; these are kept.
        Any thread may call it while messages are added.
        """
        with self._reload_lock:
            configuration.decoder.keep_removed_mappings(self._decoder)
            self._triggers = TriggerSet(configuration.definitions, self.debug.counts)
            self._decoder = configuration.decoder

    # --- properties and close -------------------------------------------------------------

    @property
    def clock(self) -> StreamClock:
        """The clock of stream time."""
        return self._clock

    def current_time(self) -> datetime | None:
        """Return stream time, aware UTC, or None if the event clock is not set yet."""
        return self._clock.now()

    @property
    def label_values(self) -> LabelValues:
        """Configured names, for the labels of metrics."""
        return LabelValues(self._triggers.by_name.keys())

    @property
    def received(self) -> int:
        """Number of events and notifications received."""
        return self.counters[Count.MESSAGES_RECEIVED]

    @property
    def saved(self) -> int:
        """Number of events stored."""
        return self.counters[Count.EVENTS_STORED]

    def close(self) -> None:
        """Publish the time of the `time_sync` clock, store the debug counts, close the store.

        Idempotent.
        """
        self._clock.close()
        self.debug.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _add(self, items: Iterable[Any], decode: Callable[[Any], CleanEvent]) -> AddResult:
        return self.add_prepared(self._prepare(items, decode))

    def _prepare(self, items: Iterable[Any], decode: Callable[[Any], CleanEvent]) -> PreparedBatch:
        triggers = self._triggers
        items = list(items)
        prepared = [self._prepare_one(item, decode, triggers) for item in items]
        self.counters.add(Count.MESSAGES_RECEIVED, len(prepared))
        if self._clock.kind is ClockKind.TIME_SYNC:
            return self._synchronized(items, prepared)
        return PreparedBatch(prepared)

    def _prepare_with_mappings(
        self, messages: Sequence[Message], stamps: Sequence[datetime] | None
    ) -> PreparedBatch:
        """Decode and match messages, some of which have mappings that may make several events."""
        triggers = self._triggers
        groups = [
            self._prepare_mapped(message, triggers)
            if message.mappings
            else [self._prepare_one(message, self._decoder.message, triggers)]
            for message in messages
        ]
        self.counters.add(Count.MESSAGES_RECEIVED, len(messages))
        numbers = [len(group) for group in groups]
        if stamps is not None:
            earlier: Iterable[datetime | None] = [None, *stamps[:-1]]
            groups = [
                with_group_stamp(group, before, stamp)
                for group, before, stamp in zip(groups, earlier, stamps, strict=True)
            ]
        prepared = [each for group in groups for each in group]
        if stamps is None and self._clock.kind is ClockKind.TIME_SYNC:
            sources = [
                message
                for message, number in zip(messages, numbers, strict=True)
                for _ in range(number)
            ]
            batch = self._synchronized(sources, prepared)
            return PreparedBatch(batch.items, batch.time, numbers)
        return PreparedBatch(prepared, None, numbers)

    def _prepare_mapped(
        self, message: Message, triggers: TriggerSet
    ) -> list[MatchedEvent | EventOutcome]:
        """Return all events of a message with mappings, or its outcome if there is none."""
        try:
            events = self._decoder.mapped_message(message)
            matched = [
                MatchedEvent(each.event, tuple(triggers.match(each.event)), each.event["timestamp"])
                for each in events
            ]
        except BaseException as error:  # noqa: BLE001 - as in `_prepare_one`
            return [self._unusable(message, error)]
        for each in events:
            if each.drops:
                self._report_drops(each.event, each.drops)
        return [*matched]

    def _synchronized(
        self, items: Sequence[Any], prepared: list[MatchedEvent | EventOutcome]
    ) -> PreparedBatch:
        """Set the arrival times of the events. Dropped notifications also advance the time."""
        times = {
            index: time
            for index, (item, each) in enumerate(zip(items, prepared, strict=True))
            if (time := self._time_of(item, each)) is not None
        }
        arrivals = self._clock.receive(list(times.values()))
        if arrivals is None or arrivals.end is None:
            return PreparedBatch(prepared)
        indexes = list(times)
        for index in (indexes[each] for each in arrivals.refused):
            self._recorder.report_refused_jump(_message_id(prepared[index]), times[index])
        for index, arrival in zip(indexes, arrivals.arrival_times, strict=True):
            prepared[index] = with_stamp(prepared[index], arrival)
        accepted = (time for time in times.values() if time <= arrivals.end)
        return PreparedBatch(prepared, max(accepted, default=None))

    def _time_of(self, item: Any, prepared: MatchedEvent | EventOutcome) -> datetime | None:
        if isinstance(prepared, MatchedEvent):
            return prepared.stamp
        if prepared.status is not EventStatus.DROPPED:
            return None
        notification = (
            item if isinstance(item, Message) else Message(item, MessageKind.NOTIFICATION)
        )
        return self._decoder.message_time(notification)

    def _prepare_one(
        self, item: Any, decode: Callable[[Any], CleanEvent], triggers: TriggerSet
    ) -> MatchedEvent | EventOutcome:
        try:
            clean = decode(item)
            matches = triggers.match(clean.event)
        except BaseException as error:  # noqa: BLE001 - of a library or plugin: costs this message
            return self._unusable(item, error)
        if clean.drops:
            self._report_drops(clean.event, clean.drops)
        return MatchedEvent(clean.event, tuple(matches), clean.event["timestamp"])

    def _unusable(self, item: Any, error: BaseException) -> EventOutcome:
        """Return the outcome of an item if decoding or matching it raised `error`.

        If the item did not cause `error`, raises it.
        """
        if isinstance(error, NoDefinition):
            self.counters.add(Count.NOTIFICATIONS_DROPPED, label=error.event_type)
            return EventOutcome(EventStatus.DROPPED, error.message_id, str(error))
        if isinstance(error, MessageDropped):
            self.counters.add(Count.NOTIFICATIONS_DROPPED, label=error.label)
            return EventOutcome(EventStatus.DROPPED, None, str(error))
        if isinstance(error, InvalidEvent):
            return self._invalid(item, error)
        if isinstance(error, (WinchesterError, *NOT_CAUGHT)):
            raise error
        return self._invalid(item, InvalidEvent("", f"cannot be read: {describe_error(error)}"))

    def _report_drops(self, event: Event, drops: Sequence[TraitDrop]) -> None:
        for drop in drops:
            logger.warning(
                "trait dropped: event=%s trait=%s reason=%s",
                event["message_id"],
                drop.trait,
                drop.reason,
                extra={"event": event["message_id"]},
            )
        self.counters.add(Count.TRAITS_DROPPED, len(drops))

    def _invalid(self, item: Any, error: InvalidEvent) -> EventOutcome:
        message_id = _printable_id(item)
        logger.warning(
            "event invalid: event=%s received_from=%s reason=%s",
            message_id or "-",
            getattr(item, "received_from", "") or "-",
            error,
            extra={"event": message_id},
        )
        self.counters.add(Count.EVENTS_INVALID)
        return EventOutcome(EventStatus.INVALID, message_id, str(error))


def _message_id(prepared: MatchedEvent | EventOutcome) -> str | None:
    if isinstance(prepared, EventOutcome):
        return prepared.message_id
    message_id: str = prepared.event["message_id"]
    return message_id


def _printable_id(item: Any) -> str | None:
    """Return the message id of an invalid event in printable form, if it has one."""
    body = getattr(item, "body", item)
    with suppress(Exception):  # the body is invalid, so only its id is read
        message_id = open_envelope(body).get("message_id")
        return printable(message_id) if isinstance(message_id, str) else None
    return None
