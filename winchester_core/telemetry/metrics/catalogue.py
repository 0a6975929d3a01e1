"""Catalogue of all metrics; the reference page, the telemetry server and the tests use it.

Names are `winchester_<noun>_<unit>`, with ``_total`` for a counter. The program or the
configuration limits the values of each label.
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


class MetricKind(StrEnum):
    """Prometheus type of a metric."""

    COUNTER = "counter"
    """Only increases, from 0 at the start of the process."""
    GAUGE = "gauge"
    """Increases and decreases."""
    HISTOGRAM = "histogram"
    """Cumulative counts by upper bound."""


class MetricOrigin(StrEnum):
    """Origin of the values of a metric. It determines how to aggregate over processes."""

    INGEST = "ingest"
    WORKER = "worker"
    PROCESS = "process"
    TABLES = "tables"
    """The same value in every process that exposes it: aggregate with max, never with sum."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric; `name` is the full name, with its unit and ``_total`` for a counter."""

    name: str
    kind: MetricKind
    origin: MetricOrigin
    meaning: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of a metric, with label values in the order of the metric's labels."""

    metric: Metric
    value: float | Distribution
    labels: tuple[str, ...] = ()


MetricsCollector: TypeAlias = "Callable[[], Iterable[Sample]]"
"""Called at each scrape, in the thread of the scrape."""


# --- ingest -------------------------------------------------------------------------------------

SOURCE_MESSAGES: Final = Metric(
    "winchester_source_messages_total",
    MetricKind.COUNTER,
    MetricOrigin.INGEST,
    "messages of an event source that were settled, by outcome",
    ("source", "outcome"),
)
SOURCE_FAILURES: Final = Metric(
    "winchester_source_failures_total",
    MetricKind.COUNTER,
    MetricOrigin.INGEST,
    "failures of an event source; it was reopened after each",
    ("source",),
)
SOURCE_LAG: Final = Metric(
    "winchester_source_lag_messages",
    MetricKind.GAUGE,
    MetricOrigin.INGEST,
    "messages that waited at the origin of a source at the last check; only for sources that know "
    "this number",
    ("source",),
)
SOURCE_IN_FLIGHT: Final = Metric(
    "winchester_source_in_flight_messages",
    MetricKind.GAUGE,
    MetricOrigin.INGEST,
    "messages that are received but not settled yet",
    ("source",),
)
SOURCE_REFUSED: Final = Metric(
    "winchester_source_refused_requests_total",
    MetricKind.COUNTER,
    MetricOrigin.INGEST,
    "requests that a source refused because their sender is not authenticated, by reason; only for "
    "sources that authenticate",
    ("source", "reason"),
)

# --- workers ------------------------------------------------------------------------------------

WORKER_THREADS: Final = Metric(
    "winchester_worker_threads",
    MetricKind.GAUGE,
    MetricOrigin.WORKER,
    "threads that run pipelines (`worker_concurrency`)",
)
WORKER_THREADS_BUSY: Final = Metric(
    "winchester_worker_busy_threads",
    MetricKind.GAUGE,
    MetricOrigin.WORKER,
    "threads that are in a handler at the time of the scrape",
)
WORKER_CLAIMS: Final = Metric(
    "winchester_worker_claimed_streams",
    MetricKind.GAUGE,
    MetricOrigin.WORKER,
    "streams that the worker has claimed and not completed yet",
)
RUN_SECONDS: Final = Metric(
    "winchester_run_seconds",
    MetricKind.HISTOGRAM,
    MetricOrigin.WORKER,
    "durations of the runs of a pipeline, including `commit` and failed runs",
    ("pipeline",),
)

# --- the process --------------------------------------------------------------------------------

BUILD_INFO: Final = Metric(
    "winchester_build_info",
    MetricKind.GAUGE,
    MetricOrigin.PROCESS,
    "1; the labels identify the program (`ingest` or `worker`) and its version",
    ("version", "python", "program"),
)
WATCHDOG_OVERDUE: Final = Metric(
    "winchester_watchdog_overdue_components",
    MetricKind.GAUGE,
    MetricOrigin.PROCESS,
    "components of the process that missed their deadline and probably hang",
)

# --- the tables ---------------------------------------------------------------------------------

