"""Waiting for something that is away: backoff with jitter, one log record for each outage."""

from __future__ import annotations

import logging
import random
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from winchester_core.clock import monotonic
from winchester_core.errors import ClockError, ConcurrentChange, DatabaseUnavailable
from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    from collections.abc import Callable

    from winchester_core.telemetry.counters import Counters


logger = logging.getLogger(__name__)

Result = TypeVar("Result")

MIN_WAIT_SECONDS = 0.1
MAX_WAIT_SECONDS = 5.0

MAX_CONFLICTS = 10

DATABASE_AND_CLOCK = "database or its clock"

TRANSIENT_ERRORS = (DatabaseUnavailable, ConcurrentChange, ClockError)
"""What is worth another try of the same transaction."""


class OutageState:
    """One thing that may be away, as all threads of a process see it together.

    The first thread that finds it away logs that, the first that finds it back logs that too.
    Safe to share between threads.
    """

    def __init__(self, what: str, counters: Counters) -> None:
        self._what = what
        self._counters = counters
        self._lock = threading.Lock()
        self._since: float | None = None

    def noticed(self, error: BaseException) -> None:
        """It is away."""
        with self._lock:
            if self._since is not None:
                return
            self._since = monotonic()
        self._counters.add(Count.OUTAGES)
        logger.error("the %s is away, waiting for it: %s", self._what, error)

    def over(self) -> None:
        """It answers."""
        with self._lock:
            since, self._since = self._since, None
        if since is not None:
            logger.warning("the %s is back after %.1f seconds", self._what, monotonic() - since)


class Backoff:
    """The waits of one caller between its tries: each twice the one before, with jitter."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._seconds = MIN_WAIT_SECONDS

    def wait(self) -> bool:
        """Wait before the next try; False when told to stop meanwhile."""
        jittered = random.uniform(0.5, 1.0) * self._seconds  # noqa: S311 - no secret
        self._seconds = min(MAX_WAIT_SECONDS, self._seconds * 2)
        return not self._stop.wait(jittered)

    def start_anew(self) -> None:
        """The last try succeeded."""
        self._seconds = MIN_WAIT_SECONDS


def retry_until_stopped(
    outage: OutageState,
    stop: threading.Event,
    action: Callable[[], Result],
    tries: int | None = None,
) -> Result | None:
    """Do it, waiting while the database or the clock is away; None when told to stop meanwhile.

    None also after so many `tries`, where they are bounded.

    `action` is one transaction, so that doing it again after a failure is safe; when the
    connection broke in the very commit, it may find its own work done. Raises `ConcurrentChange`
    when others were first ten times over, each time after all tries of the transaction: that is
    no outage, and waiting would hide it.
    """
    backoff = Backoff(stop)
    conflicts = failures = 0
    while True:
        try:
            result = action()
        except TRANSIENT_ERRORS as error:
            conflicts += isinstance(error, ConcurrentChange)
            if conflicts > MAX_CONFLICTS:
                raise
            failures += 1
            outage.noticed(error)
            if failures == tries or not backoff.wait():
                return None
        else:
            outage.over()
            return result


# How long a failed stream waits for its next try. Pure.


def retry_delay(attempt: int, first: timedelta, longest: timedelta, fraction: float) -> timedelta:
    """The wait after `attempt` (from 1): `first`, doubled with each one more, up to `longest`.

    `fraction` (0 to 1, random) spreads the tries over the last fifth of that time, so that
    streams that failed together do not all come back together.
    """
    doublings = min(attempt - 1, 62)
    seconds = min(first.total_seconds() * 2**doublings, longest.total_seconds())
    return timedelta(seconds=seconds * (0.8 + 0.2 * fraction))
