"""Waiting for something that is away: backoff with jitter, one log record for each outage."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, TypeVar

from winchester_core.clock import monotonic
from winchester_core.errors import ClockError, ConcurrentChange, DatabaseUnavailable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 5.0

MAX_CONFLICTS = 10

AWAY = (DatabaseUnavailable, ConcurrentChange, ClockError)
"""What is worth another try of the same transaction."""


class Outage:
    """One thing that may be away, as one thread sees it."""

    def __init__(self, what: str, stop: threading.Event) -> None:
        self._what = what
        self._stop = stop
        self._since: float | None = None
        self._wait_seconds = FIRST_WAIT_SECONDS

    def wait(self, error: Exception) -> bool:
        """Wait before the next try; False when told to stop meanwhile."""
        if self._since is None:
            self._since = monotonic()
            logger.error("the %s is away, waiting for it: %s", self._what, error)
        jittered = random.uniform(0.5, 1.0) * self._wait_seconds  # noqa: S311 - no secret
        self._wait_seconds = min(LONGEST_WAIT_SECONDS, self._wait_seconds * 2)
        return not self._stop.wait(jittered)

    def over(self) -> None:
        """It answers."""
        if self._since is not None:
            logger.warning(
                "the %s is back after %.1f seconds", self._what, monotonic() - self._since
            )
            self._since = None
            self._wait_seconds = FIRST_WAIT_SECONDS


def patiently(stop: threading.Event, action: Callable[[], Result]) -> Result | None:
    """Do it, waiting while the database or the clock is away; None when told to stop meanwhile.

    `action` is one transaction, so that doing it again after a failure is safe. Raises
    `ConcurrentChange` when others were first ten times over, each time after all tries of the
    transaction: that is no outage, and waiting would hide it.
    """
    outage = Outage("database or its clock", stop)
    conflicts = 0
    while True:
        try:
            result = action()
        except AWAY as error:
            conflicts += isinstance(error, ConcurrentChange)
            if conflicts > MAX_CONFLICTS:
                raise
            if not outage.wait(error):
                return None
        else:
            outage.over()
            return result
