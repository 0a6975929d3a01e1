"""Every store: pages of lists with filters, with few rows to search and with many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import (
    VM,
    at,
    ingest,
    make_event,
)
from support.scenes.list_pages import (
    BOUNDS,
    FEW,
    NEWEST,
    OLDEST,
    fill,
    items_of,
    methods_of,
    pages_of,
)
from winchester_core.model.effect import EffectState
from winchester_core.model.stream import StreamState
from winchester_core.storage.effect_records import EffectFilter
from winchester_core.storage.filters import EventFilter, RejectedFilter, StreamFilter
from winchester_core.storage.operation_records import ActionFilter

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store


@pytest.mark.parametrize(
    ("traits", "found"),
    [
        ({"event_type": "vm.end"}, ["e0", "e3", "e6"]),
        ({"message_id": "e3"}, ["e3"]),
        ({"timestamp": at(5)}, ["e0", "e2", "e5"]),
        ({"instance": "i3", "even": False}, ["e3"]),
        ({"instance": "I3"}, []),
        ({"instance": "vm"}, []),
    ],
)
def test_events_are_filtered_by_any_trait(
    store: Store, traits: dict[str, Any], found: list[str]
) -> None:
    fill(store)
    events = store.page_of_events(EventFilter(traits=traits)).items
    assert [each["message_id"] for each in events if each["message_id"].startswith("e")] == found
    assert events == store.find_events(EventFilter(traits=traits))


@pytest.mark.parametrize("text", ["größe", 'a"b', "a/b", "\u2028", "a%_*?", "plain-1.0:x", ""])
def test_events_are_found_by_any_text(store: Store, text: str) -> None:
    ingest(store, VM, make_event("1", color=text), make_event("2", color="x" + text + "x"))
    found = store.page_of_events(EventFilter(traits={"color": text})).items
    assert [each["message_id"] for each in found] == ["1"]


INDEXED: list[tuple[str, Any]] = [
    ("events", EventFilter("vm.end")),
    ("events", EventFilter("vm.*")),
    ("events", EventFilter("vm.end", since=at(1), until=at(9))),
    ("events", EventFilter("vm.*", since=at(1), until=at(9))),
    ("events", EventFilter(since=at(5))),
    ("events by timestamp", EventFilter("vm.end")),
    ("events by timestamp", EventFilter("vm.*", since=at(3))),
    ("events by timestamp", EventFilter(since=at(1), until=at(9))),
    ("streams", StreamFilter(name="vm")),
    ("streams", StreamFilter(name="vm", states=(StreamState.ERROR,))),
    ("streams", StreamFilter(states=(StreamState.ERROR, StreamState.ACTIVE))),
    ("streams", StreamFilter(states=(StreamState.ERROR,), error_text="failed")),
    ("streams", StreamFilter(is_open=True)),
    ("streams", StreamFilter(older_than=at(9))),
    ("streams", StreamFilter(younger_than=at(5))),
    ("streams", StreamFilter(last_event_older_than=at(9))),
    ("streams", StreamFilter(last_event_younger_than=at(1), name="vm")),
    ("streams", StreamFilter(event_type="vm.*")),
    ("streams", StreamFilter(event_type="vm.end", name="vm")),
    ("streams", StreamFilter(traits={"instance": "i3"})),
    ("streams", StreamFilter(message_id="e3")),
    ("rejected", RejectedFilter(source="s1")),
    ("rejected", RejectedFilter(source="s1", kind="event")),
    ("rejected", RejectedFilter(kind="event", younger_than=at(-1e9))),
    ("effects", EffectFilter(state=EffectState.PENDING)),
    ("effects", EffectFilter(pipeline="fire", handler="http")),
    ("effects", EffectFilter(state=EffectState.DEAD, pipeline="fire", handler="mail")),
    ("actions", ActionFilter(younger_than=at(-1e9), name="anna")),
]
SEARCHED: list[tuple[str, Any]] = [
    ("events", EventFilter("*.end")),
    ("events by timestamp", EventFilter("?m.end", since=at(1))),
    ("streams", StreamFilter(error_text="failed")),
    ("streams", StreamFilter(is_open=False)),
    ("streams", StreamFilter(has_trial=False)),
    ("streams", StreamFilter(unknown_to=frozenset({"vm"}))),
    ("streams", StreamFilter(last_event_younger_than=at(5))),
    ("streams", StreamFilter(event_type="*.end")),
    ("rejected", RejectedFilter(kind="event")),
    ("effects", EffectFilter(handler="http")),
    ("effects", EffectFilter(state=EffectState.PENDING, younger_than=at(-1e9))),
    ("effects", EffectFilter(younger_than=at(-1e9))),
    ("actions", ActionFilter(name="anna")),
    ("actions", ActionFilter(action="stream.1", name="anna")),
]
BY_TRAITS: list[tuple[str, Any]] = [
    ("events", EventFilter(traits={"even": True})),
    ("events", EventFilter("vm.*", traits={"even": True})),
    ("events by timestamp", EventFilter(until=at(9), traits={"even": True})),
]


@pytest.mark.parametrize(("kind", "filters"), [*INDEXED, *SEARCHED, *BY_TRAITS])
def test_the_pages_of_a_filter_have_all_matches(store: Store, kind: str, filters: Any) -> None:
    fill(store)
    page_of, find, count = methods_of(store, kind)
    expected = find(filters, limit=100)
    assert len(expected) == count(filters) > 0
    for order, matches in ((OLDEST, expected), (NEWEST, expected[::-1])):
        for max_rows in BOUNDS:
            pages = list(pages_of(page_of, filters, order=order, max_rows=max_rows))
            assert items_of(iter(pages)) == matches
            assert {page.total for page in pages} <= {None, len(matches)}


@pytest.mark.parametrize(("kind", "filters"), INDEXED)
def test_few_matches_are_counted_and_searched_completely(
    store: Store, kind: str, filters: Any
) -> None:
    fill(store)
    page_of, find, _ = methods_of(store, kind)
    number = len(find(filters))
    for page in pages_of(page_of, filters, limit=1):
        assert (page.searched_to, page.total) == (None, number if page.items else None)


@pytest.mark.parametrize(("kind", "filters"), SEARCHED)
def test_a_search_ends_at_its_bound(store: Store, kind: str, filters: Any) -> None:
    fill(store)
    page_of, find, _ = methods_of(store, kind)
    by_bound = [
        page
        for page in pages_of(page_of, filters, limit=100, max_rows=FEW)
        if page.searched_to is not None
    ]
    assert by_bound
    assert {page.total for page in by_bound} == {None}
    assert max(len(page.items) for page in by_bound) <= FEW
    whole = page_of(filters)
    assert (whole.items, whole.searched_to) == (find(filters), None)
    assert whole.total == len(whole.items)


def test_a_filter_that_matches_nothing(store: Store) -> None:
    fill(store)
    for kind, filters in (
        ("events", EventFilter("no.type")),
        ("events", EventFilter("no\0type")),
        ("events", EventFilter(traits={"instance": "no\0ne"})),
        ("events by timestamp", EventFilter(since=at(100))),
        ("streams", StreamFilter(name="none")),
        ("streams", StreamFilter(traits={"instance": "no\0ne"})),
        ("streams", StreamFilter(message_id="none")),
        ("streams", StreamFilter(event_type="none")),
        ("rejected", RejectedFilter(source="\udcff")),
        ("effects", EffectFilter(stream_id=10**9)),
        ("actions", ActionFilter(older_than=at(-1e9))),
    ):
        page = methods_of(store, kind)[0](filters)
        assert (page.items, page.keys, page.searched_to, page.total) == ([], [], None, 0)


def test_limited_counts_have_filters(store: Store) -> None:
    fill(store)
    assert store.count_streams(StreamFilter(event_type="vm.end"), up_to=2) == 2
    assert store.count_events(EventFilter(traits={"even": True}), up_to=3) == 3
    assert store.count_rejected(RejectedFilter(kind="event"), up_to=100) == 4
    assert store.count_effects(EffectFilter(state=EffectState.DEAD), up_to=1) == 1
