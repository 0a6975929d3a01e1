"""What the tables hold, as metrics; only what is configured has labels of its own."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from winchester_core.errors import WinchesterError
from winchester_core.model.effect import EffectState
from winchester_core.model.statistics import EffectBacklog
from winchester_core.model.stream import StreamState
from winchester_core.telemetry.metrics import catalogue
from winchester_core.telemetry.metrics.metric import Sample
from winchester_core.telemetry.metrics.names import OTHER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from winchester_core.model.effect import Endpoint
    from winchester_core.model.statistics import StoreStatistics
    from winchester_core.telemetry.cached import Cached
    from winchester_core.telemetry.metrics.names import Names

logger = logging.getLogger(__name__)


class TablesProbe:
    """Samples of the last statistics; only `winchester_store_up` 0 if they are too old."""

    def __init__(self, statistics: Cached[StoreStatistics], names: Callable[[], Names]) -> None:
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
        yield from census_samples(statistics, self._names())


def census_samples(statistics: StoreStatistics, names: Names) -> Iterator[Sample]:
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
        label = name if name in triggers else OTHER
        numbers.setdefault(label, Counter()).update(states)
    for label, counted in numbers.items():
        for state in StreamState:
            yield Sample(catalogue.STORE_STREAMS, counted[state], (label, state.value))


def _effects(statistics: StoreStatistics, endpoints: AbstractSet[Endpoint]) -> Iterator[Sample]:
    labelled = {_labels(endpoint): EffectBacklog() for endpoint in sorted(endpoints)}
    for endpoint, backlog in statistics.effects.items():
        labels = _labels(endpoint) if endpoint in endpoints else (OTHER, OTHER)
        labelled[labels] = _together(labelled.get(labels, EffectBacklog()), backlog)
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


def _labels(endpoint: Endpoint) -> tuple[str, str]:
    nth = f" ({endpoint.place + 1})" if endpoint.place else ""
    return endpoint.pipeline, endpoint.handler + nth


def _together(one: EffectBacklog, other: EffectBacklog) -> EffectBacklog:
    return EffectBacklog(
        one.pending + other.pending,
        one.dead + other.dead,
        max(one.oldest_seconds, other.oldest_seconds),
    )
