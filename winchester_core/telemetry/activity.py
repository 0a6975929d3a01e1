"""Totals of a process by trigger and pipeline, from its counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from winchester_core.model.activity import ActivityCounts, ActivityKey, Subject
from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.telemetry.counters import Counters

_TRIGGER_COUNTS: Final[Mapping[str, Count]] = {
    "streams_opened": Count.STREAMS_OPENED,
    "streams_fired": Count.STREAMS_FIRED,
    "streams_expired": Count.STREAMS_EXPIRED,
    "streams_cancelled": Count.STREAMS_CANCELLED,
    "streams_suppressed": Count.STREAMS_SUPPRESSED,
    "streams_failed": Count.STREAMS_FAILED,
}


def activity_totals(counters: Counters) -> dict[ActivityKey, ActivityCounts]:
    """Return the totals since the start of the process.

    The counters are read one after the other, so totals may belong to slightly different times.
    """
    events = ActivityCounts(
        events_stored=counters[Count.EVENTS_STORED] + counters[Count.EVENTS_CREATED],
        events_duplicate=counters[Count.EVENTS_DUPLICATE],
        messages_rejected=counters[Count.MESSAGES_REJECTED],
    )
    triggers = {name: counters.labels(count) for name, count in _TRIGGER_COUNTS.items()}
    durations = counters.run_seconds.snapshot()
    pipelines: dict[str, dict[str, Any]] = {
        "effects_delivered": counters.labels(Count.EFFECTS_DELIVERED),
        "runs": {name: each.number for name, each in durations.items()},
        "run_seconds": {name: each.seconds for name, each in durations.items()},
    }
    return {
        ActivityKey(Subject.EVENTS): events,
        **_by_name(Subject.TRIGGER, triggers),
        **_by_name(Subject.PIPELINE, pipelines),
    }


def _by_name(
    subject: Subject, totals: Mapping[str, Mapping[str, Any]]
) -> dict[ActivityKey, ActivityCounts]:
    """Return totals by name; `totals` has them by the name of the count, then by name."""
    names = {name for by_name in totals.values() for name in by_name}
    return {
        ActivityKey(subject, name): ActivityCounts(
            **{count: by_name.get(name, 0) for count, by_name in totals.items()}
        )
        for name in sorted(names)
    }
