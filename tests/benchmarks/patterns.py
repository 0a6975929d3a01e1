"""Ingest with keys that depend on the order and the times of events, compared with a plain trigger.

Batches of 1,000 events of 10,000 instances, so nearly every event of a batch has a stream of its
own: the worst case for the size of the progress in a row. Numbers are up to 10.
"""

from __future__ import annotations

import random
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.databases import engine_manager
from benchmarks.figure import Figure, Goal, cpu_us, rates
from benchmarks.growth import Growth, powers
from benchmarks.ingest_batch import add_all
from benchmarks.lap import timed
from benchmarks.options import BATCH
from benchmarks.rounds import interleave
from benchmarks.stream_size import BATCHES, LARGEST, STREAMS, UpdatedInstances
from benchmarks.workload import EXISTS, TRIGGER, TYPES, Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.options import Options
    from benchmarks.rounds import Contestant
    from winchester_core import TriggerManager

NAME = "patterns"

UPDATE = TYPES[0]
PLAIN = "plain"
CRITERIA = [
    {"event_type": UPDATE, "number": 10},
    {"event_type": TYPES[1], "number": 5},
    {"event_type": EXISTS},
]
TRIGGERS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "sequence": {"fire_order": "sequence", "fire_within": "1d"},
    "within": {
        "fire_criteria": [{"event_type": UPDATE, "number": 10, "within": "1d"}, *CRITERIA[1:]]
    },
    "distinct": {
        "fire_criteria": [
            {"event_type": UPDATE, "number": 10, "distinct": "request_id"},
            *CRITERIA[1:],
        ]
    },
    "suppress": {"suppress": "1d"},
}
"""Keys by contestant, added to the same trigger."""

GOALS = (
    Goal("sequence", PLAIN, at_least=0.8),
    Goal("within", PLAIN, at_least=0.85),
    Goal("distinct", PLAIN, at_least=0.85),
    Goal("suppress", PLAIN, at_least=0.85),
)

LATE_NAME = "patterns-late"
MEMBERS = 1_000
LATE_SHARE = 0.1
MAX_LATE = 20
LATE_GOALS = (Goal("late", "in order", at_least=0.5),)

GROWTH = Growth(
    "growth-sequence",
    "cost of an event of a sequence as its stream grows",
    "events in the stream",
    1.2,
)


def trigger_with(keys: dict[str, Any]) -> dict[str, Any]:
    """Return the workload's trigger with these keys; it counts updates too."""
    return {**TRIGGER, "fire_criteria": CRITERIA, **keys}


def measure(options: Options) -> Iterator[Figure]:
    """Yield the figures for each database."""
    for backend in options.databases:
        with ExitStack() as stack:
            contestants = {
                name: _adding(options, _manager(backend, options, stack, keys))
                for name, keys in TRIGGERS.items()
            }
            laps = interleave(contestants, options.rounds)
        title = f"ingest by trigger, batches of {BATCH:,}"
        yield Figure(NAME, title, backend, "events/s", rates(laps), GOALS, cpu_us(laps))
        with ExitStack() as stack:
            contestants = {
                name: _adding_to_large(
                    options, _manager(backend, options, stack, TRIGGERS["sequence"]), share
                )
                for name, share in (("in order", 0.0), ("late", LATE_SHARE))
            }
            laps = interleave(contestants, options.rounds)
        title = f"sequence, {MEMBERS:,} members, {LATE_SHARE:.0%} late by up to {MAX_LATE} places"
        yield Figure(LATE_NAME, title, backend, "events/s", rates(laps), LATE_GOALS, cpu_us(laps))
        with ExitStack() as stack:
            manager = _manager(backend, options, stack, TRIGGERS["sequence"])
            sizes = powers(10, min(LARGEST, options.max_size))
            yield GROWTH.figure(
                backend, options, sizes, lambda size, to=manager: _growing(to, size, options)
            )


def _manager(
    backend: str, options: Options, stack: ExitStack, keys: dict[str, Any]
) -> TriggerManager:
    return stack.enter_context(engine_manager(backend, options.folder, trigger_with(keys)))


def _adding(options: Options, manager: TriggerManager) -> Contestant:
    """Return a contestant that adds the workload's events, which continue from round to round."""
    workload = Workload(options.seed)
    add_all(manager, workload.batches(BATCH, BATCH))

    def lap(_round: int) -> Any:
        batches = workload.batches(options.events, BATCH)
        return timed(options.events, lambda: add_all(manager, batches))

    return lap


def _adding_to_large(options: Options, manager: TriggerManager, share: float) -> Contestant:
    """Return a contestant with streams of 1,000 members; a share of the events are late."""
    instances = UpdatedInstances(options.seed, STREAMS)
    events = [event for _ in range(MEMBERS) for event in instances.next_updates()]
    add_all(manager, [events[at : at + BATCH] for at in range(0, len(events), BATCH)])
    chance = random.Random(options.seed)

    def lap(_round: int) -> Any:
        batches = [instances.next_updates() for _ in range(2 * BATCHES)]
        for batch in batches:
            for event in batch:
                if chance.random() < share:
                    places = chance.randint(1, MAX_LATE)
                    event["timestamp"] -= timedelta(milliseconds=places)
        return timed(2 * BATCHES * STREAMS, lambda: add_all(manager, batches))

    return lap


def _growing(manager: TriggerManager, size: int, options: Options) -> Contestant:
    """Return a contestant with streams of this size."""
    instances = UpdatedInstances(options.seed + 1 + size, STREAMS)
    events = [event for _ in range(size) for event in instances.next_updates()]
    add_all(manager, [events[at : at + BATCH] for at in range(0, len(events), BATCH)])

    def lap(_round: int) -> Any:
        batches = [instances.next_updates() for _ in range(BATCHES)]
        return timed(BATCHES * STREAMS, lambda: add_all(manager, batches))

    return lap
