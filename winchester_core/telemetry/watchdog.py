"""Watchdog of the components of a process, and health reports.

Only progress extends a deadline, so a hanging thread is detected even while others continue.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from winchester_core.clock import monotonic
from winchester_core.errors import WinchesterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from winchester_core.telemetry.ttl_cache import TtlCache


Result = TypeVar("Result")

DEADLINE_SECONDS = 120.0
"""Default time limit of one step, such as a transaction or a call of a source."""


class Watchdog:
    """Deadlines of the components of a process. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}

    def deadline(self, component: str) -> Deadline:
        """Return the deadline of a component. It is watched after the deadline is first set."""
        return Deadline(self, component)

    def group(self, component: str) -> DeadlineGroup:
        """Return the deadlines of several threads, which are one component."""
        return DeadlineGroup(self.deadline(component))

    def overdue(self) -> list[str]:
        """Return the components that missed their deadline, in alphabetical order."""
        now = monotonic()
        with self._lock:
            return sorted(component for component, due in self._due.items() if due < now)

    def set_deadline(self, component: str, seconds: float | None) -> None:
        """Set the deadline of a component to `seconds` from now (None: remove the deadline)."""
        with self._lock:
            if seconds is None:
                self._due.pop(component, None)
            else:
                self._due[component] = monotonic() + seconds


class Deadline:
    """Deadline of one component in a `Watchdog`."""

    def __init__(self, watchdog: Watchdog, component: str) -> None:
        self._watchdog, self._component = watchdog, component

    def extend(self, extra_seconds: float = 0.0) -> None:
        """Set the deadline to `DEADLINE_SECONDS` plus `extra_seconds` from now."""
        self._watchdog.set_deadline(self._component, DEADLINE_SECONDS + extra_seconds)

    def extend_before(self, action: Callable[[], Result]) -> Callable[[], Result]:
        """Wrap `action` so that every call, including retries, first extends the deadline."""

        def extended() -> Result:
            self.extend()
            return action()

        return extended

    def set(self, seconds: float | None) -> None:
        """Set the deadline to exactly `seconds` from now (None: no limit)."""
        self._watchdog.set_deadline(self._component, math.inf if seconds is None else seconds)

    def clear(self) -> None:
        """Stop watching the component, because its work is done."""
        self._watchdog.set_deadline(self._component, None)


class DeadlineGroup:
    """Deadlines of several threads. They are overdue when all of them are."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._lock = threading.Lock()
        self._due: list[float] = []

    def member(self) -> Callable[[float | None], None]:
        """Add a thread. Return a function that sets its deadline in seconds (None: no limit)."""
        all_due = self._due
        index = len(all_due)
        all_due.append(math.inf)

        def set_deadline(seconds: float | None) -> None:
            now = monotonic()
            with self._lock:
                all_due[index] = math.inf if seconds is None else now + seconds
                if all_due is self._due:
                    self._deadline.set(max(all_due) - now)

        return set_deadline

    def clear(self) -> None:
        """Remove all threads. One that hangs may still set its deadline, without effect."""
        with self._lock:
            self._due = []
        self._deadline.clear()


# Liveness and readiness of a process.


STARTING: Final = "starting: not running yet"
STOPPING: Final = "stopping: finishing the work in progress"


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Result of a health check. It is healthy if `causes` is empty."""

    causes: tuple[str, ...] = ()

    @property
    def is_healthy(self) -> bool:
        """Return whether the check found no cause of failure."""
        return not self.causes


class Health:
    """Liveness and readiness checks of a process.

    The process is live while no component is overdue; an unavailable database does not require a
    restart. It is ready between `start` and `stop` while `check` succeeds, that is, while the store
    can be used.
    """

    def __init__(self, watchdog: Watchdog, check: TtlCache[None]) -> None:
        self._watchdog = watchdog
        self._check = check
        self._not_ready: str | None = STARTING

    def start(self) -> None:
        """Mark the process as running."""
        self._not_ready = None

    def stop(self) -> None:
        """Mark the process as stopping. Any thread may call it."""
        self._not_ready = STOPPING

    def liveness(self) -> HealthReport:
        """Report whether every component makes progress."""
        overdue = self._watchdog.overdue()
        return HealthReport(tuple(f"component missed its deadline: {each}" for each in overdue))

    def readiness(self) -> HealthReport:
        """Report whether the process can work now."""
        if self._not_ready is not None:
            return HealthReport((self._not_ready,))
        try:
            self._check.get()
        except WinchesterError as error:
            return HealthReport((f"database check failed: {error}",))
        return HealthReport()
