"""Cost of an event as its stream grows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.databases import engine_manager
from benchmarks.growth import Growth, powers
from benchmarks.ingest_batch import add_all
from benchmarks.lap import timed
from benchmarks.options import BATCH
from benchmarks.workload import Workload, today

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.figure import Figure
    from benchmarks.options import Options
    from benchmarks.rounds import Contestant
    from winchester_core import TriggerManager

NAME = "growth-stream-size"
GROWTH = Growth(NAME, "cost of an event as its stream grows", "events in the stream", 1.2)
LARGEST = 10_000
STREAMS = 20
BATCHES = 10
"""Batches of a lap; each adds one event to every stream."""


def measure(options: Options) -> Iterator[Figure]:
    """Yield a figure for each database."""
    for backend in options.databases:
        with engine_manager(backend, options.folder) as manager:
            add_all(manager, Workload(options.seed).batches(BATCH, BATCH))
            yield _figure(backend, options, manager)


def _figure(backend: str, options: Options, manager: TriggerManager) -> Figure:
    sizes = powers(10, min(LARGEST, options.max_size))
    return GROWTH.figure(backend, options, sizes, lambda size: _growing(manager, size, options))


def _growing(manager: TriggerManager, size: int, options: Options) -> Contestant:
    """Return a contestant with streams of this size, new ones in each round."""
    instance_sets = [
        UpdatedInstances(options.seed + 1 + 1_000 * size + number, STREAMS)
        for number in range(options.rounds)
    ]
    if size >= BATCH:  # the growth by the rounds is negligible
        instance_sets = instance_sets[:1] * options.rounds
    for instances in {id(each): each for each in instance_sets}.values():
        events = [event for _ in range(size) for event in instances.next_updates()]
        add_all(manager, [events[at : at + BATCH] for at in range(0, len(events), BATCH)])

    def lap(number: int) -> Any:
        batches = [instance_sets[number].next_updates() for _ in range(BATCHES)]
        return timed(BATCHES * STREAMS, lambda: add_all(manager, batches))

    return lap


class UpdatedInstances:
    """Instances that get an update in each batch, within one day."""

    def __init__(self, seed: int, instances: int) -> None:
        self._workload = Workload(seed, instances)
        self._events = [self._workload.any_event(number) for number in range(instances)]
        self._moment = today()

    def next_updates(self) -> list[dict[str, Any]]:
        """Return an update of each instance, later than the previous one."""
        self._moment += timedelta(milliseconds=1)
        return [
            {**event, "message_id": self._workload.new_id(), "timestamp": self._moment}
            for event in self._events
        ]
