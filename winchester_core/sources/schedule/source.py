"""Event source of events at the times of a cron expression."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any, ClassVar

from winchester_core.interfaces import EventSource
from winchester_core.model import Message, MessageKind
from winchester_core.sources.schedule.cron import CronTimes
from winchester_core.sources.schedule.events import ScheduledEvents
from winchester_core.sources.schedule.params import SCHEMA
from winchester_core.sources.schedule.position import SchedulePosition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from voluptuous import Schema

    from winchester_core.sources.schedule.position import DueRange

log = logging.getLogger(__name__)

MAX_WAIT_SECONDS = 2.0
"""Maximum interval at which the clock is read, so that a changed clock is noticed."""


def system_time() -> datetime:
    """Return the host's time, aware UTC."""
    return datetime.now(UTC)


class ScheduleSource(EventSource):
    """Produces events at the times of a cron expression (extra `schedule`).

    The timestamp of an event is its scheduled time. Its id is derived from `name`, the item and the
    UTC time. So any number of processes may run the same schedule, for reliability: each event is
    stored once, and the others are duplicates.

    The position is kept in memory. At the start, all events of the last `catch_up` are delivered,
    and those that are stored already are duplicates. So each start of each process looks up one id
    for each item and each time within `catch_up`: 50 for a daily schedule with 50 items, but 72,000
    for one every minute. With `catch_up: 0` only times after the start count. If the process is
    stopped, or the database is unavailable, for longer than `catch_up`, older times are skipped; a
    running process logs a warning.

    Each local time counts once. If it does not exist, because clocks are set forward, its event
    follows at the first moment after the gap. If it exists twice, because clocks are set back, the
    first one counts; so an expression such as `*/15 * * * *` has no times during the repeated hour.
    In `timezone: UTC` there are no such hours. All processes need the same version of tzdata, which
    `winchester plugin list` shows.

    The source uses the host's clock, so it requires `clock: system`. A jump of the clock loses no
    event that is within `catch_up`, and doubles none.
    """

    example: ClassVar[str] = """
        backups:
          source: schedule
          params:
            name: nightly_backup
            cron: "0 20 * * *"
            timezone: Europe/Berlin
            event_type: backup.expected
            for_each: {host: [db1, db2, mail]}
    """
    config_schema: ClassVar[Schema] = SCHEMA
    allows_prefetch: ClassVar[bool] = True
    requires_system_clock: ClassVar[bool] = True
    unique_params: ClassVar[tuple[str, ...]] = ("name",)

    clock: Callable[[], datetime] = staticmethod(system_time)
    """Returns the time, aware UTC."""
    wait: Callable[[float], None] = staticmethod(time.sleep)

    def __init__(self, **params: Any) -> None:
        super().__init__(**self.config_schema(params))
        self._name = self.params["name"]
        self._times = CronTimes(self.params["cron"], self.params["timezone"])
        self._events = ScheduledEvents(
            self._name, self.params["event_type"], self.params["traits"], self.params["for_each"]
        )
        self._position = SchedulePosition(timedelta(seconds=self.params["catch_up"]))
        self._backlog: Iterator[Message] = iter(())
        self._next: datetime | None = None
        self._next_token = 0
        self._unsettled: dict[int, Message] = {}
        self._released: deque[Message] = deque()

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return up to `max_messages` due events; wait only while there are none."""
        batch = self._take(max_messages)
        while not batch and timeout_seconds > 0:
            pause = min(timeout_seconds, MAX_WAIT_SECONDS, self._seconds_to_next())
            self.wait(pause)
            timeout_seconds -= pause
            batch = self._take(max_messages)
        self._unsettled.update((message.token, message) for message in batch)
        return batch

    def ack(self, messages: Sequence[Message]) -> None:
        """Settle the messages."""
        for message in messages:
            self._unsettled.pop(message.token, None)

    def release(self, messages: Sequence[Message]) -> None:
        """Redeliver the messages, before other messages and in their original order."""
        unsettled = [self._unsettled.pop(m.token) for m in messages if m.token in self._unsettled]
        released = [*self._released, *(replace(each, redelivered=True) for each in unsettled)]
        self._released = deque(sorted(released, key=lambda message: message.token))

    def reject(self, message: Message, reason: str) -> None:
        """Settle the message."""
        del reason
        self.ack([message])

    def close(self) -> None:
        """Release unsettled messages. The position is kept for `open`."""
        self.release(list(self._unsettled.values()))

    def _take(self, max_messages: int) -> list[Message]:
        """Return up to `max_messages` released or due messages, without waiting."""
        count = min(max_messages, len(self._released))
        batch = [self._released.popleft() for _ in range(count)]
        batch += islice(self._backlog, max_messages - len(batch))
        if len(batch) < max_messages:  # the clock is read only when the backlog has been delivered
            self._read_clock()
            batch += islice(self._backlog, max_messages - len(batch))
        return batch

    def _read_clock(self) -> None:
        due = self._position.advance(self.clock())
        self._warn_skipped(due)
        self._next = self._times.next_after(due.after)
        if self._next is not None and self._next <= due.until:
            self._backlog = self._messages(due)
            self._next = None

    def _messages(self, due: DueRange) -> Iterator[Message]:
        times = self._times.times_after(due.after)
        for moment in takewhile(lambda moment: moment <= due.until, times):
            for event in self._events.at(moment):
                token, self._next_token = self._next_token, self._next_token + 1
                yield Message(
                    body=event,
                    kind=MessageKind.EVENT,
                    token=token,
                    received_from=f"schedule {self._name}",
                )

    def _seconds_to_next(self) -> float:
        if self._next is None:
            return MAX_WAIT_SECONDS
        return max(0.001, (self._next - self.clock()).total_seconds())

    def _warn_skipped(self, due: DueRange) -> None:
        if due.skipped_after is None:
            return
        first = self._times.next_after(due.skipped_after)
        if first is not None and first <= due.after:
            log.warning(
                "scheduled times skipped, they are older than catch_up: name=%s from=%s to=%s",
                self._name,
                first.isoformat(),
                due.after.isoformat(),
            )
