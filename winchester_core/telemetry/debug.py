"""What became of events at the triggers that are being debugged.

`debug_level` 1 counts matches and mismatches; 2 counts the reasons of mismatches too. A process
counts for itself; every `statistics_period` seconds, and when it ends, its counts are logged and
added to those in the database.
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
    """The counts of one trigger; `reasons` holds at most `MAX_REASONS` and the rest together."""

    matched: int = 0
    mismatched: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add_reason(self, reason: str, number: int = 1) -> None:
        """Count a reason, with the others once there are too many different ones."""
        shown = _storable_reason(reason)
        known = shown in self.reasons or len(self.reasons) < MAX_REASONS
        self.reasons[shown if known else OTHER_REASONS] += number

    def add(self, other: DebugGroup) -> None:
        """Add what another has counted."""
        self.matched += other.matched
        self.mismatched += other.mismatched
        for reason, number in other.reasons.items():
            self.add_reason(reason, number)


class DebugCounts:
    """The debug groups of a process's triggers; a `MatchObserver` of a `TriggerSet`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: dict[str, DebugGroup] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing was counted since the counts were last taken."""
        return not self._groups

    def matched(self, definition: TriggerDefinition) -> None:
        """Count a match."""
        with self._lock:
            self._groups.setdefault(definition.name, DebugGroup()).matched += 1

    def mismatched(self, definition: TriggerDefinition, reason: str) -> None:
        """Count a mismatch, at level 2 with its reason."""
        with self._lock:
            group = self._groups.setdefault(definition.name, DebugGroup())
            group.mismatched += 1
            if definition.debug_level > 1:
                group.add_reason(reason)

    def take(self) -> dict[str, DebugGroup]:
        """The groups by trigger's name; counting starts anew."""
        with self._lock:
            taken, self._groups = self._groups, {}
            return taken

    def put_back(self, groups: Mapping[str, DebugGroup]) -> None:
        """Count on from groups that were taken."""
        with self._lock:
            for name, group in groups.items():
                self._groups.setdefault(name, DebugGroup()).add(group)


def log_groups(groups: Mapping[str, DebugGroup]) -> None:
    """Write one record for each trigger that saw events, and one for each reason."""
    for name, group in groups.items():
        logger.info("trigger %s: matched=%d mismatched=%d", name, group.matched, group.mismatched)
        for reason, number in group.reasons.most_common():
            logger.info("trigger %s: mismatched=%d because %s", name, number, reason)


def _storable_reason(reason: str) -> str:
    """A reason that every database stores; one that tells of very long criteria is cut."""
    text = reason if reason.isprintable() else ascii(reason)[1:-1]
    return text if len(text) <= MAX_REASON_LENGTH else f"{text[: MAX_REASON_LENGTH - 3]}..."
