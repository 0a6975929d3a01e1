"""What became of events at the triggers that are being debugged.

`debug_level` 1 counts matches and mismatches; 2 counts the reasons of mismatches too. The counts
are logged with the statistics, every `statistics_period` seconds.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from winchester_core.triggers.definition import TriggerDefinition

logger = logging.getLogger(__name__)

MAX_REASONS = 100
OTHER_REASONS = "(other reasons)"


@dataclass(slots=True)
class DebugGroup:
    """The counts of one trigger since they were last taken."""

    matched: int = 0
    mismatched: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class DebugCounts:
    """The debug groups of a process's triggers; an `Observer` of a `TriggerSet`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: dict[str, DebugGroup] = {}

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
                known = reason in group.reasons or len(group.reasons) < MAX_REASONS
                group.reasons[reason if known else OTHER_REASONS] += 1

    def take(self) -> dict[str, DebugGroup]:
        """The groups by trigger's name; counting starts anew."""
        with self._lock:
            taken, self._groups = self._groups, {}
            return taken

    def log(self) -> None:
        """Write one record for each trigger that saw events, and one for each reason."""
        for name, group in self.take().items():
            logger.info(
                "trigger %s: matched=%d mismatched=%d", name, group.matched, group.mismatched
            )
            for reason, number in group.reasons.most_common():
                logger.info("trigger %s: mismatched=%d because %s", name, number, reason)
