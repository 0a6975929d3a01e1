"""What was moved from a source into the store, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from winchester_core.ingest.outcome import AddResult


@dataclass(slots=True)
class PumpTotals:
    """What a pump has moved so far, and how often its source has failed."""

    received: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    dropped: int = 0
    failures: int = 0

    def add(self, result: AddResult) -> None:
        """Add a batch."""
        self.received += len(result.outcomes)
        self.stored += result.stored
        self.duplicates += result.duplicates
        self.rejected += result.invalid
        self.dropped += result.dropped

    def text(self) -> str:
        """The numbers as statistics show them: how many were received, and what is not 0."""
        numbers = ((field.name, getattr(self, field.name)) for field in fields(self))
        return " ".join(f"{name}={n}" for name, n in numbers if n or name == "received")

    @classmethod
    def together(cls, totals: Iterable[PumpTotals]) -> Self:
        """The sum of several."""
        every = list(totals)
        return cls(*(sum(getattr(each, field.name) for each in every) for field in fields(cls)))
