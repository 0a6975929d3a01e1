"""Retries with exponential backoff and jitter; one log record for each outage."""

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
"""Errors after which the same transaction is retried."""


class OutageState:
    """Availability of one resource, shared by all threads of a process.

    The first failure and the first success after it are logged, whichever thread they occur in.
    Safe to share between threads.
    """

    def __init__(self, resource: str, counters: Counters) -> None:
        self._resource = resource
        self._counters = counters
        self._lock = threading.Lock()
        self._since: float | None = None

    def record_failure(self, error: BaseException) -> None:
        """Begin an outage, unless one is in progress."""
        with self._lock:
            if self._since is not None:
                return
            self._since = monotonic()
        self._counters.add(Count.OUTAGES)
        logger.error("resource unavailable, retrying: resource=%r error=%s", self._resource, error)

    def record_success(self) -> None:
        """End the outage, if one is in progress."""
        with self._lock:
            since, self._since = self._since, None
        if since is not None:
            logger.warning(
                "resource available again: resource=%r outage_seconds=%.1f",
                self._resource,
                monotonic() - since,
            )


class Backoff:
    """Exponential backoff with jitter, for the retries of one caller."""

    def __init__(
        self,
        stop: threading.Event | None = None,
        *,
        first_seconds: float | None = None,
        max_seconds: float | None = None,
    ) -> None:
        self._stop = stop or threading.Event()
        self._first_seconds = first_seconds or MIN_WAIT_SECONDS
        self._max_seconds = max_seconds or MAX_WAIT_SECONDS
        self._seconds = self._first_seconds

    def next_seconds(self) -> float:
        """Return how long to wait before the next attempt."""
        jittered = random.uniform(0.5, 1.0) * self._seconds  # noqa: S311 - no secret
        self._seconds = min(self._max_seconds, self._seconds * 2)
        return jittered

    def wait(self) -> bool:
        """Wait before the next attempt; return False if `stop` was set meanwhile."""
        return not self._stop.wait(self.next_seconds())

    def reset(self) -> None:
        """Return to the shortest wait, after a success."""
        self._seconds = self._first_seconds


def retry_until_stopped(
    outage: OutageState,
    stop: threading.Event,
    action: Callable[[], Result],
    max_attempts: int | None = None,
) -> Result | None:
    """Call `action` until it succeeds; return its result.

    Return None once `stop` is set, or after `max_attempts` (None: no limit).

    `action` must be one transaction, hence safe to retry; after a connection lost during commit it
    may find its own changes committed. Raises `ConcurrentChange` after `MAX_CONFLICTS` conflicts,
    each of which has exhausted the retries of the transaction: more waiting would only hide them.
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
            outage.record_failure(error)
            if failures == max_attempts or not backoff.wait():
                return None
        else:
            outage.record_success()
            return result


def retry_delay(attempt: int, first: timedelta, longest: timedelta, fraction: float) -> timedelta:
    """Return the delay after `attempt` (from 1): `first`, doubled per attempt, up to `longest`.

    `fraction` (0 to 1, random) spreads retries over the last fifth of the delay, so that streams
    that failed together are not all retried together.
    """
    doublings = min(attempt - 1, 62)
    seconds = min(first.total_seconds() * 2**doublings, longest.total_seconds())
    return timedelta(seconds=seconds * (0.8 + 0.2 * fraction))
