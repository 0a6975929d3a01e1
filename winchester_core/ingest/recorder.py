"""Storage of the matched events of a batch, and the outcome of each event."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winchester_core.clock import ClockKind
from winchester_core.errors import ConnectionBroken, DataRefused, WinchesterError
from winchester_core.failpoints import Failpoint, hit
from winchester_core.model.message import EventOutcome, EventStatus
from winchester_core.pipelines import NOT_CAUGHT, describe_error
from winchester_core.storage.records import MatchedEvent
from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from winchester_core.clock import StreamClock, TimePolicy
    from winchester_core.storage.interface import IngestStore
    from winchester_core.storage.records import IngestResult
    from winchester_core.telemetry.counters import Counters

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AddResult:
    """Outcomes of a batch, one per event in the given order."""

    outcomes: tuple[EventOutcome, ...]

    @property
    def stored(self) -> int:
        """Number of new events, which were stored."""
        return self._number(EventStatus.STORED)

    @property
    def duplicates(self) -> int:
        """Number of events with a message id that was already stored."""
        return self._number(EventStatus.DUPLICATE)

    @property
    def invalid(self) -> int:
        """Number of events that could not be stored. Their outcomes contain the reasons."""
        return self._number(EventStatus.INVALID)

    @property
    def dropped(self) -> int:
        """Number of notifications that no event definition matches."""
        return self._number(EventStatus.DROPPED)

    def _number(self, status: EventStatus) -> int:
        return sum(each.status is status for each in self.outcomes)


class Recorder:
    """Stores the matched events of a batch, and counts and logs the results."""

    def __init__(self, store: IngestStore, clock: StreamClock, counters: Counters) -> None:
        self._store = store
        self._clock = clock
        self._counters = counters
        self._has_warned_of_old_events = False

    def record(self, prepared: Sequence[MatchedEvent | EventOutcome]) -> tuple[EventOutcome, ...]:
        """Store the matched events in one transaction; return an outcome for each of `prepared`.

        If the database or a library refuses the content of the batch, the batch is bisected until
        the offending events are isolated. These are invalid; the others are stored.
        """
        matched_events = [each for each in prepared if isinstance(each, MatchedEvent)]
        hit(Failpoint.DISTILLED)
        outcomes = iter(
            self._store_events(matched_events, self._clock.ingest_policy())
            if matched_events
            else ()
        )
        return tuple(
            next(outcomes) if isinstance(each, MatchedEvent) else each for each in prepared
        )

    def _store_events(
        self, matched_events: Sequence[MatchedEvent], policy: TimePolicy
    ) -> list[EventOutcome]:
        try:
            result = self._record(matched_events, policy)
        except DataRefused as refusal:
            return self._bisect(matched_events, policy, f"the database refuses it: {refusal}")
        except (WinchesterError, SystemExit, *NOT_CAUGHT):
            raise
        except BaseException as error:  # noqa: BLE001 - of a library: costs the event that causes it
            reason = f"cannot be stored: {describe_error(error)}"
            return self._bisect(matched_events, policy, reason)
        hit(Failpoint.INGEST_COMMITTED)
        self._count(matched_events, result)
        return [
            EventOutcome(
                EventStatus.STORED if stored else EventStatus.DUPLICATE,
                matched_event.event["message_id"],
            )
            for matched_event, stored in zip(matched_events, result.stored, strict=True)
        ]

    def _bisect(
        self, matched_events: Sequence[MatchedEvent], policy: TimePolicy, reason: str
    ) -> list[EventOutcome]:
        """Store the halves, or refuse a single event."""
        if len(matched_events) == 1:
            return [self._refused(matched_events[0], reason)]
        half = len(matched_events) // 2
        return self._store_events(matched_events[:half], policy) + self._store_events(
            matched_events[half:], policy
        )

    def _record(self, matched_events: Sequence[MatchedEvent], policy: TimePolicy) -> IngestResult:
        """Store events. If the connection breaks twice on a batch, the batch counts as refused.

        A server closes the connection if it does not accept a statement, for example if the
        statement exceeds MariaDB's `max_allowed_packet`. In an outage, `event_clock` or the second
        attempt raises `DatabaseUnavailable` instead.
        """
        try:
            return self._store.record(matched_events, policy)
        except ConnectionBroken:
            self._store.event_clock()
        try:
            return self._store.record(matched_events, policy)
        except ConnectionBroken as error:
            self._store.event_clock()
            raise DataRefused(f"the connection broke twice while storing it: {error}") from error

    def _refused(self, matched_event: MatchedEvent, reason: str) -> EventOutcome:
        message_id = matched_event.event["message_id"]
        logger.warning(
            "event invalid: event=%s reason=%s", message_id, reason, extra={"event": message_id}
        )
        self._counters.add(Count.EVENTS_INVALID)
        return EventOutcome(EventStatus.INVALID, message_id, reason)

    def _count(self, matched_events: Sequence[MatchedEvent], result: IngestResult) -> None:
        stored = sum(result.stored)
        self._counters.add(Count.EVENTS_STORED, stored)
        self._counters.add(Count.EVENTS_DUPLICATE, len(matched_events) - stored)
        self._counters.add_ingest(result)
        for index in result.refused_jumps:
            event = matched_events[index].event
            self.report_refused_jump(event["message_id"], event["timestamp"])
        if result.streams_opened_expired and self._clock.kind is ClockKind.SYSTEM:
            self._report_opened_expired(result.streams_opened_expired)

    def report_refused_jump(self, message_id: str | None, timestamp: datetime) -> None:
        """Count and log a message that is too far ahead to advance stream time."""
        self._counters.add(Count.CLOCK_JUMPS_REFUSED)
        logger.warning(
            "event too far ahead, event clock not advanced (event_clock_max_jump): "
            "event=%s timestamp=%s",
            message_id or "-",
            timestamp.isoformat(),
            extra={"event": message_id},
        )

    def _report_opened_expired(self, number: int) -> None:
        self._counters.add(Count.STREAMS_OPENED_EXPIRED, number)
        if not self._has_warned_of_old_events:
            self._has_warned_of_old_events = True
            logger.warning(
                "streams expire as soon as they open, because their events are old. To process "
                "recorded events, use 'winchester replay' or set 'clock: event', with an empty "
                "database, because events that are already stored are skipped as duplicates"
            )
