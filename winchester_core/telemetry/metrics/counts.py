"""The counts of a process as metrics: counts that divide one thing are one metric with a label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from winchester_core.telemetry.counters import Count
from winchester_core.telemetry.metrics.metric import Kind, Metric, Origin, Sample

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from winchester_core.telemetry.counters import Counters


@dataclass(frozen=True, slots=True)
class Shown:
    """The metric that shows a count, and the values of its labels."""

    metric: Metric
    labels: tuple[str, ...] = ()


def _counter(count: Count, origin: Origin, meaning: str) -> dict[Count, Shown]:
    """A count by itself."""
    return {count: Shown(Metric(f"winchester_{count.value}_total", Kind.COUNTER, origin, meaning))}


def _divided(
    noun: str, origin: Origin, meaning: str, label: str, values: Mapping[Count, str]
) -> dict[Count, Shown]:
    """Counts that are parts of one thing."""
    metric = Metric(f"winchester_{noun}_total", Kind.COUNTER, origin, meaning, (label,))
    return {count: Shown(metric, (value,)) for count, value in values.items()}


COUNT_METRICS: Final[Mapping[Count, Shown]] = {
    **_counter(
        Count.MESSAGES_RECEIVED, Origin.INGEST, "events and notifications that were handed in"
    ),
    **_divided(
        "ingest_events",
        Origin.INGEST,
        "events and notifications by what became of them",
        "outcome",
        {
            Count.EVENTS_STORED: "stored",
            Count.EVENTS_DUPLICATE: "duplicate",
            Count.EVENTS_INVALID: "invalid",
            Count.NOTIFICATIONS_DROPPED: "dropped",
        },
    ),
    **_counter(
        Count.MESSAGES_REJECTED, Origin.INGEST, "bad messages that were kept as rejected messages"
    ),
    **_counter(Count.TRAITS_DROPPED, Origin.PROCESS, "traits that cannot be stored"),
    **_counter(Count.STREAMS_OPENED, Origin.PROCESS, "streams that were opened"),
    **_counter(
        Count.STREAMS_OPENED_EXPIRED,
        Origin.INGEST,
        "streams that were expired when they were opened",
    ),
    **_counter(
        Count.CLOCK_JUMPS_REFUSED, Origin.INGEST, "events too far ahead to move the event clock"
    ),
    **_counter(Count.STREAMS_CLAIMED, Origin.WORKER, "streams that were claimed"),
    **_divided(
        "streams_completed",
        Origin.WORKER,
        "streams that were completed",
        "reason",
        {Count.STREAMS_FIRED: "fire", Count.STREAMS_EXPIRED: "expire"},
    ),
    **_counter(Count.STREAMS_FAILED, Origin.WORKER, "runs that failed; most are tried again"),
    **_counter(
        Count.STREAMS_IN_ERROR,
        Origin.WORKER,
        "streams whose attempts were used up, or whose pipeline is configured nowhere",
    ),
    **_counter(
        Count.STREAMS_RELEASED, Origin.WORKER, "streams that were given back before they were begun"
    ),
    **_counter(Count.STREAMS_RESCUED, Origin.WORKER, "streams taken from workers that died"),
    **_counter(
        Count.STREAMS_RECALCULATED,
        Origin.WORKER,
        "open streams counted anew after their trigger had changed",
    ),
    **_counter(
        Count.LEASES_LOST, Origin.WORKER, "runs whose lease was lost: another worker goes on"
    ),
    **_counter(
        Count.COMPLETIONS_UNKNOWN,
        Origin.WORKER,
        "runs in whose last commit the connection broke, and whose claim was gone afterwards",
    ),
    **_counter(
        Count.HANDLER_COMMIT_ERRORS,
        Origin.WORKER,
        "exceptions of handlers in `commit` and `rollback`",
    ),
    **_counter(Count.EVENTS_CREATED, Origin.WORKER, "events that handlers made"),
    **_counter(Count.EVENTS_TRIMMED, Origin.WORKER, "events that were removed as too old"),
    **_counter(
        Count.EFFECTS_RECORDED,
        Origin.WORKER,
        "effects that were recorded with their stream's completion",
    ),
    **_divided(
        "deliveries",
        Origin.WORKER,
        "effects by what a delivery came to: `delivered`, `retried` (to be tried again), or `dead`"
        " (refused, or given up because of its age)",
        "outcome",
        {
            Count.EFFECTS_DELIVERED: "delivered",
            Count.EFFECTS_RETRIED: "retried",
            Count.EFFECTS_DEAD: "dead",
        },
    ),
    **_counter(
        Count.TRANSACTIONS_RETRIED,
        Origin.PROCESS,
        "transactions done again after a deadlock, a lock that was held too long, or a conflict at"
        " a constraint",
    ),
    **_counter(
        Count.OUTAGES, Origin.PROCESS, "times that the database, its clock or a source was away"
    ),
}
"""Every count, in the order of the reference page."""


def count_samples(counters: Counters, origins: Collection[Origin]) -> Iterator[Sample]:
    """The counts of these origins, those that are still 0 too."""
    for count, shown in COUNT_METRICS.items():
        if shown.metric.origin in origins:
            yield Sample(shown.metric, counters[count], shown.labels)
