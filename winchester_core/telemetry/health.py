"""Whether a process lives, and whether it is ready: with the causes where it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from winchester_core.errors import WinchesterError

if TYPE_CHECKING:
    from winchester_core.telemetry.cached import Cached
    from winchester_core.telemetry.heartbeat import Heartbeat

STARTING: Final = "starting: not at work yet"
STOPPING: Final = "stopping: finishing what is in hand"


@dataclass(frozen=True, slots=True)
class Report:
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

    def __init__(self, heartbeat: Heartbeat, check: Cached[None]) -> None:
        self._heartbeat = heartbeat
        self._check = check
        self._hindrance: str | None = STARTING

    def begin(self) -> None:
        """It is at work."""
        self._hindrance = None

    def end(self) -> None:
        """It was told to stop. Any thread may say so."""
        self._hindrance = STOPPING

    def liveness(self) -> Report:
        """Whether it makes progress."""
        overdue = self._heartbeat.overdue()
        return Report(tuple(f"nothing was heard of {part} for too long" for part in overdue))

    def readiness(self) -> Report:
        """Whether it can do its work now."""
        if self._hindrance is not None:
            return Report((self._hindrance,))
        try:
            self._check.get()
        except WinchesterError as error:
            return Report((f"the database cannot be worked with: {error}",))
        return Report()
