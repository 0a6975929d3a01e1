"""What became of a batch that was handed in."""

from __future__ import annotations

from dataclasses import dataclass

from winchester_core.model.outcome import EventOutcome, Outcome

__all__ = ["AddResult", "EventOutcome", "Outcome"]


@dataclass(frozen=True, slots=True)
class AddResult:
    """What became of a batch: one outcome for each, in the order given."""

    outcomes: tuple[EventOutcome, ...]

    @property
    def stored(self) -> int:
        """How many are new and were stored."""
        return self._number(Outcome.STORED)

    @property
    def duplicates(self) -> int:
        """How many were known by their message id."""
        return self._number(Outcome.DUPLICATE)

    @property
    def invalid(self) -> int:
        """How many could not be stored; each outcome has the reason."""
        return self._number(Outcome.INVALID)

    @property
    def dropped(self) -> int:
        """How many notifications no definition covers."""
        return self._number(Outcome.DROPPED)

    def _number(self, outcome: Outcome) -> int:
        return sum(each.outcome is outcome for each in self.outcomes)
