"""Result of a batch of events or notifications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winchester_core.model.message import EventStatus

if TYPE_CHECKING:
    from winchester_core.model.message import EventOutcome


@dataclass(frozen=True, slots=True)
class AddResult:
    """Outcomes of a batch: one for each event, in the order given."""

    outcomes: tuple[EventOutcome, ...]

    @property
    def stored(self) -> int:
        """How many are new and were stored."""
        return self._number(EventStatus.STORED)

    @property
    def duplicates(self) -> int:
        """How many were known by their message id."""
        return self._number(EventStatus.DUPLICATE)

    @property
    def invalid(self) -> int:
        """How many could not be stored; each outcome has the reason."""
        return self._number(EventStatus.INVALID)

    @property
    def dropped(self) -> int:
        """How many notifications no definition covers."""
        return self._number(EventStatus.DROPPED)

    def _number(self, outcome: EventStatus) -> int:
        return sum(each.status is outcome for each in self.outcomes)
