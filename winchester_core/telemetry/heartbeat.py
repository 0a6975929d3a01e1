"""Signs of life: the parts of a process say how soon they will be heard of again.

Whoever restarts a process that hangs asks `Heartbeat.overdue`. Only work gives signs, so that a
thread that hangs is found however many others are well.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, TypeVar

from winchester_core.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

LIFE_SECONDS = 120.0
"""How long a step may take that is not known to take longer: a transaction, a call of a source."""


class Heartbeat:
    """The pulses of a process. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}

    def pulse(self, part: str) -> Pulse:
        """The pulse of one part, which is silent until its first beat."""
        return Pulse(self, part)

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


class Pulse:
    """One part's side of a heartbeat."""

    def __init__(self, heartbeat: Heartbeat, part: str) -> None:
        self._heartbeat, self._part = heartbeat, part

    def beat(self, besides_seconds: float = 0.0) -> None:
        """Be alive, and to be heard of again within `LIFE_SECONDS` and `besides_seconds`."""
        self._heartbeat.expect(self._part, LIFE_SECONDS + besides_seconds)

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
