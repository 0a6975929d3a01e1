"""Sleep of an idle worker: until the next due time, or until it is woken."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

from winchester_core.clock import ClockKind

if TYPE_CHECKING:
    from winchester_core.clock import StreamClock
    from winchester_core.storage.records import Backlog

POLL_SECONDS = 0.2
"""Interval at which claims of other workers are checked, while waiting until idle."""

RECHECK_SECONDS = 0.05
"""Interval at which ready streams are checked that other workers have locked or are claiming."""

WAKEUP_JITTER_SECONDS = 0.005
"""Jitter between idle workers woken by one notification; the first may claim everything."""


class Wakeup:
    """Wakes the worker's thread. Any thread may call `notify` and `set`."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self.event = threading.Event()
        """Set it to end a wait, for example after a step of a thread."""
        self._has_news = False

    def notify(self) -> None:
        """Wake the worker, because there may be new streams."""
        self._has_news = True
        self.event.set()

    def take_news(self) -> bool:
        """Return whether `notify` has been called since the last call."""
        has_news, self._has_news = self._has_news, False
        return has_news

    def sleep(self, seconds: float) -> None:
        """Sleep until woken, but at most `seconds`."""
        if self.event.wait(seconds):
            self._stop.wait(random.uniform(0, WAKEUP_JITTER_SECONDS))  # noqa: S311 - no secret
            self.event.clear()
        self._has_news = False


def idle_seconds(
    backlog: Backlog,
    clock: StreamClock,
    longest_seconds: float,
    *,
    until_idle: bool = False,
    is_busy: bool = False,
) -> float:
    """Return the time after which there may be work, at most `longest_seconds`.

    If threads are busy, ready streams are claimed when they have ended a run.
    """
    is_ready = not is_busy and (backlog.ready or backlog.has_trials)
    waits = [
        RECHECK_SECONDS if is_ready else None,
        POLL_SECONDS if backlog.lease_expired else None,
        POLL_SECONDS if until_idle and backlog.claimed else None,
        backlog.next_retry_seconds,
        None if backlog.has_trials else backlog.next_trial_seconds,
    ]
    now = clock.now() if clock.kind is ClockKind.SYSTEM else None
    if now is not None and backlog.next_due is not None:
        until_due = (backlog.next_due - now).total_seconds()
        if until_due > 0:
            waits.append(until_due)
        elif not is_busy:
            # a stream is overdue: another worker is claiming it, or an event has just postponed
            # its expiry
            waits.append(RECHECK_SECONDS)
    known = [max(0.0, seconds) for seconds in waits if seconds is not None]
    return min([longest_seconds, *known])
