"""Statistics of a store as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.inspection.values import flat_object

if TYPE_CHECKING:
    from winchester_core.model.statistics import StoreStatistics


def flat_statistics(statistics: StoreStatistics) -> dict[str, Any]:
    """Return statistics with the backlog of each endpoint as a list."""
    return {
        **flat_object(statistics, "stream_time streams oldest_ready_seconds"),
        "oldest_unexpired_seconds": statistics.oldest_unexpired_seconds,
        "effects": [
            {
                **flat_object(endpoint, "pipeline handler place"),
                **flat_object(backlog, "pending dead oldest_seconds"),
            }
            for endpoint, backlog in sorted(statistics.effects.items())
        ],
        "rejected": statistics.rejected,
        "trials": statistics.trials,
        "counted_up_to": statistics.counted_up_to,
    }
