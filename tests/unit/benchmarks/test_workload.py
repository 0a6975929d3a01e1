"""The workload has the sizes to which the performance figures refer."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from itertools import chain
from typing import Any

from benchmarks.matching import triggers, triggers_of_same_type
from benchmarks.workload import EXISTS, PER_DAY, TRAITS, Workload, today
from winchester_core.config.triggers import check_trigger_definitions
from winchester_core.model.event import clean_event
from winchester_core.plugins import CONDITIONS, PluginRegistry

INSTANCES = 7
REQUIRED = {"message_id", "event_type", "timestamp"}


def days(number: int, seed: int = 1) -> list[dict[str, Any]]:
    return Workload(seed, INSTANCES).take(number * INSTANCES * PER_DAY)


def test_each_instance_sends_eight_events_a_day_ending_with_exists() -> None:
    found: dict[Any, list[str]] = defaultdict(list)
    for event in days(2):
        found[event["instance_id"], event["timestamp"].date()].append(event["event_type"])
    assert len(found) == 2 * INSTANCES
    for types in found.values():
        assert len(types) == PER_DAY
        assert types.index(EXISTS) == PER_DAY - 1


def test_events_are_in_time_order_from_the_start_of_today() -> None:
    moments = [event["timestamp"] for event in days(2)]
    assert moments == sorted(moments)
    assert today() <= moments[0] < moments[-1] < today() + timedelta(days=2)


def test_events_are_valid_with_eighteen_traits_and_unique_ids() -> None:
    events = days(1)
    for event in events:
        assert len(event.keys() - REQUIRED) == TRAITS
        clean = clean_event(event)
        assert (clean.event, clean.drops) == (event, ())
    assert len({event["message_id"] for event in events}) == len(events)


def test_the_same_seed_gives_the_same_events_in_any_batch_size() -> None:
    workload = Workload(1, INSTANCES)
    parts = workload.batches(50, 20)
    assert [len(part) for part in parts] == [20, 20, 10]
    assert [*chain.from_iterable(parts), *workload.take(6)] == days(1)
    assert days(1, seed=2) != days(1)


def test_the_many_triggers_are_valid_and_distinct() -> None:
    for some in (triggers(100), triggers_of_same_type(100)):
        assert len({each["name"] for each in some}) == 100
        check_trigger_definitions(some, PluginRegistry(CONDITIONS))