STORE_UP: Final = Metric(
    "winchester_store_up",
    MetricKind.GAUGE,
    MetricOrigin.PROCESS,
    "1 if the tables could be read. 0 if not; the other metrics of the tables are then absent",
)
STORE_AGE: Final = Metric(
    "winchester_store_age_seconds",
    MetricKind.GAUGE,
    MetricOrigin.PROCESS,
    "age of the metrics of the tables",
)
STORE_STREAMS: Final = Metric(
    "winchester_store_streams",
    MetricKind.GAUGE,
    MetricOrigin.TABLES,
    "streams by trigger and state",
    ("trigger", "state"),
)
STORE_TRIALS: Final = Metric(
    "winchester_store_trial_streams",
    MetricKind.GAUGE,
    MetricOrigin.TABLES,
    "streams that wait to be tried alone, because their worker died",
)
STORE_UNKNOWN: Final = Metric(
    "winchester_store_unknown_trigger_streams",
    MetricKind.GAUGE,
    MetricOrigin.TABLES,
    "streams of triggers that this process does not know, either active or waiting for a retry",
)
STORE_OLDEST_READY: Final = Metric(
    "winchester_store_oldest_ready_stream_seconds",
    MetricKind.GAUGE,
    MetricOrigin.TABLES,
    "time that the oldest ready stream has waited for a worker, by reason: in stream time since "
    "it was due to fire or expire, or in real time since its retry was due; 0 if none is ready",
    ("reason",),
)
STORE_OLDEST_UNEXPIRED: Final = Metric(
    "winchester_store_oldest_unexpired_stream_seconds",
    MetricKind.GAUGE,
    MetricOrigin.TABLES,
    "age of the first event of the oldest active stream, in stream time; 0 if none is active",
)
STORE_STREAM_TIME: Final = Metric(
    "winchester_store_stream_time_seconds",
    MetricKind.GAUGE,
    MetricOrigin.TABLES,
    "stream time, in seconds since 1970; absent until the event clock is first set",
)
PROCESS_DIFFERENCES: Final = Metric(
    "winchester_store_process_differences",
    MetricKind.GAUGE,
    MetricOrigin.TABLES,
    "1 if running processes have had different versions, triggers or pipelines for ten minutes, "
    "else 0, by what differs: `version`, `triggers` or `pipelines`",
    ("difference",),
)
STORE_EFFECTS: Final = Metric(
    "winchester_store_effects",
    MetricKind.GAUGE,
    MetricOrigin.TABLES,
    "effects in the outbox by endpoint and state: `pending`, or `dead` for dead letters; only from"
    " workers",
    ("pipeline", "handler", "state"),
)
STORE_OLDEST_EFFECT: Final = Metric(
    "winchester_store_oldest_effect_seconds",
    MetricKind.GAUGE,
    MetricOrigin.TABLES,
    "age of the oldest pending effect of an endpoint; 0 if none is pending; only from workers",
    ("pipeline", "handler"),
)
STORE_REJECTED: Final = Metric(
    "winchester_store_rejected_messages",
    MetricKind.GAUGE,
    MetricOrigin.TABLES,
    "rejected messages in the table",
)

OTHER_METRICS: Final = (
    *(SOURCE_MESSAGES, SOURCE_FAILURES, SOURCE_LAG, SOURCE_IN_FLIGHT, SOURCE_REFUSED),
    *(WORKER_THREADS, WORKER_THREADS_BUSY, WORKER_CLAIMS, RUN_SECONDS),
    *(BUILD_INFO, WATCHDOG_OVERDUE, STORE_UP, STORE_AGE),
    *(STORE_STREAMS, STORE_TRIALS, STORE_UNKNOWN),
    *(STORE_OLDEST_READY, STORE_OLDEST_UNEXPIRED, STORE_STREAM_TIME),
    *(STORE_EFFECTS, STORE_OLDEST_EFFECT, STORE_REJECTED, PROCESS_DIFFERENCES),
)
"""All metrics except those of `winchester_core.telemetry.counters`."""


# Metrics of the counters: counts of different outcomes are one metric with a label.


@dataclass(frozen=True, slots=True)
class CountMetric:
    """The metric that exposes a count, and its label values."""

    metric: Metric
    labels: tuple[str, ...] = ()


def _counters(origin: MetricOrigin, meanings: Mapping[Count, str]) -> dict[Count, CountMetric]:
    """Map each count to one metric."""
    return {
        count: CountMetric(
            Metric(f"winchester_{count.value}_total", MetricKind.COUNTER, origin, meaning)
        )
        for count, meaning in meanings.items()
    }


def _labelled_counter(
    noun: str, origin: MetricOrigin, meaning: str, label: str, values: Mapping[Count, str]
) -> dict[Count, CountMetric]:
    """Map several counts to one metric with a label."""
    metric = Metric(f"winchester_{noun}_total", MetricKind.COUNTER, origin, meaning, (label,))
    return {count: CountMetric(metric, (value,)) for count, value in values.items()}


