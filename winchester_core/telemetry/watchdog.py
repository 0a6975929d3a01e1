"""Signs of life: the parts of a process say how soon they will be heard of again.

Whoever restarts a process that hangs asks `Watchdog.overdue`. Only work gives signs, so that a
thread that hangs is found however many others are well.
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

    from winchester_core.telemetry.cache import TtlCache


Result = TypeVar("Result")

DEADLINE_SECONDS = 120.0
"""How long a step may take that is not known to take longer: a transaction, a call of a source."""


class Watchdog:
    """The pulses of a process. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}

    def pulse(self, part: str) -> Deadline:
        """The pulse of one part, which is silent until its first beat."""
        return Deadline(self, part)

    def overdue(self) -> list[str]:
        """The parts that were to be heard of by now and were not, in alphabetical order."""
        now = monotonic()
        with self._lock:
            return sorted(part for part, due in self._due.items() if due < now)

    def expect(self, part: str, within_seconds: float | None) -> None:
        """Expect the next sign of a part by then; None: expect none."""
        with self._lock:
            if within_seconds is None:
                self._due.pop(part, None)
            else:
                self._due[part] = monotonic() + within_seconds


class Deadline:
    """One part's side of a heartbeat."""

    def __init__(self, heartbeat: Watchdog, part: str) -> None:
        self._heartbeat, self._part = heartbeat, part

    def beat(self, besides_seconds: float = 0.0) -> None:
        """Be alive, and to be heard of again within `DEADLINE_SECONDS` and `besides_seconds`."""
        self._heartbeat.expect(self._part, DEADLINE_SECONDS + besides_seconds)

    def beating(self, action: Callable[[], Result]) -> Callable[[], Result]:
        """`action` with a beat before it: each try of what is tried again is a sign of life."""

        def with_beat() -> Result:
            self.beat()
            return action()

        return with_beat

    def begin(self, longest_seconds: float | None) -> None:
        """Begin what may take exactly so long; None: as long as it likes."""
        self._heartbeat.expect(self._part, math.inf if longest_seconds is None else longest_seconds)

    def end(self) -> None:
        """The part has done its work: nothing more is to be heard of it."""
        self._heartbeat.expect(self._part, None)


# Whether a process lives, and whether it is ready: with the causes where it is not.


STARTING: Final = "starting: not at work yet"
STOPPING: Final = "stopping: finishing what is in hand"


@dataclass(frozen=True, slots=True)
class HealthReport:
    """How it is; well, where there are no `causes` against it."""

    causes: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether there is nothing against it."""
        return not self.causes


class Health:
    """What a process is asked by whoever restarts it, or sends it work.

    It lives while no part of it is overdue; a database that is away is no cause to restart it. It
    is ready from `begin` to `end`, while `check` finds that the store can be worked with.
    """

    def __init__(self, heartbeat: Watchdog, check: TtlCache[None]) -> None:
        self._heartbeat = heartbeat
        self._check = check
        self._hindrance: str | None = STARTING

    def begin(self) -> None:
        """It is at work."""
        self._hindrance = None

    def end(self) -> None:
        """It was told to stop. Any thread may say so."""
        self._hindrance = STOPPING

    def liveness(self) -> HealthReport:
        """Whether it makes progress."""
        overdue = self._heartbeat.overdue()
        return HealthReport(tuple(f"nothing was heard of {part} for too long" for part in overdue))

    def readiness(self) -> HealthReport:
        """Whether it can do its work now."""
        if self._hindrance is not None:
            return HealthReport((self._hindrance,))
        try:
            self._check.get()
        except WinchesterError as error:
            return HealthReport((f"the database cannot be worked with: {error}",))
        return HealthReport()
