"""Match counts of triggers with a `debug_level`.

Level 1 counts matches and mismatches, level 2 also the reasons of mismatches. Every
`statistics_period` seconds, and when it ends, a process logs its counts and adds them to those in
the database.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.triggers.definition import TriggerDefinition

logger = logging.getLogger(__name__)

MAX_REASONS = 100
MAX_REASON_LENGTH = 1_000
OTHER_REASONS = "(other reasons)"


@dataclass(slots=True)
class DebugGroup:
    """Counts of one trigger. After the first `MAX_REASONS`, other reasons are counted together."""

    matched: int = 0
    mismatched: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add_reason(self, reason: str, number: int = 1) -> None:
        """Count a reason. After the first `MAX_REASONS`, new reasons count as `OTHER_REASONS`."""
        storable = _storable_reason(reason)
        fits = storable in self.reasons or len(self.reasons) < MAX_REASONS
        self.reasons[storable if fits else OTHER_REASONS] += number

    def add(self, other: DebugGroup) -> None:
        """Add the counts of another group."""
        self.matched += other.matched
        self.mismatched += other.mismatched
        for reason, number in other.reasons.items():
            self.add_reason(reason, number)


class DebugCounts:
    """Debug groups of the triggers of a process. It is a `MatchObserver` of a `TriggerSet`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: dict[str, DebugGroup] = {}

    @property
    def is_empty(self) -> bool:
        """Return whether nothing has been counted since the last `take`."""
        return not self._groups

    def matched(self, definition: TriggerDefinition) -> None:
        """Count a match."""
        with self._lock:
            self._groups.setdefault(definition.name, DebugGroup()).matched += 1

    def mismatched(self, definition: TriggerDefinition, reason: str) -> None:
        """Count a mismatch, with level 2 also its reason."""
        with self._lock:
            group = self._groups.setdefault(definition.name, DebugGroup())
            group.mismatched += 1
            if definition.debug_level > 1:
                group.add_reason(reason)

    def take(self) -> dict[str, DebugGroup]:
        """Return the groups by trigger name, and reset them."""
        with self._lock:
            taken, self._groups = self._groups, {}
            return taken

    def put_back(self, groups: Mapping[str, DebugGroup]) -> None:
        """Add back groups that `take` returned."""
        with self._lock:
            for name, group in groups.items():
                self._groups.setdefault(name, DebugGroup()).add(group)


def log_groups(groups: Mapping[str, DebugGroup]) -> None:
    """Log one record for each trigger with counts, and one for each reason."""
    for name, group in groups.items():
        logger.info(
            "trigger debug counts: matched=%d mismatched=%d trigger=%s",
            group.matched,
            group.mismatched,
            name,
        )
        for reason, number in group.reasons.most_common():
            logger.info(
                "trigger mismatches: mismatched=%d trigger=%s reason=%s", number, name, reason
            )


def _storable_reason(reason: str) -> str:
    """Return a reason in a form that every database can store, truncated if it is very long."""
    text = reason if reason.isprintable() else ascii(reason)[1:-1]
    return text if len(text) <= MAX_REASON_LENGTH else f"{text[: MAX_REASON_LENGTH - 3]}..."
