"""Result of a batch of events or notifications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winchester_core.model.message import EventStatus

if TYPE_CHECKING:
    from winchester_core.model.message import EventOutcome


@dataclass(frozen=True, slots=True)
class AddResult:
    """Outcomes of a batch, one per event in the given order."""

    outcomes: tuple[EventOutcome, ...]

    @property
    def stored(self) -> int:
        """Number of new events, which were stored."""
        return self._number(EventStatus.STORED)

    @property
    def duplicates(self) -> int:
        """Number of events with a message id that was already stored."""
        return self._number(EventStatus.DUPLICATE)

    @property
    def invalid(self) -> int:
        """Number of events that could not be stored. Their outcomes contain the reasons."""
        return self._number(EventStatus.INVALID)

    @property
    def dropped(self) -> int:
        """Number of notifications that no event definition matches."""
        return self._number(EventStatus.DROPPED)

    def _number(self, status: EventStatus) -> int:
        return sum(each.status is status for each in self.outcomes)
