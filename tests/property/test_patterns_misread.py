"""Short lists of events that tell the meaning of order and windows from what is like it.

Each list is decided by exhaustive search and then by the engine, one event at a time. An engine
that reads a rule in the wrong way, as the name of the case says, gives a different answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from oracle import MemoryStore
from oracle.exhaustive_patterns import Part, Pattern, Seen, meets
from support.builders.events import at, ingest
from support.builders.patterns import make_pattern
from support.servers.databases import Databases
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.sql.store import SqlStore
from winchester_core.testing.builders import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.storage.interface import Store

Moment = tuple[int, str] | tuple[int, str, str]
"""The second of an event, the criteria that it satisfies (from 0), and its distinct value."""


@dataclass(frozen=True)
class Case:
    """A pattern, events in the order in which they arrive, and the event that completes it."""

    pattern: Pattern
    events: tuple[Moment, ...]
    fires_at: int | None


ONE, TWO, THREE = Part(), Part(2), Part(3)


def steps(*parts: Part, fire_within: int | None = None) -> Pattern:
    return Pattern(parts, in_sequence=True, fire_within=fire_within)


def in_any_order(*parts: Part, fire_within: int | None = None) -> Pattern:
    return Pattern(parts, fire_within=fire_within)


CASES = {
    "steps first to last: one event counts for two steps": Case(
        steps(ONE, ONE), ((2, "01"), (6, "0")), None
    ),
    "steps first to last: the first event also counts for the second step": Case(
        steps(ONE, TWO), ((1, "01"), (2, "01"), (3, "01")), 2
    ),
    "steps first to last: an event starts the step before the one that it is for": Case(
        steps(ONE, TWO), ((1, "01"), (2, "1"), (3, "1")), 2
    ),
    "best start as a maximum of the step's own ring": Case(
        steps(TWO, fire_within=3), ((1, "0"), (5, "0")), None
    ),
    "best start as a maximum of the step's own ring: a later start of the step before": Case(
        steps(ONE, TWO, fire_within=2), ((1, "0"), (5, "01"), (5, "1")), None
    ),
    "best start as a maximum of the step's own ring, in any order": Case(
        in_any_order(TWO, fire_within=2), ((3, "0"), (6, "0")), None
    ),
    "best start as that of the step before now": Case(
        steps(ONE, TWO, fire_within=4), ((0, "0"), (1, "1"), (4, "0"), (6, "1")), None
    ),
    "best start as that of the step before now: the next event is the first that is near": Case(
        steps(ONE, TWO, fire_within=4), ((0, "0"), (1, "1"), (4, "0"), (6, "1"), (7, "1")), 4
    ),
    "first sight of a distinct value, in a step": Case(
        steps(Part(2, within=3, is_distinct=True)), ((0, "0", "u"), (5, "0", "w"), (7, "0", "u")), 2
    ),
    "first sight of a distinct value, in any order": Case(
        in_any_order(Part(2, within=3, is_distinct=True)),
        ((0, "0", "u"), (5, "0", "u"), (7, "0", "w")),
        2,
    ),
    "first sight of a distinct value: with the start of the step before": Case(
        steps(ONE, Part(2, is_distinct=True), fire_within=4),
        ((0, "0"), (1, "1", "u"), (5, "0"), (6, "1", "u"), (7, "1", "w")),
        4,
    ),
    "first start kept, in steps": Case(
        steps(ONE, ONE, fire_within=3), ((0, "0"), (5, "0"), (6, "1")), 2
    ),
    "first start kept, within one step": Case(
        steps(TWO, fire_within=3), ((1, "0"), (5, "0"), (6, "0")), 2
    ),
    "first start kept, in any order": Case(
        in_any_order(ONE, ONE, fire_within=2), ((2, "0"), (7, "01")), 1
    ),
    "recount only for what is older than a counted event: the member counted for nothing": Case(
        steps(ONE, ONE), ((5, "1"), (3, "0")), 1
    ),
    "recount only for what is older than a counted event: of the second step": Case(
        steps(ONE, ONE, ONE), ((4, "0"), (6, "2"), (5, "1")), 2
    ),
    "recount only for what is older than a counted event: the last one was too far away": Case(
        steps(ONE, ONE, fire_within=2), ((0, "0"), (5, "1"), (4, "0")), 2
    ),
    "recount only for what is older than a counted event: one of the same time": Case(
        steps(ONE, ONE), ((5, "1"), (5, "0")), 1
    ),
    "further events of a step before do not matter": Case(
        steps(ONE, ONE), ((1, "0"), (2, "0"), (3, ""), (4, "1")), 3
    ),
    "ends of a window are included": Case(in_any_order(Part(2, within=3)), ((1, "0"), (4, "0")), 1),
    "a window starts anywhere": Case(
        in_any_order(Part(3, within=3)), ((0, "0"), (2, "0"), (4, "0"), (5, "0")), 3
    ),
    "one event may count for two criteria in any order": Case(
        in_any_order(ONE, ONE), ((1, "01"),), 0
    ),
}


def seen(moment: Moment, pattern: Pattern) -> Seen:
    time, satisfied, *value = moment
    values = {
        int(step): value[0] if pattern.parts[int(step)].is_distinct else None for step in satisfied
    }
    return Seen(time, values)


@pytest.mark.parametrize("name", CASES)
def test_exhaustive_search_decides_as_the_case_says(name: str) -> None:
    case = CASES[name]
    found = [seen(each, case.pattern) for each in case.events]
    answers = [meets(case.pattern, found[: end + 1]) for end in range(len(found))]
    assert (answers.index(True) if True in answers else None) == case.fires_at


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    created = Databases(tmp_path_factory.mktemp("misread"))
    yield created
    created.close()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, databases: Databases) -> Store:
    if request.param == "memory":
        return MemoryStore(FakeClock())
    return SqlStore(databases.emptied(request.param))


def fires_at(store: Store, case: Case) -> int | None:
    """Return the place of the event at whose arrival the stream is decided to fire."""
    pattern = case.pattern
    keys: dict[str, Any] = {"fire_order": "sequence"} if pattern.in_sequence else {}
    if pattern.fire_within is not None:
        keys["fire_within"] = pattern.fire_within
    fire = []
    for index, each in enumerate(pattern.parts):
        criterion: dict[str, Any] = {"event_type": f"*{index}*", "number": each.number}
        if each.within is not None:
            criterion["within"] = each.within
        if each.is_distinct:
            criterion["distinct"] = "user"
        fire.append(criterion)
    trigger = make_pattern(fire, **keys)
    for place, (time, satisfied, *value) in enumerate(case.events):
        event = {
            "message_id": f"m{place}",
            "event_type": f"e{satisfied}",
            "timestamp": at(time),
            "instance": "a",
        }
        ingest(store, trigger, {**event, "user": value[0]} if value else event, now=at(10 + place))
        (stream,) = store.find_streams(StreamFilter())
        if stream.fire_timestamp is not None:
            assert stream.fire_timestamp == at(10 + place)
            return place
    return None


@pytest.mark.parametrize("name", CASES)
def test_the_store_fires_at_the_event_that_completes_the_pattern(store: Store, name: str) -> None:
    case = CASES[name]
    assert fires_at(store, case) == case.fires_at
