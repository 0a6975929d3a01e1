"""What became of each event or notification that was handed in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """The four ways it can go."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    INVALID = "invalid"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """What became of one; `reason` says why it was not stored, `message_id` is None if unknown."""

    outcome: Outcome
    message_id: str | None = None
    reason: str | None = None


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
