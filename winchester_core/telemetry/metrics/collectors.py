"""Collectors of metrics. Names that are not configured share one label."""

from __future__ import annotations

import logging
import platform
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from winchester_core.distribution import DISTRIBUTION
from winchester_core.errors import WinchesterError
from winchester_core.model.effect import EffectState
from winchester_core.model.process import ProcessKind
from winchester_core.model.statistics import EffectBacklog
from winchester_core.model.stream import WAITING_STATES, StreamState
from winchester_core.telemetry.counters import EMPTY_DISTRIBUTION
from winchester_core.telemetry.metrics import catalogue
from winchester_core.telemetry.metrics.catalogue import (
    OTHER_LABEL,
    MetricOrigin,
    Sample,
    count_samples,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from winchester_core.model.effect import Endpoint
    from winchester_core.model.statistics import StoreStatistics
    from winchester_core.telemetry.counters import Counters
    from winchester_core.telemetry.metrics.catalogue import LabelValues
    from winchester_core.telemetry.ttl_cache import TtlCache
    from winchester_core.telemetry.watchdog import Watchdog


logger = logging.getLogger(__name__)


class StoreMetricsCollector:
    """Collector of the store's statistics. If they fail, yields only `winchester_store_up` 0."""

    def __init__(
        self, statistics: TtlCache[StoreStatistics], label_values: Callable[[], LabelValues]
    ) -> None:
        self._statistics = statistics
        self._label_values = label_values

    def __call__(self) -> Iterator[Sample]:
        """Yield the samples."""
        try:
            statistics = self._statistics.get()
        except WinchesterError as error:
            logger.debug("store statistics unavailable for a scrape: error=%s", error)
            yield Sample(catalogue.STORE_UP, 0)
            return
        yield Sample(catalogue.STORE_UP, 1)
        yield Sample(catalogue.STORE_AGE, self._statistics.age_seconds)
        yield from store_samples(statistics, self._label_values())


def store_samples(statistics: StoreStatistics, label_values: LabelValues) -> Iterator[Sample]:
    """Yield the samples of store statistics."""
    yield from _streams(statistics, label_values.triggers)
    for reason, seconds in statistics.oldest_ready_seconds.items():
        yield Sample(catalogue.STORE_OLDEST_READY, seconds, (reason.value,))
    yield Sample(catalogue.STORE_OLDEST_UNEXPIRED, statistics.oldest_unexpired_seconds)
    if statistics.stream_time is not None:
        yield Sample(catalogue.STORE_STREAM_TIME, statistics.stream_time.timestamp())
    if label_values.endpoints is not None:
        yield from _effects(statistics, label_values.endpoints)
    yield Sample(catalogue.STORE_REJECTED, statistics.rejected)


def _streams(statistics: StoreStatistics, triggers: AbstractSet[str]) -> Iterator[Sample]:
    counts: dict[str, Counter[StreamState]] = {name: Counter() for name in sorted(triggers)}
    for name, states in statistics.streams.items():
        label = name if name in triggers else OTHER_LABEL
        counts.setdefault(label, Counter()).update(states)
    for label, by_state in counts.items():
        for state in StreamState:
            yield Sample(catalogue.STORE_STREAMS, by_state[state], (label, state.value))
    unknown = counts.get(OTHER_LABEL, Counter())
    yield Sample(catalogue.STORE_TRIALS, statistics.trials)
    yield Sample(catalogue.STORE_UNKNOWN, sum(unknown[state] for state in WAITING_STATES))


def _effects(statistics: StoreStatistics, endpoints: AbstractSet[Endpoint]) -> Iterator[Sample]:
    labelled = {_endpoint_labels(endpoint): EffectBacklog() for endpoint in sorted(endpoints)}
    for endpoint, backlog in statistics.effects.items():
        labels = _endpoint_labels(endpoint) if endpoint in endpoints else (OTHER_LABEL, OTHER_LABEL)
        labelled[labels] = _sum_backlogs(labelled.get(labels, EffectBacklog()), backlog)
    for labels, backlog in labelled.items():
        yield from _backlog(labels, backlog)


def _backlog(labels: tuple[str, ...], backlog: EffectBacklog) -> Iterator[Sample]:
    numbers: Mapping[EffectState, int] = {
        EffectState.PENDING: backlog.pending,
        EffectState.DEAD: backlog.dead,
    }
    for state, number in numbers.items():
        yield Sample(catalogue.STORE_EFFECTS, number, (*labels, state.value))
    yield Sample(catalogue.STORE_OLDEST_EFFECT, backlog.oldest_seconds, labels)


def _endpoint_labels(endpoint: Endpoint) -> tuple[str, str]:
    nth = f" ({endpoint.place + 1})" if endpoint.place else ""
    return endpoint.pipeline, endpoint.handler + nth


def _sum_backlogs(one: EffectBacklog, other: EffectBacklog) -> EffectBacklog:
    return EffectBacklog(
        one.pending + other.pending,
        one.dead + other.dead,
        max(one.oldest_seconds, other.oldest_seconds),
    )


_ORIGINS: Final = {
    ProcessKind.INGEST: (MetricOrigin.INGEST, MetricOrigin.PROCESS),
    ProcessKind.WORKER: (MetricOrigin.WORKER, MetricOrigin.PROCESS),
    ProcessKind.CONSOLE: (MetricOrigin.PROCESS,),
}
"""Origins of the metrics of each kind of process."""


class ProcessMetricsCollector:
    """Collector of the counters, durations and watchdog of a process of this `kind`."""

    def __init__(
        self,
        kind: ProcessKind,
        counters: Counters,
        watchdog: Watchdog,
        label_values: Callable[[], LabelValues],
    ) -> None:
        self._kind = kind
        self._build_labels = (version(DISTRIBUTION), platform.python_version(), kind.value)
        self._counters = counters
        self._watchdog = watchdog
        self._label_values = label_values

    def __call__(self) -> Iterator[Sample]:
        """Yield the samples."""
        yield Sample(catalogue.BUILD_INFO, 1, self._build_labels)
        yield Sample(catalogue.WATCHDOG_OVERDUE, len(self._watchdog.overdue()))
        yield from count_samples(self._counters, _ORIGINS[self._kind])
        if self._kind is ProcessKind.WORKER:
            yield from self._runs()

    def _runs(self) -> Iterator[Sample]:
        durations = self._counters.run_seconds.snapshot()
        for name in sorted(self._label_values().pipelines):
            yield Sample(catalogue.RUN_SECONDS, durations.get(name, EMPTY_DISTRIBUTION), (name,))
