"""Gives effects up that nobody has taken in time, those of removed handlers included."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from winchester_core.telemetry.counters import Count, Counters

if TYPE_CHECKING:
    from datetime import timedelta

    from winchester_core.storage.interface import EffectStore

logger = logging.getLogger(__name__)

BATCH = 1000


def give_up(store: EffectStore, max_age: timedelta, counters: Counters) -> int:
    """Make dead letters of the effects that have waited for `max_age`; return how many."""
    total = 0
    while True:
        given_up = store.mark_overdue_effects_dead(max_age=max_age, limit=BATCH)
        for endpoint, number in given_up.items():
            logger.error(
                "%d effects of %s were not delivered in %s: they are dead letters now",
                number,
                endpoint,
                max_age,
            )
        number = sum(given_up.values())
        counters.add(Count.EFFECTS_DEAD, number)
        total += number
        if number < BATCH:
            return total
