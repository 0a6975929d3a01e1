"""Every store: pages of lists, in both orders, with few rows to search and with many."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import (
    VM,
    at,
    claim_all,
    ingest,
    make_event,
    make_trigger,
    only_stream,
)
from support.builders.operations import make_action
from support.scenes.outbox_operations import (
    HOUR,
    HTTP,
    NOW,
    claim_effects,
    claim_streams,
    make_queued_effect,
    queue_effects,
)
from winchester_core.errors import UnknownStream
from winchester_core.model.effect import EffectState
from winchester_core.model.stream import StreamState
from winchester_core.storage.effect_records import EffectFilter, EffectRefused
from winchester_core.storage.filters import EventFilter, ListOrder, RejectedFilter, StreamFilter
from winchester_core.storage.list_pages import MAX_LISTED_CHARACTERS, MAX_SEARCHED_ROWS
from winchester_core.storage.operation_records import ActionFilter
from winchester_core.storage.records import Completion, Failure, Rejection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from winchester_core.storage.interface import Store
    from winchester_core.storage.list_pages import Key, ListPage

OLDEST, NEWEST = ListOrder.OLDEST, ListOrder.NEWEST
KINDS = ("events", "events by timestamp", "streams", "rejected", "effects", "actions")
FEW = 3
"""A bound that is less than the number of rows of each kind."""

BOUNDS = (1, FEW, MAX_SEARCHED_ROWS)
LONG = "größe " * 1_000


def fill(store: Store) -> None:
    """Store eight of each kind of record; times go up and down, and some are equal."""
    for number, second in enumerate((5, 1, 5, 9, 1, 5, 3, 9)):
        kind = "vm.end" if number % 3 == 0 else "vm.update"
        event = make_event(f"e{number}", kind, second, instance=f"i{number}", even=number % 2 == 0)
        ingest(store, VM if number < 5 else make_trigger("other", match="*"), event)
    for number in range(8):
        reject(store, str(number).encode(), f"s{number % 3}", number % 2 == 0)
        name = "anna" if number % 3 else "berta"
        store.record_action(make_action(name=name, action=f"stream.{number % 2}"))
    for claim in claim_all(store):
        store.fail(Failure(claim, f"failed {claim.name}", HOUR, final=True), 5)
    queue_effects(store, **{f"k{number}": [f"a{number}", f"b{number}"] for number in range(3)})
    for number, each in enumerate(claim_streams(store, "k3", "k4")):
        effects = [make_queued_effect(number, HTTP) for _ in range(2)]
        store.complete([Completion(each, effects=tuple(effects))], NOW)
    store.apply_effect_results([EffectRefused(each, "no") for each in claim_effects(store)[1:]])


def reject(store: Store, body: bytes, source: str = "s", is_event: bool = True) -> None:
    kind = "event" if is_event else "notification"
    digest = hashlib.sha256(body).digest()
    store.insert_rejected([Rejection(source, kind, "broken", body, len(body), digest)])


def methods_of(store: Store, kind: str) -> tuple[Callable[..., ListPage[Any]], Any, Any]:
    """Return the methods that read pages of a kind, find all of them, and count them."""
    match kind:
        case "events by timestamp":
            page = partial(store.page_of_events, by_timestamp=True)
            return page, partial(store.find_events, by_timestamp=True), store.count_events
        case _:
            find, count = getattr(store, f"find_{kind}"), getattr(store, f"count_{kind}")
            return getattr(store, f"page_of_{kind}"), find, count


def pages_of(
    page_of: Callable[..., ListPage[Any]], *filters: Any, limit: int = 2, **options: Any
) -> Iterator[ListPage[Any]]:
    """Yield all pages, each of which begins where the previous one ended."""
    after: Key | None = None
    while True:
        page = page_of(*filters, after=after, limit=limit, **options)
        assert len(page.items) == len(page.keys) <= limit
        yield page
        if page.searched_to is not None:
            assert len(page.items) < limit
            after = page.searched_to
        elif len(page.items) == limit:
            after = page.keys[-1]
        else:
            return


def items_of(pages: Iterator[ListPage[Any]]) -> list[Any]:
    return [item for page in pages for item in page.items]


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_without_filters_is_read_in_pages(store: Store, kind: str) -> None:
    fill(store)
    page_of, find, _ = methods_of(store, kind)
    oldest = find()
    assert len(oldest) >= 8
    for order, expected in ((OLDEST, oldest), (NEWEST, oldest[::-1])):
        for max_rows in BOUNDS:
            options = {"order": order, "max_rows": max_rows}
            pages = list(pages_of(page_of, **options))
            assert items_of(iter(pages)) == expected
            assert {page.searched_to for page in pages} == {None}
    whole = page_of()
    assert (whole.items, whole.searched_to, whole.total) == (oldest, None, len(oldest))
    assert page_of(limit=2).total is None


@pytest.mark.parametrize("kind", KINDS)
def test_each_key_leads_to_its_neighbours_in_both_orders(store: Store, kind: str) -> None:
    fill(store)
    page_of, _, _ = methods_of(store, kind)
    whole = page_of()
    for number, key in enumerate(whole.keys):
        after = page_of(after=key, limit=2, order=OLDEST)
        assert after.items == whole.items[number + 1 : number + 3]
        before = page_of(after=key, limit=2, order=NEWEST)
        assert before.items == whole.items[max(0, number - 2) : number][::-1]


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


@pytest.mark.parametrize("order", ListOrder)
@pytest.mark.parametrize("limit", [2, MAX_SEARCHED_ROWS])
def test_a_page_of_ids_has_the_ids_of_the_page(store: Store, order: ListOrder, limit: int) -> None:
    fill(store)
    methods: list[tuple[Callable[..., Any], Callable[..., Any], list[Any]]] = [
        (store.page_of_streams, store.page_of_stream_ids, [StreamFilter(error_text="vm")]),
        (store.page_of_rejected, store.page_of_rejected_ids, [RejectedFilter(kind="event")]),
        (store.page_of_effects, store.page_of_effect_ids, [EffectFilter(state=EffectState.DEAD)]),
    ]
    for page_of, page_of_ids, filters in methods:
        for chosen in ([], filters):
            bounds = {"limit": limit, "order": order, "max_rows": FEW}
            page, ids = page_of(*chosen, **bounds), page_of_ids(*chosen, **bounds)
            assert ids.items == [each.id for each in page.items]
            assert (ids.keys, ids.searched_to, ids.total) == (
                page.keys,
                page.searched_to,
                page.total,
            )


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


def test_too_many_candidates_are_searched_in_the_order_of_the_list(store: Store) -> None:
    fill(store)
    filters = RejectedFilter(younger_than=at(-1e9), kind="notification")
    page = store.page_of_rejected(filters, limit=5, max_rows=FEW)
    everything = store.page_of_rejected()
    assert page.items == everything.items[1:2]
    assert (page.searched_to, page.total) == (everything.keys[FEW - 1], None)


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


@pytest.mark.parametrize("order", ListOrder)
def test_a_page_continues_after_a_deleted_row(store: Store, order: ListOrder) -> None:
    fill(store)
    store.release_all("w1")
    deletions: tuple[tuple[str, Callable[[Any], object]], ...] = (
        ("streams", lambda each: store.purge_stream(each.id)),
        ("rejected", lambda each: store.delete_rejected(each.id)),
        ("effects", lambda each: store.discard_effect(each.id)),
    )
    for kind, delete in deletions:
        page_of, _, _ = methods_of(store, kind)
        whole, first = page_of(order=order), page_of(order=order, limit=2)
        delete(first.items[-1])
        delete(whole.items[2])
        assert page_of(after=first.keys[-1], order=order).items == whole.items[3:]


@pytest.mark.parametrize("order", ListOrder)
@pytest.mark.parametrize("by_timestamp", [False, True])
def test_a_page_of_events_continues_after_a_trimmed_event(
    store: Store, order: ListOrder, by_timestamp: bool
) -> None:
    for number in range(4):
        ingest(store, VM, make_event(f"e{number}", "lone", number // 2))
    page_of = partial(store.page_of_events, order=order, by_timestamp=by_timestamp)
    whole = page_of()
    store.trim(at(1), store.real_time() + HOUR, 100)
    rest = [each for each in whole.items[1:] if each["timestamp"] >= at(1)]
    assert len(rest) in (1, 2)
    assert page_of(after=whole.keys[0]).items == rest


def test_events_with_equal_timestamps_are_divided_between_pages(store: Store) -> None:
    for number in range(7):
        ingest(store, VM, make_event(f"e{number}", seconds=number % 2))
    page_of = partial(store.page_of_events, by_timestamp=True)
    for max_rows in BOUNDS:
        for filters in (EventFilter(), EventFilter("vm.*"), EventFilter("*")):
            pages = pages_of(page_of, filters, max_rows=max_rows)
            ids = [each["message_id"] for each in items_of(pages)]
            assert ids == ["e0", "e2", "e4", "e6", "e1", "e3", "e5"]


def test_long_texts_are_cut_only_in_pages(store: Store) -> None:
    (claim,) = claim_streams(store, "a")
    store.complete([Completion(claim, effects=(make_queued_effect(LONG),))], NOW)
    (effect,) = claim_effects(store)
    store.apply_effect_results([EffectRefused(effect, LONG)])
    (claim,) = claim_streams(store, "b")
    store.fail(Failure(claim, LONG, HOUR, final=True), 5)
    body = bytes(range(256)) * 4_096
    store.insert_rejected([Rejection("s", "event", LONG, body, len(body), b"d" * 32)])
    store.record_action(make_action(target=LONG))
    cut = LONG[:MAX_LISTED_CHARACTERS]
    (stream,) = store.page_of_streams().items
    (message,) = store.page_of_rejected().items
    (letter,) = store.page_of_effects().items
    (action,) = store.page_of_actions().items
    assert (stream.last_error, letter.last_error) == (cut, cut)
    assert (message.reason, message.body) == (cut, body[:MAX_LISTED_CHARACTERS])
    assert message.body_length == len(body)
    assert (letter.payload, action.target) == (f'"{LONG}'[:MAX_LISTED_CHARACTERS], cut)
    assert store.get_stream_by_id(stream.id).last_error == LONG
    assert store.get_rejected(message.id).body == body
    assert store.get_effect(letter.id).payload == f'"{LONG}"'
    assert store.get_effect(letter.id).last_error == LONG


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_counted_up_to_a_limit(store: Store, kind: str) -> None:
    fill(store)
    _, find, count = methods_of(store, kind)
    number = len(find())
    assert [count(up_to=each) for each in (0, 3, number, number + 5)] == [0, 3, number, number]


def test_limited_counts_have_filters(store: Store) -> None:
    fill(store)
    assert store.count_streams(StreamFilter(event_type="vm.end"), up_to=2) == 2
    assert store.count_events(EventFilter(traits={"even": True}), up_to=3) == 3
    assert store.count_rejected(RejectedFilter(kind="event"), up_to=100) == 4
    assert store.count_effects(EffectFilter(state=EffectState.DEAD), up_to=1) == 1


MOMENT = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "key", [(), (1, 1), ("1",), (True,), (MOMENT,), (MOMENT, MOMENT), (1, MOMENT), (1.0,)]
)
def test_a_key_of_another_list_is_refused(store: Store, kind: str, key: Any) -> None:
    fill(store)
    with pytest.raises(ValueError, match="not a key of this list"):
        methods_of(store, kind)[0](after=key)


def test_bounds_less_than_1_are_refused(store: Store) -> None:
    for options in ({"limit": 0}, {"max_rows": 0}, {"limit": -1}):
        for kind in KINDS:
            with pytest.raises(ValueError, match="limit"):
                methods_of(store, kind)[0](**options)


class TestStreamEvents:
    """The events of one stream are read in pages by timestamp."""

    SECONDS = (5, 1, 5, 9, 1, 5, 3)

    @pytest.fixture
    def stream_id(self, store: Store) -> int:
        for number, second in enumerate(self.SECONDS):
            ingest(store, VM, make_event(f"e{number}", seconds=second))
        ingest(store, VM, make_event("other", seconds=2, instance="b"))
        return only_stream(store, instance="a").id

    def test_they_are_ordered_by_timestamp_and_arrival(self, store: Store, stream_id: int) -> None:
        expected = store.get_stream_events(stream_id)
        for order, events in ((OLDEST, expected), (NEWEST, expected[::-1])):
            pages = list(pages_of(partial(store.page_of_stream_events, stream_id), order=order))
            assert items_of(iter(pages)) == events
            assert {page.total for page in pages} == {len(events)}

    def test_each_key_leads_to_its_neighbours(self, store: Store, stream_id: int) -> None:
        whole = store.page_of_stream_events(stream_id)
        for number, key in enumerate(whole.keys):
            page_of = partial(store.page_of_stream_events, stream_id, after=key, limit=2)
            assert page_of(order=OLDEST).items == whole.items[number + 1 : number + 3]
            assert page_of(order=NEWEST).items == whole.items[max(0, number - 2) : number][::-1]

    def test_many_events_are_divided_by_arrival(self, store: Store, stream_id: int) -> None:
        for order, ids in (
            (OLDEST, ["e1", "e0", "e2", "e4", "e5", "e3", "e6"]),
            (NEWEST, ["e6", "e3", "e5", "e4", "e2", "e0", "e1"]),
        ):
            page_of = partial(store.page_of_stream_events, stream_id, order=order, max_rows=3)
            pages = list(pages_of(page_of))
            assert [each["message_id"] for each in items_of(iter(pages))] == ids
            assert {page.total for page in pages} == {None}

    def test_an_unknown_stream_is_an_error(self, store: Store) -> None:
        with pytest.raises(UnknownStream):
            store.page_of_stream_events(404)

    def test_a_key_of_another_list_is_refused(self, store: Store, stream_id: int) -> None:
        huge = ((2**40, MOMENT, 1), (0, MOMENT, 2**40), (2**31, MOMENT, 1))
        for key in ((1,), (0, 1, 1), (MOMENT, 1), (0, MOMENT, 1, 1), *huge):
            with pytest.raises(ValueError, match="not a key of this list"):
                store.page_of_stream_events(stream_id, after=key)
