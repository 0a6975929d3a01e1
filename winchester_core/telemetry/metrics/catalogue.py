"""Every metric there is. The reference page, the listener and the tests go by this.

Names are `winchester_<noun>_<unit>`, with ``_total`` for a counter; the values of every label are
bounded by the program or by the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from winchester_core.model.effect import Endpoint
    from winchester_core.telemetry.counters import Counters, Distribution


# What a metric is, and a sample of one: plain values, whatever may carry them to a monitor.


class MetricKind(StrEnum):
    """How the values of a metric go on."""

    COUNTER = "counter"
    """Up, from 0 at the start of the process."""
    GAUGE = "gauge"
    """Up and down."""
    HISTOGRAM = "histogram"
    """Counters by upper bounds."""


class MetricOrigin(StrEnum):
    """Of what a metric tells, and so how those of several processes go together."""

    INGEST = "ingest"
    WORKER = "worker"
    PROCESS = "process"
    TABLES = "tables"
    """The same in every process that shows it: the greatest is taken, never the sum."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: `name` is the whole one, with its unit and ``_total`` for a counter."""

    name: str
    kind: MetricKind
    origin: MetricOrigin
    meaning: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of a metric, with the values of its labels in their order."""

    metric: Metric
    value: float | Distribution
    labels: tuple[str, ...] = ()


MetricsCollector: TypeAlias = "Callable[[], Iterable[Sample]]"
"""What is asked for samples at each scrape, in the scrape's own thread."""


# --- ingest -------------------------------------------------------------------------------------

SOURCE_MESSAGES: Final = Metric(
    "winchester_source_messages_total",
    MetricKind.COUNTER,
    MetricOrigin.INGEST,
    "messages of an event source that were settled, by what became of them",
    ("source", "outcome"),
)
SOURCE_FAILURES: Final = Metric(
    "winchester_source_failures_total",
    MetricKind.COUNTER,
    MetricOrigin.INGEST,
    "how often an event source failed, and was opened again",
    ("source",),
)
SOURCE_LAG: Final = Metric(
    "winchester_source_lag_messages",
    MetricKind.GAUGE,
    MetricOrigin.INGEST,
    "messages that waited at the origin of a source when last asked; only where a source knows",
    ("source",),
)
SOURCE_IN_FLIGHT: Final = Metric(
    "winchester_source_in_flight_messages",
    MetricKind.GAUGE,
    MetricOrigin.INGEST,
    "messages that were received and are not settled yet",
    ("source",),
)

# --- workers ------------------------------------------------------------------------------------

RUN_SECONDS: Final = Metric(
    "winchester_run_seconds",
    MetricKind.HISTOGRAM,
    MetricOrigin.WORKER,
    "how long the handlers of a pipeline took with a stream, `commit` included; failed runs too",
    ("pipeline",),
)

# --- the process --------------------------------------------------------------------------------

BUILD_INFO: Final = Metric(
    "winchester_build_info",
    MetricKind.GAUGE,
    MetricOrigin.PROCESS,
    "1; the labels say which program this is: `ingest` or `worker`",
    ("version", "python", "program"),
)
WATCHDOG_OVERDUE: Final = Metric(
    "winchester_watchdog_overdue_components",
    MetricKind.GAUGE,
    MetricOrigin.PROCESS,
    "parts of the process that were to be heard of by now and were not: they hang",
)

# --- the tables ---------------------------------------------------------------------------------

STORE_UP: Final = Metric(
    "winchester_store_up",
    MetricKind.GAUGE,
    MetricOrigin.PROCESS,
    "1 when the tables could be read; 0 when not, and then nothing else is told of them",
)
STORE_AGE: Final = Metric(
    "winchester_store_age_seconds",
    MetricKind.GAUGE,
    MetricOrigin.PROCESS,
    "how long ago the tables were read for what is told of them here",
)
STORE_STREAMS: Final = Metric(
    "winchester_store_streams",
    MetricKind.GAUGE,
    MetricOrigin.TABLES,
    "streams by trigger and state",
    ("trigger", "state"),
)
STORE_OLDEST_READY: Final = Metric(
    "winchester_store_oldest_ready_stream_seconds",
    MetricKind.GAUGE,
    MetricOrigin.TABLES,
    "how long the stream that is ready for the longest time waits for a worker, by what it is ready"
    " for: stream time since it was to fire or expire, or real time since its retry was due; 0"
    " where none waits",
    ("reason",),
)
STORE_OLDEST_UNEXPIRED: Final = Metric(
    "winchester_store_oldest_unexpired_stream_seconds",
    MetricKind.GAUGE,
    MetricOrigin.TABLES,
    "how long ago, in stream time, the first event of the oldest active stream was; 0 where none"
    " is active",
)
STORE_STREAM_TIME: Final = Metric(
    "winchester_store_stream_time_seconds",
    MetricKind.GAUGE,
    MetricOrigin.TABLES,
    "stream time, in seconds since 1970; absent while the event clock has never been set",
)
STORE_EFFECTS: Final = Metric(
    "winchester_store_effects",
    MetricKind.GAUGE,
    MetricOrigin.TABLES,
    "effects in the outbox by endpoint and state: `pending`, or `dead` for dead letters; of workers"
    " only",
    ("pipeline", "handler", "state"),
)
STORE_OLDEST_EFFECT: Final = Metric(
    "winchester_store_oldest_effect_seconds",
    MetricKind.GAUGE,
    MetricOrigin.TABLES,
    "how long the pending effect of an endpoint that has waited longest waits; 0 where none does;"
    " of workers only",
    ("pipeline", "handler"),
)
STORE_REJECTED: Final = Metric(
    "winchester_store_rejected_messages",
    MetricKind.GAUGE,
    MetricOrigin.TABLES,
    "rejected messages that are kept",
)

