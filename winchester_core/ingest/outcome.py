"""What became of a batch that was handed in."""

from __future__ import annotations

from dataclasses import dataclass

from winchester_core.model.message import EventOutcome, EventStatus

__all__ = ["AddResult", "EventOutcome", "EventStatus"]


@dataclass(frozen=True, slots=True)
class AddResult:
    """What became of a batch: one outcome for each, in the order given."""

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
