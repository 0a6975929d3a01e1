"""Takes streams from workers that died."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from winchester_core.telemetry.counters import Count, Counters

if TYPE_CHECKING:
    from winchester_core.storage.interface import WorkStore
    from winchester_core.telemetry.heartbeat import Pulse

logger = logging.getLogger(__name__)

BATCH = 1000


def rescue(store: WorkStore, max_attempts: int, counters: Counters, pulse: Pulse) -> int:
    """Send streams whose lease has run out to their next try; return how many were found."""
    total = 0
    while True:
        pulse.beat()
        again, failed = store.rescue(max_attempts=max_attempts, limit=BATCH)
        counters.add(Count.STREAMS_RESCUED, again)
        counters.add(Count.STREAMS_IN_ERROR, failed)
        if again or failed:
            logger.warning(
                "rescued %d streams of dead workers; %d more are in error, attempts used up",
                again,
                failed,
            )
        total += again + failed
        if again + failed < BATCH:
            return total