COUNT_METRICS: Final[Mapping[Count, CountMetric]] = {
    **_counters(
        MetricOrigin.INGEST, {Count.MESSAGES_RECEIVED: "events and notifications received"}
    ),
    **_labelled_counter(
        "ingest_events",
        MetricOrigin.INGEST,
        "events and notifications by outcome",
        "outcome",
        {
            Count.EVENTS_STORED: "stored",
            Count.EVENTS_DUPLICATE: "duplicate",
            Count.EVENTS_INVALID: "invalid",
            Count.NOTIFICATIONS_DROPPED: "dropped",
        },
    ),
    **_counters(
        MetricOrigin.INGEST,
        {
            Count.MESSAGES_REJECTED: "invalid messages stored as rejected messages",
            Count.STREAMS_OPENED_EXPIRED: "streams already due to expire when they were opened",
            Count.CLOCK_JUMPS_REFUSED: (
                "events that did not advance the event clock because they are too far ahead"
            ),
        },
    ),
    **_counters(MetricOrigin.WORKER, {Count.STREAMS_CLAIMED: "streams claimed"}),
    **_labelled_counter(
        "streams_completed",
        MetricOrigin.WORKER,
        "streams completed",
        "reason",
        {
            Count.STREAMS_FIRED: "fire",
            Count.STREAMS_EXPIRED: "expire",
            Count.STREAMS_CANCELLED: "cancel",
            Count.STREAMS_SUPPRESSED: "suppressed",
        },
    ),
    **_counters(
        MetricOrigin.WORKER,
        {
            Count.STREAMS_FAILED: "failed runs; most are retried",
            Count.STREAMS_IN_ERROR: (
                "streams that entered an error state, because of `max_attempts` failures, a "
                "pipeline that is not configured, or a completion that the database refused after "
                "`commit`"
            ),
            Count.STREAMS_RELEASED: "claimed streams released before their run was committed",
            Count.STREAMS_RESCUED: "streams rescued from dead workers",
            Count.STREAMS_RECALCULATED: "open streams recalculated after their trigger changed",
            Count.LEASES_LOST: "runs that lost their lease to another worker",
            Count.RUNS_HUNG: "runs that exceeded `pipeline_timeout` (if it is not set, ten leases)",
            Count.COMPLETIONS_UNKNOWN: (
                "runs with an unknown outcome: the connection broke during the completion, and "
                "the claim no longer existed afterwards"
            ),
            Count.HANDLER_COMMIT_ERRORS: "exceptions of handlers in `commit` and `rollback`",
            Count.HANDLER_COMMITS_SKIPPED: "calls of `commit` that a replay skipped",
            Count.EVENTS_CREATED: "events created by handlers",
            Count.EVENTS_TRIMMED: "old events deleted by trimming",
            Count.EFFECTS_RECORDED: "effects recorded when their stream was completed",
            Count.EFFECTS_DISCARDED: (
                "effects that a replay recorded as discarded and did not deliver"
            ),
        },
    ),
    **_labelled_counter(
        "deliveries",
        MetricOrigin.WORKER,
        "effects by outcome of a delivery: `delivered`, `retried` (later), or `dead` (refused, or "
        "too old)",
        "outcome",
        {
            Count.EFFECTS_DELIVERED: "delivered",
            Count.EFFECTS_RETRIED: "retried",
            Count.EFFECTS_DEAD: "dead",
        },
    ),
    **_counters(
        MetricOrigin.PROCESS,
        {
            Count.TRAITS_DROPPED: "traits dropped because they cannot be stored",
            Count.STREAMS_OPENED: "streams opened",
            Count.STREAMS_RECOUNTED: (
                "streams whose members were all counted again because of a late event, or of one "
                "that cancels"
            ),
            Count.EVENTS_HELD: "events that wait for an event that opens their stream",
            Count.HELD_DROPPED: "waiting events dropped because more than 1,000 wait in a group",
            Count.TRANSACTIONS_RETRIED: (
                "transactions retried after a deadlock, a lock timeout or a conflict on a "
                "constraint"
            ),
            Count.OUTAGES: "outages of the database, the clock or a source",
        },
    ),
}
"""The metrics of all counts, in the order of the reference page."""


def count_samples(counters: Counters, origins: Collection[MetricOrigin]) -> Iterator[Sample]:
    """Yield the counts of these origins, including zeros."""
    for count, exposed in COUNT_METRICS.items():
        if exposed.metric.origin in origins:
            yield Sample(exposed.metric, counters[count], exposed.labels)


OTHER_LABEL: Final = "(other)"
"""Label value for names in the tables that are not in the configuration."""


@dataclass(frozen=True, slots=True)
class LabelValues:
    """Configured names. Apart from `OTHER_LABEL`, labels have only these values.

    `endpoints` is None in a process that reads no pipelines.
    """

    triggers: AbstractSet[str]
    pipelines: AbstractSet[str] = frozenset()
    endpoints: AbstractSet[Endpoint] | None = None