OTHER_METRICS: Final = (
    *(SOURCE_MESSAGES, SOURCE_FAILURES, SOURCE_LAG, SOURCE_IN_FLIGHT),
    RUN_SECONDS,
    *(BUILD_INFO, WATCHDOG_OVERDUE, STORE_UP, STORE_AGE),
    *(STORE_STREAMS, STORE_OLDEST_READY, STORE_OLDEST_UNEXPIRED, STORE_STREAM_TIME),
    *(STORE_EFFECTS, STORE_OLDEST_EFFECT, STORE_REJECTED),
)
"""All but those that show the counts of `winchester_core.telemetry.counters`."""


# The counts of a process as metrics: counts that divide one thing are one metric with a label.


@dataclass(frozen=True, slots=True)
class CountMetric:
    """The metric that shows a count, and the values of its labels."""

    metric: Metric
    labels: tuple[str, ...] = ()


def _counter(count: Count, origin: MetricOrigin, meaning: str) -> dict[Count, CountMetric]:
    """A count by itself."""
    return {
        count: CountMetric(
            Metric(f"winchester_{count.value}_total", MetricKind.COUNTER, origin, meaning)
        )
    }


def _labelled_counter(
    noun: str, origin: MetricOrigin, meaning: str, label: str, values: Mapping[Count, str]
) -> dict[Count, CountMetric]:
    """Counts that are parts of one thing."""
    metric = Metric(f"winchester_{noun}_total", MetricKind.COUNTER, origin, meaning, (label,))
    return {count: CountMetric(metric, (value,)) for count, value in values.items()}


COUNT_METRICS: Final[Mapping[Count, CountMetric]] = {
    **_counter(
        Count.MESSAGES_RECEIVED, MetricOrigin.INGEST, "events and notifications that were handed in"
    ),
    **_labelled_counter(
        "ingest_events",
        MetricOrigin.INGEST,
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
        Count.MESSAGES_REJECTED,
        MetricOrigin.INGEST,
        "bad messages that were kept as rejected messages",
    ),
    **_counter(Count.TRAITS_DROPPED, MetricOrigin.PROCESS, "traits that cannot be stored"),
    **_counter(Count.STREAMS_OPENED, MetricOrigin.PROCESS, "streams that were opened"),
    **_counter(
        Count.STREAMS_OPENED_EXPIRED,
        MetricOrigin.INGEST,
        "streams that were expired when they were opened",
    ),
    **_counter(
        Count.CLOCK_JUMPS_REFUSED,
        MetricOrigin.INGEST,
        "events too far ahead to move the event clock",
    ),
    **_counter(Count.STREAMS_CLAIMED, MetricOrigin.WORKER, "streams that were claimed"),
    **_labelled_counter(
        "streams_completed",
        MetricOrigin.WORKER,
        "streams that were completed",
        "reason",
        {Count.STREAMS_FIRED: "fire", Count.STREAMS_EXPIRED: "expire"},
    ),
    **_counter(Count.STREAMS_FAILED, MetricOrigin.WORKER, "runs that failed; most are tried again"),
    **_counter(
        Count.STREAMS_IN_ERROR,
        MetricOrigin.WORKER,
        "streams whose attempts were used up, or whose pipeline is configured nowhere",
    ),
    **_counter(
        Count.STREAMS_RELEASED,
        MetricOrigin.WORKER,
        "streams that were given back before they were begun",
    ),
    **_counter(Count.STREAMS_RESCUED, MetricOrigin.WORKER, "streams taken from workers that died"),
    **_counter(
        Count.STREAMS_RECALCULATED,
        MetricOrigin.WORKER,
        "open streams counted anew after their trigger had changed",
    ),
    **_counter(
        Count.LEASES_LOST, MetricOrigin.WORKER, "runs whose lease was lost: another worker goes on"
    ),
    **_counter(
        Count.COMPLETIONS_UNKNOWN,
        MetricOrigin.WORKER,
        "runs in whose last commit the connection broke, and whose claim was gone afterwards",
    ),
    **_counter(
        Count.HANDLER_COMMIT_ERRORS,
        MetricOrigin.WORKER,
        "exceptions of handlers in `commit` and `rollback`",
    ),
    **_counter(Count.EVENTS_CREATED, MetricOrigin.WORKER, "events that handlers made"),
    **_counter(Count.EVENTS_TRIMMED, MetricOrigin.WORKER, "events that were removed as too old"),
    **_counter(
        Count.EFFECTS_RECORDED,
        MetricOrigin.WORKER,
        "effects that were recorded with their stream's completion",
    ),
    **_labelled_counter(
        "deliveries",
        MetricOrigin.WORKER,
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
        MetricOrigin.PROCESS,
        "transactions done again after a deadlock, a lock that was held too long, or a conflict at"
        " a constraint",
    ),
    **_counter(
        Count.OUTAGES,
        MetricOrigin.PROCESS,
        "times that the database, its clock or a source was away",
    ),
}
"""Every count, in the order of the reference page."""


def count_samples(counters: Counters, origins: Collection[MetricOrigin]) -> Iterator[Sample]:
    """The counts of these origins, those that are still 0 too."""
    for count, shown in COUNT_METRICS.items():
        if shown.metric.origin in origins:
            yield Sample(shown.metric, counters[count], shown.labels)


# Which names a configuration has: labels have these values and no others.


OTHER_LABEL: Final = "(other)"
"""The label of whatever is in the tables and not in the configuration (any more)."""


@dataclass(frozen=True, slots=True)
class LabelValues:
    """What is configured. `endpoints` is None in a process that reads no pipelines."""

    triggers: AbstractSet[str]
    pipelines: AbstractSet[str] = frozenset()
    endpoints: AbstractSet[Endpoint] | None = None
