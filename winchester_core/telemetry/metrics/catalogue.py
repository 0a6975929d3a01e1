"""Every metric there is. The reference page, the listener and the tests go by this.

Names are `winchester_<noun>_<unit>`, with ``_total`` for a counter; the values of every label are
bounded by the program or by the configuration.
"""

from __future__ import annotations

from typing import Final

from winchester_core.telemetry.metrics.metric import Kind, Metric, Origin

# --- ingest -------------------------------------------------------------------------------------

SOURCE_MESSAGES: Final = Metric(
    "winchester_source_messages_total",
    Kind.COUNTER,
    Origin.INGEST,
    "messages of an event source that were settled, by what became of them",
    ("source", "outcome"),
)
SOURCE_FAILURES: Final = Metric(
    "winchester_source_failures_total",
    Kind.COUNTER,
    Origin.INGEST,
    "how often an event source failed, and was opened again",
    ("source",),
)
SOURCE_LAG: Final = Metric(
    "winchester_source_lag_messages",
    Kind.GAUGE,
    Origin.INGEST,
    "messages that waited at the origin of a source when last asked; only where a source knows",
    ("source",),
)
SOURCE_IN_FLIGHT: Final = Metric(
    "winchester_source_in_flight_messages",
    Kind.GAUGE,
    Origin.INGEST,
    "messages that were received and are not settled yet",
    ("source",),
)

# --- workers ------------------------------------------------------------------------------------

RUN_SECONDS: Final = Metric(
    "winchester_run_seconds",
    Kind.HISTOGRAM,
    Origin.WORKER,
    "how long the handlers of a pipeline took with a stream, `commit` included; failed runs too",
    ("pipeline",),
)

# --- the process --------------------------------------------------------------------------------

BUILD_INFO: Final = Metric(
    "winchester_build_info",
    Kind.GAUGE,
    Origin.PROCESS,
    "1; the labels say which program this is: `ingest` or `worker`",
    ("version", "python", "program"),
)
WATCHDOG_OVERDUE: Final = Metric(
    "winchester_watchdog_overdue_components",
    Kind.GAUGE,
    Origin.PROCESS,
    "parts of the process that were to be heard of by now and were not: they hang",
)

# --- the tables ---------------------------------------------------------------------------------

STORE_UP: Final = Metric(
    "winchester_store_up",
    Kind.GAUGE,
    Origin.PROCESS,
    "1 when the tables could be read; 0 when not, and then nothing else is told of them",
)
STORE_AGE: Final = Metric(
    "winchester_store_age_seconds",
    Kind.GAUGE,
    Origin.PROCESS,
    "how long ago the tables were read for what is told of them here",
)
STORE_STREAMS: Final = Metric(
    "winchester_store_streams",
    Kind.GAUGE,
    Origin.TABLES,
    "streams by trigger and state",
    ("trigger", "state"),
)
STORE_OLDEST_READY: Final = Metric(
    "winchester_store_oldest_ready_stream_seconds",
    Kind.GAUGE,
    Origin.TABLES,
    "how long the stream that is ready for the longest time waits for a worker, by what it is ready"
    " for: stream time since it was to fire or expire, or real time since its retry was due; 0"
    " where none waits",
    ("reason",),
)
STORE_OLDEST_UNEXPIRED: Final = Metric(
    "winchester_store_oldest_unexpired_stream_seconds",
    Kind.GAUGE,
    Origin.TABLES,
    "how long ago, in stream time, the first event of the oldest active stream was; 0 where none"
    " is active",
)
STORE_STREAM_TIME: Final = Metric(
    "winchester_store_stream_time_seconds",
    Kind.GAUGE,
    Origin.TABLES,
    "stream time, in seconds since 1970; absent while the event clock has never been set",
)
STORE_EFFECTS: Final = Metric(
    "winchester_store_effects",
    Kind.GAUGE,
    Origin.TABLES,
    "effects in the outbox by endpoint and state: `pending`, or `dead` for dead letters; of workers"
    " only",
    ("pipeline", "handler", "state"),
)
STORE_OLDEST_EFFECT: Final = Metric(
    "winchester_store_oldest_effect_seconds",
    Kind.GAUGE,
    Origin.TABLES,
    "how long the pending effect of an endpoint that has waited longest waits; 0 where none does;"
    " of workers only",
    ("pipeline", "handler"),
)
STORE_REJECTED: Final = Metric(
    "winchester_store_rejected_messages",
    Kind.GAUGE,
    Origin.TABLES,
    "rejected messages that are kept",
)

SINGLE: Final = (
    *(SOURCE_MESSAGES, SOURCE_FAILURES, SOURCE_LAG, SOURCE_IN_FLIGHT),
    RUN_SECONDS,
    *(BUILD_INFO, WATCHDOG_OVERDUE, STORE_UP, STORE_AGE),
    *(STORE_STREAMS, STORE_OLDEST_READY, STORE_OLDEST_UNEXPIRED, STORE_STREAM_TIME),
    *(STORE_EFFECTS, STORE_OLDEST_EFFECT, STORE_REJECTED),
)
"""All but those that show the counts of `winchester_core.telemetry.counters`."""
