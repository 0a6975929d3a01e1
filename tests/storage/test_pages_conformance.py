"""Every store: pages of lists, in both orders, and their bounds."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import (
    VM,
    at,
    ingest,
    make_event,
    only_stream,
)
from support.builders.operations import make_action
from support.scenes.list_pages import (
    BOUNDS,
    FEW,
    KINDS,
    NEWEST,
    OLDEST,
    fill,
    items_of,
    methods_of,
    pages_of,
)
from support.scenes.outbox_operations import (
    HOUR,
    NOW,
    claim_effects,
    claim_streams,
    make_queued_effect,
)
from winchester_core.errors import UnknownStream
from winchester_core.model.effect import EffectState
from winchester_core.storage.effect_records import EffectFilter, EffectRefused
from winchester_core.storage.filters import EventFilter, ListOrder, RejectedFilter, StreamFilter
from winchester_core.storage.list_pages import MAX_LISTED_CHARACTERS, MAX_SEARCHED_ROWS
from winchester_core.storage.records import Completion, Failure, Rejection

if TYPE_CHECKING:
    from collections.abc import Callable

    from winchester_core.storage.interface import Store


LONG = "größe " * 1_000


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


def test_too_many_candidates_are_searched_in_the_order_of_the_list(store: Store) -> None:
    fill(store)
    filters = RejectedFilter(younger_than=at(-1e9), kind="notification")
    page = store.page_of_rejected(filters, limit=5, max_rows=FEW)
    everything = store.page_of_rejected()
    assert page.items == everything.items[1:2]
    assert (page.searched_to, page.total) == (everything.keys[FEW - 1], None)


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
