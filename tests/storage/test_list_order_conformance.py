"""Every store: lists in both orders, cursors in both directions, the filter on the last event."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from functools import partial
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import (
    VM,
    at,
    claim_all,
    ingest,
    make_event,
    make_trigger,
    ready_to_fire,
)
from support.scenes.outbox_operations import (
    HOUR,
    HTTP,
    NOW,
    claim_effects,
    claim_streams,
    make_dead_letter,
    make_queued_effect,
    queue_effects,
)
from winchester_core.model.effect import EffectState
from winchester_core.model.stream import StreamState
from winchester_core.storage.effect_records import EffectFilter, EffectRefused
from winchester_core.storage.filters import EventFilter, ListOrder, RejectedFilter, StreamFilter
from winchester_core.storage.records import Completion, Failure, Rejection
from winchester_core.storage.sql import keyset

if TYPE_CHECKING:
    from collections.abc import Callable

    from winchester_core.storage.interface import Store

OLDEST, NEWEST = ListOrder.OLDEST, ListOrder.NEWEST
KINDS = ("events", "events by timestamp", "streams", "rejected", "effects")
MANY = 1000


@pytest.fixture(params=[3, keyset.SCAN_WINDOW_ROWS], ids=["small-windows", "windows"])
def _window(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyset, "SCAN_WINDOW_ROWS", request.param)


def fill(store: Store) -> None:
    """Store eight of each kind of record; times go up and down, and some are equal."""
    seconds = (5, 1, 5, 9, 1, 5, 3, 9)
    for number, second in enumerate(seconds):
        kind = "vm.end" if number % 3 == 0 else "vm.update"
        event = make_event(f"e{number}", kind, second, instance=f"i{number}", even=number % 2 == 0)
        ingest(store, VM if number < 5 else make_trigger("other", match="*"), event)
    for number in range(8):
        body = str(number).encode()
        source, kind = f"s{number % 3}", "event" if number % 2 else "notification"
        digest = hashlib.sha256(body).digest()
        store.insert_rejected([Rejection(source, kind, "broken", body, 1, digest)])
    for claim in claim_all(store):
        store.fail(Failure(claim, f"failed {claim.name}", HOUR, final=True), 5)
    queue_effects(store, **{f"k{number}": [f"a{number}", f"b{number}"] for number in range(3)})
    for number, each in enumerate(claim_streams(store, "k3", "k4")):
        effects = [make_queued_effect(number, HTTP) for _ in range(2)]
        store.complete([Completion(each, effects=tuple(effects))], NOW)
    store.apply_effect_results([EffectRefused(each, "no") for each in claim_effects(store)[1:]])


def find_of(store: Store, kind: str) -> tuple[Callable[..., list[Any]], Callable[[Any], Any]]:
    """Return the method of the store that lists this kind, and its cursor of a record."""
    by_id = attrgetter("id")
    match kind:
        case "events":
            return store.find_events, itemgetter("message_id")
        case "events by timestamp":
            return partial(store.find_events, by_timestamp=True), itemgetter("message_id")
        case "streams":
            return store.find_streams, by_id
        case "rejected":
            return store.find_rejected, by_id
        case _:
            return store.find_effects, by_id


def in_pages(
    find: Callable[..., list[Any]], key: Callable[[Any], Any], *filters: Any, order: ListOrder
) -> list[Any]:
    """Return the cursors of all records, read in pages of two."""
    found: list[Any] = []
    while page := find(*filters, cursor=found[-1] if found else None, limit=2, order=order):
        assert len(page) <= 2
        found += map(key, page)
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("_window")
def test_newest_first_is_the_reverse_of_oldest_first(store: Store, kind: str) -> None:
    fill(store)
    find, key = find_of(store, kind)
    oldest = find(order=OLDEST)
    assert len(oldest) >= 8
    assert find() == oldest
    assert find(order=NEWEST) == oldest[::-1]
    assert find(order=NEWEST, limit=3) == oldest[:-4:-1]
    assert find(order=NEWEST, limit=0) == []
    assert in_pages(find, key, order=OLDEST) == [key(each) for each in oldest]
    assert in_pages(find, key, order=NEWEST) == [key(each) for each in oldest[::-1]]


@pytest.mark.parametrize("kind", KINDS)
def test_from_any_cursor_both_directions_lead_to_its_neighbours(store: Store, kind: str) -> None:
    fill(store)
    find, key = find_of(store, kind)
    oldest = find()
    for number, each in enumerate(oldest):
        assert find(cursor=key(each), limit=2, order=OLDEST) == oldest[number + 1 : number + 3]
        before = oldest[max(0, number - 2) : number]
        assert find(cursor=key(each), limit=2, order=NEWEST) == before[::-1]


FILTERS: list[tuple[str, Any]] = [
    ("events", EventFilter("vm.end")),
    ("events", EventFilter("vm.*", since=at(1), until=at(9))),
    ("events", EventFilter(traits={"even": True})),
    ("events by timestamp", EventFilter("vm.end")),
    ("events by timestamp", EventFilter("vm.*", since=at(3))),
    ("events by timestamp", EventFilter(since=at(1), until=at(9))),
    ("events by timestamp", EventFilter(until=at(9), traits={"even": True})),
    ("streams", StreamFilter(name="vm")),
    ("streams", StreamFilter(states=(StreamState.ERROR, StreamState.ACTIVE))),
    ("streams", StreamFilter(is_open=True)),
    ("streams", StreamFilter(is_open=False)),
    ("streams", StreamFilter(error_text="failed")),
    ("streams", StreamFilter(has_trial=False)),
    ("streams", StreamFilter(unknown_to=frozenset({"vm"}))),
    ("streams", StreamFilter(older_than=at(9))),
    ("streams", StreamFilter(younger_than=at(5))),
    ("streams", StreamFilter(last_event_older_than=at(9))),
    ("streams", StreamFilter(last_event_younger_than=at(5))),
    ("streams", StreamFilter(last_event_younger_than=at(1), name="vm")),
    ("streams", StreamFilter(event_type="vm.*")),
    ("streams", StreamFilter(traits={"instance": "i3"})),
    ("streams", StreamFilter(message_id="e3")),
    ("rejected", RejectedFilter(source="s1")),
    ("rejected", RejectedFilter(kind="event")),
    ("rejected", RejectedFilter(kind="event", younger_than=at(-1e9))),
    ("rejected", RejectedFilter(younger_than=at(-1e9))),
    ("effects", EffectFilter(state=EffectState.PENDING)),
    ("effects", EffectFilter(state=EffectState.DEAD)),
    ("effects", EffectFilter(handler="http")),
    ("effects", EffectFilter(pipeline="fire", handler="http")),
    ("effects", EffectFilter(state=EffectState.PENDING, younger_than=at(-1e9))),
    ("effects", EffectFilter(younger_than=at(-1e9))),
]


@pytest.mark.parametrize(("kind", "filters"), FILTERS)
@pytest.mark.usefixtures("_window")
def test_each_filter_selects_the_same_records_in_both_orders(
    store: Store, kind: str, filters: Any
) -> None:
    fill(store)
    find, key = find_of(store, kind)
    count = getattr(store, f"count_{kind.split(maxsplit=1)[0]}")
    oldest = [key(each) for each in find(filters, limit=MANY)]
    assert len(oldest) == count(filters) > 0
    everything = [key(each) for each in find(limit=MANY)]
    assert oldest == [each for each in everything if each in oldest]
    assert in_pages(find, key, filters, order=OLDEST) == oldest
    assert in_pages(find, key, filters, order=NEWEST) == oldest[::-1]


def test_events_are_ordered_by_timestamp_and_then_by_storing(store: Store) -> None:
    for message_id, seconds in (("d", 5), ("c", 1), ("b", 5), ("a", 1), ("e", 0)):
        ingest(store, VM, make_event(message_id, seconds=seconds))
    ordered = [each["message_id"] for each in store.find_events(by_timestamp=True)]
    assert ordered == ["e", "c", "a", "d", "b"]


def test_a_list_continues_after_an_object_that_was_deleted(store: Store) -> None:
    fill(store)
    deletions = (
        ("streams", store.purge_stream),
        ("rejected", store.delete_rejected),
        ("effects", store.discard_effect),
    )
    for claim in claim_all(store):
        store.fail(Failure(claim, "failed", HOUR, final=True), 5)
    store.release_all("w1")
    for kind, delete in deletions:
        find, _ = find_of(store, kind)
        for order in (OLDEST, NEWEST):
            everything = [each.id for each in find(order=order)]
            first = [each.id for each in find(limit=2, order=order)]
            delete(first[-1])
            delete(everything[2])
            rest = [each.id for each in find(cursor=first[-1], order=order)]
            assert rest == everything[3:]


@pytest.mark.parametrize("order", ListOrder)
@pytest.mark.parametrize("by_timestamp", [False, True])
def test_nothing_is_found_after_a_trimmed_event(
    store: Store, order: ListOrder, by_timestamp: bool
) -> None:
    for number in range(3):
        ingest(store, VM, make_event(f"e{number}", "lone", number))
    store.trim(at(1), store.real_time() + HOUR, 100)
    find = partial(store.find_events, order=order, by_timestamp=by_timestamp)
    assert len(find()) == 2
    assert find(cursor="e0") == find(cursor="unknown") == []


def test_streams_are_found_by_the_time_of_their_last_event(store: Store) -> None:
    for instance, times in (("a", (0, 9)), ("b", (1, 2)), ("c", (9, 20)), ("d", (-5, 40))):
        for number, seconds in enumerate(times):
            ingest(store, VM, make_event(f"{instance}{number}", seconds=seconds, instance=instance))
    ingest(store, VM, make_event("late", seconds=-60, instance="d"))
    for filters, instances in (
        (StreamFilter(last_event_older_than=at(9)), "b"),
        (StreamFilter(last_event_older_than=at(9) + timedelta(microseconds=1)), "ab"),
        (StreamFilter(last_event_younger_than=at(9)), "acd"),
        (StreamFilter(last_event_younger_than=at(9) + timedelta(microseconds=1)), "cd"),
        (StreamFilter(last_event_younger_than=at(9), last_event_older_than=at(40)), "ac"),
        (StreamFilter(older_than=at(0), last_event_younger_than=at(40)), "d"),
        (StreamFilter(last_event_younger_than=at(41)), ""),
        (StreamFilter(last_event_older_than=at(2)), ""),
    ):
        found = [each.distinguished_by["instance"] for each in store.find_streams(filters)]
        assert found == list(instances), filters
        assert store.count_streams(filters) == len(instances)


def test_the_order_may_be_given_as_text(store: Store) -> None:
    ready_to_fire(store, "a", "b")
    newest: Any = "newest"
    (first,) = store.find_streams(limit=1, order=newest)
    assert first.distinguished_by == {"instance": "b"}
    unknown: Any = "Newest"
    for find in (store.find_streams, store.find_events, store.find_rejected, store.find_effects):
        with pytest.raises(ValueError, match="Newest"):
            find(order=unknown)


def test_effects_of_one_stream_are_listed_newest_first(store: Store) -> None:
    letter = make_dead_letter(store)
    queue_effects(store, other=["x"])
    (dead,) = store.find_effects(EffectFilter(state=EffectState.DEAD), order=NEWEST)
    assert dead.id == letter
    of_stream = EffectFilter(stream_id=dead.stream_id)
    both = store.find_effects(of_stream)
    assert store.find_effects(of_stream, order=NEWEST) == both[::-1]
