"""Brings open streams up to date after their trigger's rules have changed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from winchester_core.telemetry.counters import Count, Counters

if TYPE_CHECKING:
    from datetime import datetime

    from winchester_core.storage.interface import WorkStore
    from winchester_core.telemetry.heartbeat import Pulse
    from winchester_core.triggers.matcher import TriggerSet

logger = logging.getLogger(__name__)

BATCH = 100


def refresh(
    store: WorkStore, triggers: TriggerSet, now: datetime, counters: Counters, pulse: Pulse
) -> int:
    """Count the open streams of every changed trigger anew, in small transactions."""
    total = 0
    for definition in triggers.by_name.values():
        refreshed = number = store.refresh(definition, now, BATCH)
        while number == BATCH:
            pulse.beat()
            number = store.refresh(definition, now, BATCH)
            refreshed += number
        if refreshed:
            logger.info(
                "trigger %s has changed: %d open streams counted anew", definition.name, refreshed
            )
        total += refreshed
    counters.add(Count.STREAMS_REFRESHED, total)
    return total
