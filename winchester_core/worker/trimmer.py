"""Removes old events that no uncompleted stream holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.telemetry.counters import Count, Counters

if TYPE_CHECKING:
    from datetime import datetime

    from winchester_core.storage.interface import WorkStore
    from winchester_core.timex import Expression


def trim(store: WorkStore, age: Expression, now: datetime, limit: int, counters: Counters) -> int:
    """Remove up to `limit` events, older than `age` by their own time and by when they were stored.

    Raises `TimeEvaluationError` when the age leaves the years 1000-9999.
    """
    older_than = age.evaluate({"timestamp": now}).timestamp
    stored_before = age.evaluate({"timestamp": store.real_time()}).timestamp
    trimmed = store.trim(older_than, stored_before, limit)
    counters.add(Count.EVENTS_TRIMMED, trimmed)
    return trimmed
