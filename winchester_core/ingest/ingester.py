"""The ingesting side: takes events and notifications, each batch in one transaction."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from winchester_core.config.triggers import check_trigger_definitions
from winchester_core.errors import ConfigurationError, DataRefused, InvalidEvent
from winchester_core.ingest.decoding import NoDefinition
from winchester_core.ingest.outcome import AddResult
from winchester_core.model.event import clean_event, printable
from winchester_core.model.message import EventOutcome, EventStatus
from winchester_core.storage.debug_flusher import DebugFlusher
from winchester_core.storage.records import MatchedEvent
from winchester_core.storage.stream_clock import ClockKind
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.telemetry.failpoints import Failpoint, hit
from winchester_core.telemetry.metrics import LabelValues
from winchester_core.telemetry.retry import DATABASE_AND_CLOCK, OutageState
from winchester_core.triggers.definition import TriggerDefinition
from winchester_core.triggers.matcher import TriggerSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from winchester_core.ingest.decoding import Decoder
    from winchester_core.interfaces import Condition
    from winchester_core.model.event import CleanEvent, Event, TraitDrop
    from winchester_core.model.message import Message
    from winchester_core.storage.interface import IngestStore, Store
    from winchester_core.storage.records import IngestResult
    from winchester_core.storage.stream_clock import StreamClock
    from winchester_core.triggers.batch_plan import TimePolicy

    Prepared = Sequence[MatchedEvent | EventOutcome]

logger = logging.getLogger(__name__)

DEBUG_PERIOD_SECONDS = 10.0
"""How often debug counts are brought into the database, where `statistics_period` does not say."""


class Ingester:
    """Stores events and lets them join the streams of the triggers they match.

    Bad input is an outcome, never an exception; what is raised is `ConfigurationError` and
    `StorageError`. Safe to share between threads, each call being a transaction of its own; not
    across a fork. A context manager: leaving it closes the store's connections.
    """

    def __init__(
        self,
        *,
        store: Store,
        stream_clock: StreamClock,
        definitions: Iterable[TriggerDefinition],
        conditions: Mapping[str, type[Condition]],
        decoder: Decoder,
        counters: Counters | None = None,
        debug_period_seconds: float = DEBUG_PERIOD_SECONDS,
    ) -> None:
        self.store = store
        self.counters = counters or Counters()
        self.debug = DebugFlusher(store, debug_period_seconds)
        self.outage = OutageState(DATABASE_AND_CLOCK, self.counters)
        self._clock = stream_clock
        self._triggers = TriggerSet(definitions, self.debug.counts)
        self._conditions = conditions
        self._decoder = decoder
        self._recorder = Recorder(store, stream_clock, self.counters)
        self._changing = threading.Lock()

    # --- adding ---------------------------------------------------------------------------

    def add_event(self, event: Mapping[str, Any]) -> bool:
        """Add one event; tell whether it was stored (not a duplicate, not invalid)."""
        return self.add_events([event]).stored == 1

    def add_events(self, events: Iterable[Mapping[str, Any]]) -> AddResult:
        """Add events in one transaction: the same as one at a time in this order."""
        return self._add(events, clean_event)

    def add_notification(self, notification: Mapping[str, Any]) -> bool:
        """Distil one notification and add its event; tell whether it was stored."""
        return self.add_notifications([notification]).stored == 1

    def add_notifications(self, notifications: Iterable[Mapping[str, Any]]) -> AddResult:
        """Distil notifications, bare or in oslo.messaging's envelope, and add their events.

        One transaction, as `add_events`.
        """
        return self._add(notifications, self._decoder.notification)

    def add_messages(
        self, messages: Sequence[Message], stamps: Sequence[datetime] | None = None
    ) -> AddResult:
        """Add a source's messages in one transaction.

        `stamps` are the times that they move the event clock to, where a replay knows better
        than the events themselves.
        """
        return self.add_prepared(self.prepare_messages(messages, stamps))

    def prepare_messages(
        self, messages: Sequence[Message], stamps: Sequence[datetime] | None = None
    ) -> Prepared:
        """Decode and match messages, for `add_prepared`; `stamps` as in `add_messages`."""
        prepared = self._prepare(messages, self._decoder.message)
        if stamps is None:
            return prepared
        return [_with_stamp(each, stamp) for each, stamp in zip(prepared, stamps, strict=True)]

    def add_prepared(self, prepared: Prepared) -> AddResult:
        """Add prepared messages in one transaction; again, where that has failed, is safe."""
        result = AddResult(self._recorder.record(prepared))
        self.debug.flush_if_due()
        return result

    def convert_notification(self, notification: Mapping[str, Any]) -> Event | None:
        """The event that a notification distils to, not stored; None when none covers it.

        Raises `InvalidEvent` when it lacks what an event needs.
        """
        try:
            return self._decoder.notification(notification).event
        except NoDefinition:
            return None

    def message_time(self, message: Message) -> datetime | None:
        """When a message says it happened; None when it does not say."""
        return self._decoder.message_time(message)

    # --- triggers -------------------------------------------------------------------------

    def add_trigger_definition(self, configs: Iterable[Mapping[str, Any]]) -> None:
        """Add triggers, each as an entry of `triggers.yaml`; one of the same name is replaced.

        Raises `ConfigurationError` naming every problem; then none is added.
        """
        checked = check_trigger_definitions(configs, self._conditions)
        added = [TriggerDefinition.from_config(each, self._conditions) for each in checked]
        with self._changing:
            by_name = {**self._triggers.by_name, **{each.name: each for each in added}}
            self._triggers = TriggerSet(by_name.values(), self.debug.counts)

    def delete_trigger_definition(self, name: str) -> None:
        """Remove a trigger; its streams stay. Raises `ConfigurationError` for an unknown name."""
        with self._changing:
            remaining = dict(self._triggers.by_name)
            if remaining.pop(name, None) is None:
                known = ", ".join(sorted(self._triggers.by_name)) or "none"
                raise ConfigurationError([f"no trigger is named {name!r}; there are: {known}"])
            self._triggers = TriggerSet(remaining.values(), self.debug.counts)

    def change(self, *, definitions: Iterable[TriggerDefinition], decoder: Decoder) -> None:
        """Go by these triggers and event definitions from the next message on.

        They replace all that there were, those of `add_trigger_definition` too. May be called
        from any thread, while messages are added.
        """
        with self._changing:
            self._triggers = TriggerSet(definitions, self.debug.counts)
            self._decoder = decoder

    # --- the rest -------------------------------------------------------------------------

    @property
    def clock(self) -> StreamClock:
        """The clock of stream time."""
        return self._clock

    def current_time(self) -> datetime | None:
        """Stream time, aware UTC; None while the event clock has never been set."""
        return self._clock.now()

    @property
    def takes_notifications(self) -> bool:
        """Whether event definitions are configured."""
        return self._decoder.has_definitions

    @property
    def names(self) -> LabelValues:
        """The names that metrics may have as labels."""
        return LabelValues(self._triggers.by_name.keys())

    @property
    def received(self) -> int:
        """How many events and notifications this manager was given."""
        return self.counters[Count.MESSAGES_RECEIVED]

    @property
    def saved(self) -> int:
        """How many of them it stored."""
        return self.counters[Count.EVENTS_STORED]

    def close(self) -> None:
        """Let go of the database, once the debug counts are in it. Idempotent."""
        self.debug.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _add(self, items: Iterable[Any], decode: Callable[[Any], CleanEvent]) -> AddResult:
        return self.add_prepared(self._prepare(items, decode))

    def _prepare(self, items: Iterable[Any], decode: Callable[[Any], CleanEvent]) -> Prepared:
        triggers = self._triggers
        prepared = [self._prepare_one(item, decode, triggers) for item in items]
        self.counters.add(Count.MESSAGES_RECEIVED, len(prepared))
        return prepared

    def _prepare_one(
        self, item: Any, decode: Callable[[Any], CleanEvent], triggers: TriggerSet
    ) -> MatchedEvent | EventOutcome:
        try:
            clean = decode(item)
        except InvalidEvent as invalid:
            return self._invalid(item, invalid)
        except NoDefinition as uncovered:
            self.counters.add(Count.NOTIFICATIONS_DROPPED, label=uncovered.event_type)
            return EventOutcome(EventStatus.DROPPED, uncovered.message_id, str(uncovered))
        event = clean.event
        if clean.drops:
            self._tell_drops(event, clean.drops)
        matches = triggers.match(event)
        return MatchedEvent(event, tuple(matches), event["timestamp"])

    def _tell_drops(self, event: Event, drops: Sequence[TraitDrop]) -> None:
        for drop in drops:
            logger.warning(
                "event %s: trait %s dropped: %s",
                event["message_id"],
                drop.trait,
                drop.reason,
                extra={"event": event["message_id"]},
            )
        self.counters.add(Count.TRAITS_DROPPED, len(drops))

    def _invalid(self, item: Any, invalid: InvalidEvent) -> EventOutcome:
        message_id = _printable_id(item)
        told = message_id or _origin_text(item)
        logger.warning("event %s is invalid: %s", told, invalid, extra={"event": message_id})
        self.counters.add(Count.EVENTS_INVALID)
        return EventOutcome(EventStatus.INVALID, message_id, str(invalid))


def _with_stamp(
    prepared: MatchedEvent | EventOutcome, stamp: datetime
) -> MatchedEvent | EventOutcome:
    if isinstance(prepared, EventOutcome):
        return prepared
    return MatchedEvent(prepared.event, prepared.matches, stamp)


def _origin_text(item: Any) -> str:
    """Where a bad event without a known id lay."""
    received_from = getattr(item, "received_from", "")
    return f"of {received_from}" if received_from else "without an id"


def _printable_id(item: Any) -> str | None:
    """The id of a bad event, when it is fit to be shown."""
    body = getattr(item, "body", item)
    message_id = body.get("message_id") if isinstance(body, dict) else None
    return printable(message_id) if isinstance(message_id, str) else None


class Recorder:
    """Records arrivals; everything else in a batch passes through as it is."""

    def __init__(self, store: IngestStore, clock: StreamClock, counters: Counters) -> None:
        self._store = store
        self._clock = clock
        self._counters = counters
        self._has_warned = False

    def record(self, prepared: Sequence[MatchedEvent | EventOutcome]) -> tuple[EventOutcome, ...]:
        """Store the arrivals in one transaction; return an outcome for each of `prepared`.

        When the database refuses the batch for its content, the batch is split until the message
        at fault stands alone: that one is invalid, the others are stored.
        """
        matched_events = [each for each in prepared if isinstance(each, MatchedEvent)]
        hit(Failpoint.DISTILLED)
        outcomes = iter(
            self._stored(matched_events, self._clock.ingest_policy()) if matched_events else ()
        )
        self._clock.publish([matched_event.stamp for matched_event in matched_events])
        return tuple(
            next(outcomes) if isinstance(each, MatchedEvent) else each for each in prepared
        )

    def _stored(
        self, matched_events: Sequence[MatchedEvent], policy: TimePolicy
    ) -> list[EventOutcome]:
        try:
            recorded = self._store.record(matched_events, policy)
        except DataRefused as refusal:
            if len(matched_events) == 1:
                return [self._refused(matched_events[0], refusal)]
            half = len(matched_events) // 2
            return self._stored(matched_events[:half], policy) + self._stored(
                matched_events[half:], policy
            )
        hit(Failpoint.INGEST_COMMITTED)
        self._count(matched_events, recorded)
        return [
            EventOutcome(
                EventStatus.STORED if stored else EventStatus.DUPLICATE,
                matched_event.event["message_id"],
            )
            for matched_event, stored in zip(matched_events, recorded.stored, strict=True)
        ]

    def _refused(self, matched_event: MatchedEvent, refusal: DataRefused) -> EventOutcome:
        message_id = matched_event.event["message_id"]
        reason = f"the database refuses it: {refusal}"
        logger.warning("event %s is invalid: %s", message_id, reason, extra={"event": message_id})
        self._counters.add(Count.EVENTS_INVALID)
        return EventOutcome(EventStatus.INVALID, message_id, reason)

    def _count(self, matched_events: Sequence[MatchedEvent], recorded: IngestResult) -> None:
        stored = sum(recorded.stored)
        self._counters.add(Count.EVENTS_STORED, stored)
        self._counters.add(Count.EVENTS_DUPLICATE, len(matched_events) - stored)
        self._counters.add(Count.STREAMS_OPENED, recorded.streams_opened)
        self._counters.add(Count.CLOCK_JUMPS_REFUSED, len(recorded.refused_jumps))
        for index in recorded.refused_jumps:
            event = matched_events[index].event
            logger.warning(
                "event %s of %s is too far ahead to move the event clock (event_clock_max_jump)",
                event["message_id"],
                event["timestamp"].isoformat(),
                extra={"event": event["message_id"]},
            )
        if recorded.streams_opened_expired and self._clock.kind is ClockKind.SYSTEM:
            self._warn_of_born_expired(recorded.streams_opened_expired)

    def _warn_of_born_expired(self, number: int) -> None:
        self._counters.add(Count.STREAMS_OPENED_EXPIRED, number)
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "streams are expired as soon as they open: these events are old. To process "
                "recorded events set 'clock: event', or use 'winchester replay'; these are "
                "stored now, hence with an empty database"
            )
