"""Carries a prepared batch into the store, and finds the message at fault when it is refused."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winchester_core.errors import DataRefused
from winchester_core.model.message import EventOutcome, EventStatus
from winchester_core.storage.records import MatchedEvent
from winchester_core.storage.stream_clock import ClockKind
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.telemetry.failpoints import Failpoint, hit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.storage.interface import IngestStore
    from winchester_core.storage.records import IngestResult
    from winchester_core.storage.stream_clock import StreamClock
    from winchester_core.triggers.stream_time import TimePolicy


logger = logging.getLogger(__name__)


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


# What became of a batch that was handed in.


__all__ = ["AddResult", "EventOutcome", "EventStatus"]


@dataclass(frozen=True, slots=True)
class AddResult:
    """What became of a batch: one outcome for each, in the order given."""

    outcomes: tuple[EventOutcome, ...]

    @property
    def stored(self) -> int:
        """How many are new and were stored."""
        return self._number(EventStatus.STORED)

    @property
    def duplicates(self) -> int:
        """How many were known by their message id."""
        return self._number(EventStatus.DUPLICATE)

    @property
    def invalid(self) -> int:
        """How many could not be stored; each outcome has the reason."""
        return self._number(EventStatus.INVALID)

    @property
    def dropped(self) -> int:
        """How many notifications no definition covers."""
        return self._number(EventStatus.DROPPED)

    def _number(self, outcome: EventStatus) -> int:
        return sum(each.status is outcome for each in self.outcomes)
