"""Eight objects of each kind in a store, and their lists, read in pages."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

from support.builders.events import (
    VM,
    claim_all,
    ingest,
    make_event,
    make_trigger,
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
from winchester_core.storage.effect_records import EffectRefused
from winchester_core.storage.filters import ListOrder
from winchester_core.storage.list_pages import MAX_SEARCHED_ROWS
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
