"""Brings open streams up to date after their trigger's rules have changed."""

from __future__ import annotations

import logging
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

from winchester_core.clock import monotonic
from winchester_core.telemetry.counters import Count, Counters

if TYPE_CHECKING:
    from datetime import datetime

    from winchester_core.storage.interface import WorkStore
    from winchester_core.telemetry.heartbeat import Pulse
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.matcher import TriggerSet

logger = logging.getLogger(__name__)

BATCH: Final = 100
"""Streams a transaction."""

ROUND_BATCHES: Final = 10
"""How many transactions a round takes before the worker looks after what is ready."""

LOOKS_SECONDS: Final = (0.0, 60.0, 600.0)
"""When to look, after a start or a change."""


class Refresher:
    """Counts the open streams of changed triggers anew, in small transactions, round by round.

    It looks at once, and again a minute and ten minutes later: processes that still went by the
    rules of before may meanwhile have opened streams, or counted them back.
    """

    def __init__(
        self, store: WorkStore, triggers: TriggerSet, counters: Counters, pulse: Pulse
    ) -> None:
        self._store = store
        self._triggers = triggers
        self._counters = counters
        self._pulse = pulse
        started_at = monotonic()
        self._looks = deque(started_at + seconds for seconds in LOOKS_SECONDS)
        self._left: deque[TriggerDefinition] = deque()
        self._refreshed: Counter[str] = Counter()

    @property
    def has_more(self) -> bool:
        """Whether the next round goes on with this one's work."""
        return bool(self._left)

    def is_due(self) -> bool:
        """Whether there is anything to look at in this round."""
        if not self._left and self._looks and self._looks[0] <= monotonic():
            self._looks.popleft()
            self._left.extend(self._triggers.by_name.values())
        return bool(self._left)

    def round(self, now: datetime) -> None:
        """Bring a bounded number of streams up to date; `now` is stream time."""
        batches = 0
        while self._left and batches < ROUND_BATCHES:
            definition = self._left[0]
            self._pulse.beat()
            number = self._store.recalculate(definition, now, BATCH)
            batches += number > 0
            self._refreshed[definition.name] += number
            self._counters.add(Count.STREAMS_RECALCULATED, number)
            if number < BATCH:
                self._left.popleft()
                self._tell_of(definition)

    def _tell_of(self, definition: TriggerDefinition) -> None:
        refreshed = self._refreshed.pop(definition.name, 0)
        if refreshed:
            logger.info(
                "trigger %s has changed: %d open streams counted anew", definition.name, refreshed
            )
