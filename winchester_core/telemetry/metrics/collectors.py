"""What the tables hold, as metrics; only what is configured has labels of its own."""

from __future__ import annotations

import logging
import platform
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING

from winchester_core.distribution import DISTRIBUTION
from winchester_core.errors import WinchesterError
from winchester_core.model.effect import EffectState
from winchester_core.model.statistics import EffectBacklog
from winchester_core.model.stream import StreamState
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
    from winchester_core.telemetry.cache import TtlCache
    from winchester_core.telemetry.counters import Counters
    from winchester_core.telemetry.metrics.catalogue import LabelValues
    from winchester_core.telemetry.watchdog import Watchdog


logger = logging.getLogger(__name__)


class StoreMetricsCollector:
    """Samples of the last statistics; only `winchester_store_up` 0 if they are too old."""

    def __init__(
        self, statistics: TtlCache[StoreStatistics], names: Callable[[], LabelValues]
    ) -> None:
        self._census = statistics
        self._names = names

    def __call__(self) -> Iterator[Sample]:
        """The samples."""
        try:
            statistics = self._census.get()
        except WinchesterError as error:
            logger.debug("the tables could not be read for a scrape: %s", error)
            yield Sample(catalogue.STORE_UP, 0)
            return
        yield Sample(catalogue.STORE_UP, 1)
        yield Sample(catalogue.STORE_AGE, self._census.age_seconds)
        yield from store_samples(statistics, self._names())


def store_samples(statistics: StoreStatistics, names: LabelValues) -> Iterator[Sample]:
    """The samples of a statistics."""
    yield from _streams(statistics, names.triggers)
    for reason, seconds in statistics.oldest_ready_seconds.items():
        yield Sample(catalogue.STORE_OLDEST_READY, seconds, (reason.value,))
    yield Sample(catalogue.STORE_OLDEST_UNEXPIRED, statistics.oldest_unexpired_seconds)
    if statistics.stream_time is not None:
        yield Sample(catalogue.STORE_STREAM_TIME, statistics.stream_time.timestamp())
    if names.endpoints is not None:
        yield from _effects(statistics, names.endpoints)
    yield Sample(catalogue.STORE_REJECTED, statistics.rejected)


def _streams(statistics: StoreStatistics, triggers: AbstractSet[str]) -> Iterator[Sample]:
    numbers: dict[str, Counter[StreamState]] = {name: Counter() for name in sorted(triggers)}
    for name, states in statistics.streams.items():
        label = name if name in triggers else OTHER_LABEL
        numbers.setdefault(label, Counter()).update(states)
    for label, counted in numbers.items():
        for state in StreamState:
            yield Sample(catalogue.STORE_STREAMS, counted[state], (label, state.value))


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


# What a process tells of itself, as metrics.


class ProcessMetricsCollector:
    """Samples of the counts and durations of a process, and of whether its parts are alive.

    `program` is `MetricOrigin.INGEST` or `MetricOrigin.WORKER`; metrics of the other are omitted.
    """

    def __init__(
        self,
        program: MetricOrigin,
        counters: Counters,
        heartbeat: Watchdog,
        names: Callable[[], LabelValues],
    ) -> None:
        self._program = program
        self._facts = (version(DISTRIBUTION), platform.python_version(), program.value)
        self._counters = counters
        self._heartbeat = heartbeat
        self._names = names

    def __call__(self) -> Iterator[Sample]:
        """The samples."""
        yield Sample(catalogue.BUILD_INFO, 1, self._facts)
        yield Sample(catalogue.WATCHDOG_OVERDUE, len(self._heartbeat.overdue()))
        yield from count_samples(self._counters, (self._program, MetricOrigin.PROCESS))
        if self._program is MetricOrigin.WORKER:
            yield from self._runs()

    def _runs(self) -> Iterator[Sample]:
        taken = self._counters.run_seconds.snapshot()
        for name in sorted(self._names().pipelines):
            yield Sample(catalogue.RUN_SECONDS, taken.get(name, EMPTY_DISTRIBUTION), (name,))
