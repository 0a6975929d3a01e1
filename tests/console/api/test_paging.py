"""Pages of lists in both directions, also while objects are added and deleted."""

from __future__ import annotations

import base64
import random
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from support.builders.events import VM, ingest, make_event
from support.scenes.api_console import ApiConsole, reject

if TYPE_CHECKING:
    from collections.abc import Callable

Page = dict[str, Any]


def walk(
    console: ApiConsole, path: str, cursor: str | None, direction: str, **query: Any
) -> list[list[Any]]:
    """Return the ids on all pages after a cursor, in one direction."""
    pages = []
    while cursor is not None or not pages:
        page = console.get(path, **query, **({} if cursor is None else {"cursor": cursor}))
        pages.append([each.get("id") or each["message_id"] for each in page["items"]])
        cursor = page[direction]
    return pages


def last_page(console: ApiConsole, path: str, **query: Any) -> Page:
    page = console.get(path, **query)
    while page["next"] is not None:
        page = console.get(path, **query, cursor=page["next"])
    return page


def fill(console: ApiConsole, number: int) -> None:
    reject(console.store, *(b"%d" % each for each in range(number)))
    ingest(
        console.store,
        VM,
        *(
            make_event(f"e{each:02}", seconds=each // 3, instance=f"i{each}")
            for each in range(number)
        ),
    )


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("rejected", {}),
        ("rejected", {"source": "queue"}),
        ("events", {}),
        ("events", {"by": "timestamp"}),
        ("events", {"event_type": "vm.*", "by": "timestamp"}),
        ("streams", {"trigger": "vm"}),
    ],
)
def test_both_directions_visit_every_object_once(
    console: ApiConsole, path: str, query: dict[str, str], order: str
) -> None:
    fill(console, 10)
    query = {**query, "order": order, "limit": "3"}
    pages = walk(console, path, None, "next", **query)
    assert [len(each) for each in pages] == [3, 3, 3, 1]
    ids = [each for page in pages for each in page]
    assert len(set(ids)) == 10
    if path != "events":  # those of one transaction have no defined order
        assert ids == sorted(ids, reverse=order == "newest")
    end = last_page(console, path, **query)
    back = walk(console, path, end["previous"], "previous", **query)
    assert [len(each) for each in back] == [3, 3, 3]
    assert [each for page in reversed(back) for each in page] == ids[:-1]


def change(console: ApiConsole, present: set[int], kept: set[int], chance: random.Random) -> None:
    """Delete some rejected messages that need not be kept, and add some."""
    for each in sorted(present - kept):
        if chance.random() < 0.4:
            console.store.delete_rejected(each)
            present.discard(each)
    for _ in range(chance.randrange(3)):
        present.update(reject(console.store, b"%d" % chance.getrandbits(60)))


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize("seed", range(4))
def test_objects_that_stay_are_visited_once_while_others_come_and_go(
    console: ApiConsole, order: str, seed: int
) -> None:
    chance = random.Random(seed)
    present = set(reject(console.store, *(b"%d" % each for each in range(20))))
    kept = set(chance.sample(sorted(present), 8))
    query = {"order": order, "limit": "3"}
    seen: list[int] = []
    page = console.get("rejected", **query)
    while True:
        seen += [each["id"] for each in page["items"]]
        if page["next"] is None:
            break
        change(console, present, kept, chance)
        page = console.get("rejected", **query, cursor=page["next"])
    assert kept <= set(seen)
    assert len(seen) == len(set(seen))
    seen_back: list[int] = [each["id"] for each in page["items"]]
    while page["previous"] is not None:
        change(console, present, kept, chance)
        page = console.get("rejected", **query, cursor=page["previous"])
        seen_back += [each["id"] for each in page["items"]]
    assert kept <= set(seen_back)
    assert len(seen_back) == len(set(seen_back))


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_turning_back_at_an_empty_page_leaves_nothing_out(console: ApiConsole, order: str) -> None:
    ids = reject(console.store, *(b"%d" % each for each in range(4)))
    ids = ids if order == "oldest" else ids[::-1]
    query = {"order": order, "limit": "2"}
    first = console.get("rejected", **query)
    second = console.get("rejected", **query, cursor=first["next"])
    for each in ids[:2]:
        console.store.delete_rejected(each)
    empty = console.get("rejected", **query, cursor=second["previous"])
    assert (empty["items"], empty["previous"]) == ([], None)
    again = console.get("rejected", **query, cursor=empty["next"])
    assert [each["id"] for each in again["items"]] == ids[2:]
    for each in ids[2:]:
        console.store.delete_rejected(each)
    (last,) = reject(console.store, b"last")
    found = console.get("rejected", **query, cursor=again["previous"])
    listed = [each["id"] for each in found["items"]]
    assert listed == ([last] if order == "newest" else [])


def forge(text: str, change: Callable[[list[Any]], list[Any]]) -> str:
    body = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return base64.urlsafe_b64encode(orjson.dumps(change(body))).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "change",
    [
        lambda body: [*body, 5],
        lambda body: body[:2],
        lambda body: [*body[:2], "2026-03-02T09:00:00+00:00"],
        lambda body: [*body[:2], "2026-03-02T09:00:00+00:00", 1, 2],
    ],
)
@pytest.mark.parametrize("path", ["rejected", "events", "streams", "stream events"])
def test_keys_of_another_form_are_refused(
    console: ApiConsole, path: str, change: Callable[[list[Any]], list[Any]]
) -> None:
    fill(console, 3)
    events = [make_event(f"x{number}", instance="x") for number in range(3)]
    ingest(console.store, VM, *events)
    if path == "stream events":
        stream = console.get("streams", trait="instance=x")["items"][0]["id"]
        path = f"streams/{stream}/events"
    cursor = console.get(path, limit=1)["next"]
    detail = console.problem(400, "GET", path, limit=1, cursor=forge(cursor, change))
    assert "is not a cursor of this list" in detail


def test_a_cursor_of_another_list_is_refused(console: ApiConsole) -> None:
    fill(console, 3)
    cursor = console.get("rejected", limit=1)["next"]
    for query in ({"order": "oldest"}, {"source": "queue"}, {"kind": "event"}):
        detail = console.problem(400, "GET", "rejected", cursor=cursor, **query)
        assert "other filters or another order" in detail
    assert "other filters" in console.problem(400, "GET", "streams", cursor=cursor)
    assert console.get("rejected", cursor=cursor, limit=2)["items"]
