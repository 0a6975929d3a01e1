"""What the tables hold, as metrics; only what is configured has labels of its own."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from winchester_core.errors import WinchesterError
from winchester_core.model.census import Backlog
from winchester_core.model.effect import EffectState
from winchester_core.model.stream import StreamState
from winchester_core.telemetry.metrics import catalogue
from winchester_core.telemetry.metrics.metric import Sample
from winchester_core.telemetry.metrics.names import OTHER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from winchester_core.model.census import Census
    from winchester_core.model.effect import Endpoint
    from winchester_core.telemetry.cached import Cached
    from winchester_core.telemetry.metrics.names import Names

logger = logging.getLogger(__name__)


class TablesProbe:
    """Samples of the last census; without one that is fit to be shown, only that there is none."""

    def __init__(self, census: Cached[Census], names: Callable[[], Names]) -> None:
        self._census = census
        self._names = names

    def __call__(self) -> Iterator[Sample]:
        """The samples."""
        try:
            census = self._census.get()
        except WinchesterError as error:
            logger.debug("the tables could not be read for a scrape: %s", error)
            yield Sample(catalogue.STORE_UP, 0)
            return
        yield Sample(catalogue.STORE_UP, 1)
        yield Sample(catalogue.STORE_AGE, self._census.age_seconds)
        yield from census_samples(census, self._names())


def census_samples(census: Census, names: Names) -> Iterator[Sample]:
    """The samples of a census."""
    yield from _streams(census, names.triggers)
    for reason, seconds in census.oldest_ready_seconds.items():
        yield Sample(catalogue.STORE_OLDEST_READY, seconds, (reason.value,))
    yield Sample(catalogue.STORE_OLDEST_UNEXPIRED, census.oldest_unexpired_seconds)
    if census.stream_time is not None:
        yield Sample(catalogue.STORE_STREAM_TIME, census.stream_time.timestamp())
    if names.endpoints is not None:
        yield from _effects(census, names.endpoints)
    yield Sample(catalogue.STORE_REJECTED, census.rejected)


def _streams(census: Census, triggers: AbstractSet[str]) -> Iterator[Sample]:
    numbers: dict[str, Counter[StreamState]] = {name: Counter() for name in sorted(triggers)}
    for name, states in census.streams.items():
        label = name if name in triggers else OTHER
        numbers.setdefault(label, Counter()).update(states)
    for label, counted in numbers.items():
        for state in StreamState:
            yield Sample(catalogue.STORE_STREAMS, counted[state], (label, state.value))


def _effects(census: Census, endpoints: AbstractSet[Endpoint]) -> Iterator[Sample]:
    labelled = {_labels(endpoint): Backlog() for endpoint in sorted(endpoints)}
    for endpoint, backlog in census.effects.items():
        labels = _labels(endpoint) if endpoint in endpoints else (OTHER, OTHER)
        labelled[labels] = _together(labelled.get(labels, Backlog()), backlog)
    for labels, backlog in labelled.items():
        yield from _backlog(labels, backlog)


def _backlog(labels: tuple[str, ...], backlog: Backlog) -> Iterator[Sample]:
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


def _together(one: Backlog, other: Backlog) -> Backlog:
    return Backlog(
        one.pending + other.pending,
        one.dead + other.dead,
        max(one.oldest_seconds, other.oldest_seconds),
    )
