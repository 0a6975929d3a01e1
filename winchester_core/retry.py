"""Retries with exponential backoff and jitter, and one log record for each outage."""

from __future__ import annotations

import logging
import math
import random
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from winchester_core.clock import monotonic
from winchester_core.errors import ConcurrentChange, DatabaseUnavailable, DataRefused
from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    from collections.abc import Callable

    from winchester_core.telemetry.counters import Counters


logger = logging.getLogger(__name__)

Result = TypeVar("Result")

MIN_WAIT_SECONDS = 0.1
MAX_WAIT_SECONDS = 5.0

MAX_CONFLICTS = 10

TRANSIENT_ERRORS = (DatabaseUnavailable, ConcurrentChange)
"""Errors after which the same transaction is retried."""

SERVER_ERRORS = (*TRANSIENT_ERRORS, DataRefused)
"""Errors of a database that end no loop, which goes on after a wait."""


class OutageState:
    """Availability of one resource, shared by all threads of a process.

    The first failure and the next success are logged, in whatever threads they occur. Safe to share
    between threads.
    """

    def __init__(self, resource: str, counters: Counters) -> None:
        self._resource = resource
        self._counters = counters
        self._lock = threading.Lock()
        self._since: float | None = None
        self._ended_at = -math.inf

    @property
    def is_active(self) -> bool:
        """Return whether an outage is in progress."""
        return self._since is not None

    def seconds_since_end(self) -> float:
        """Return the time since the last outage: 0 during an outage, infinite if there was none."""
        with self._lock:
            return 0.0 if self._since is not None else monotonic() - self._ended_at

    def record_failure(self, error: BaseException) -> None:
        """Begin an outage, unless one is in progress.

        A conflict is not an outage, because it shows that the database is available.
        """
        if isinstance(error, ConcurrentChange):
            logger.info("conflict, retrying: resource=%r error=%s", self._resource, error)
            self.record_success()
            return
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
                self._ended_at = monotonic()
        if since is not None:
            logger.warning(
                "resource available again: resource=%r outage_seconds=%.1f",
                self._resource,
                monotonic() - since,
            )


def retry_delay(
    attempt: int, first: timedelta, longest: timedelta, fraction: float | None = None
) -> timedelta:
    """Return the delay after `attempt` (from 1): `first`, doubled each time, up to `longest`.

    `fraction` (0 to 1, default random) spreads retries over the last half of the delay, so that
    streams that failed together are not all retried together.
    """
    doublings = min(attempt - 1, 62)
    seconds = min(first.total_seconds() * 2**doublings, longest.total_seconds())
    spread = random.random() if fraction is None else fraction  # noqa: S311 - no secret
    return timedelta(seconds=seconds * (0.5 + 0.5 * spread))


class Backoff:
    """Growing waits (see `retry_delay`) for the retries of one caller."""

    def __init__(
        self,
        stop: threading.Event | None = None,
        *,
        first_seconds: float | None = None,
        max_seconds: float | None = None,
    ) -> None:
        self._stop = stop or threading.Event()
        self._first = timedelta(seconds=first_seconds or MIN_WAIT_SECONDS)
        self._longest = timedelta(seconds=max_seconds or MAX_WAIT_SECONDS)
        self._attempt = 0

    def next_seconds(self) -> float:
        """Return the time to wait before the next attempt."""
        self._attempt += 1
        return retry_delay(self._attempt, self._first, self._longest).total_seconds()

    def wait(self) -> bool:
        """Wait before the next attempt; return False if `stop` was set meanwhile."""
        return not self._stop.wait(self.next_seconds())

    def reset(self) -> None:
        """Return to the shortest wait after a success."""
        self._attempt = 0


def retry_until_stopped(
    outage: OutageState,
    stop: threading.Event,
    action: Callable[[], Result],
    max_attempts: int | None = None,
) -> Result | None:
    """Call `action` until it succeeds; return its result.

    Return None once `stop` is set, or after `max_attempts` (None: no limit).

    `action` must be one transaction, so that it can be retried. If the connection was lost during a
    commit, it may find its own changes committed. After `MAX_CONFLICTS` conflicts, raises
    `ConcurrentChange`. Each of them has exhausted the retries of the transaction, so longer waiting
    would only hide them.
    """
    backoff = Backoff(stop)
    conflicts = failures = 0
    while True:
        try:
            result = action()
        except TRANSIENT_ERRORS as error:
            conflicts += isinstance(error, ConcurrentChange)
            if conflicts == MAX_CONFLICTS:
                raise
            failures += 1
            outage.record_failure(error)
            if failures == max_attempts or not backoff.wait():
                return None
        else:
            outage.record_success()
            return result
