"""Pages of rejected messages: masked bodies, the body as received, retry and discard."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.scenes.api_console import reject
from winchester_core.storage.records import Rejection

if TYPE_CHECKING:
    from support.scenes.page_console import PageConsole

SECRET = "hunter2-but-longer"
EVENT = {"message_id": "m1", "event_type": "vm.start", "timestamp": "2024-05-17T12:00:00Z"}


def body(**changes: object) -> bytes:
    return json.dumps({**EVENT, **changes}).encode()


def test_the_list_shows_the_reasons(console: PageConsole) -> None:
    reject(console.store, b"1", b"22")
    ids = reject(console.store, b"333", kind="notification", reason="worse")
    rows = console.get("/rejected").rows
    assert rows[0] == ["Id", "Stored", "Source", "Kind", "Reason", "Bytes"]
    assert [(row[0], *row[2:]) for row in rows[1:]] == [
        (f"{ids[2]}", "queue", "notification", "worse", "3"),
        (f"{ids[1]}", "queue", "event", "bad", "2"),
        (f"{ids[0]}", "queue", "event", "bad", "1"),
    ]
    assert len(console.get("/rejected?kind=event").rows) == 3
    assert "Nothing matches" in console.get("/rejected?source=other").text
    assert "is none of event" in console.get("/rejected?kind=x", status=400).text


def test_pages_lead_in_both_directions(console: PageConsole) -> None:
    ids = reject(console.store, *(f"{n}".encode() for n in range(5)))
    first = console.get("/rejected?limit=2")
    second = console.get(f"/rejected{first.link('Next')}")
    assert [row[0] for row in second.rows[1:]] == [f"{ids[2]}", f"{ids[1]}"]
    back = console.get(f"/rejected{second.link('Previous')}")
    assert [row[0] for row in back.rows[1:]] == [f"{ids[4]}", f"{ids[3]}"]


def test_an_empty_list_needs_no_attention(console: PageConsole) -> None:
    page = console.get("/rejected")
    assert "Nothing needs attention" in page.text
    assert not page.has_link("Retry all…")


def test_a_json_body_is_masked_for_everybody(console: PageConsole, viewer: PageConsole) -> None:
    (message,) = reject(
        console.store, body(password=SECRET, user="anna", nested={"api_key": SECRET})
    )
    for each in (console, viewer):
        page = each.get(f"/rejected/{message}")
        assert '"user": "anna"' in page.text
        assert '"password": "***"' in page.text
        assert SECRET not in page.source


def test_another_body_is_only_for_operators(console: PageConsole, viewer: PageConsole) -> None:
    (message,) = reject(console.store, f"user=anna password={SECRET} host=db".encode())
    page = console.get(f"/rejected/{message}")
    assert "user=anna password=*** host=db" in page.text
    assert "Only operators see it" in page.text
    assert SECRET not in page.source
    seen = viewer.get(f"/rejected/{message}")
    assert "Only operators see this body" in seen.text
    assert "anna" not in seen.source


@pytest.mark.parametrize("data", [body(password=SECRET), f"password={SECRET}".encode()])
def test_the_body_as_received_is_a_recorded_action(
    console: PageConsole, viewer: PageConsole, data: bytes
) -> None:
    (message,) = reject(console.store, data)
    path = f"/rejected/{message}/raw"
    form = console.get(f"/rejected/{message}").form(path)
    response = console.send(path, *form.fields)
    assert response.status == 200
    assert SECRET in response.text
    assert "recorded as your action" in response.text
    assert console.actions() == [("rejected.raw", f"{message}", 1)]
    assert viewer.post(path).status == 403
    assert console.client.get(path).status == 405
    assert len(console.actions()) == 1


def test_a_retried_message_becomes_an_event(console: PageConsole) -> None:
    (message,) = reject(console.store, body())
    path = f"/rejected/{message}"
    location = console.submit(console.get(path), f"{path}/retry")
    assert location == "/rejected?done=stored"
    assert "The message was stored as an event" in console.get(location).text
    assert console.get("/events/m1").heading == "vm.start"
    assert console.actions() == [("rejected.retry", f"{message}", 1)]
    assert f"no rejected message has the id {message}" in console.get(path, status=404).text


def test_a_message_that_is_still_invalid_has_a_new_reason(console: PageConsole) -> None:
    (message,) = reject(console.store, body(event_type=17))
    path = f"/rejected/{message}"
    location = console.submit(console.get(path), f"{path}/retry")
    assert location == f"{path}?done=invalid"
    page = console.get(location)
    assert "still invalid" in page.text
    assert "event_type: must be text, not int" in page.text


@pytest.mark.parametrize(
    ("stored", "outcome", "notice"),
    [(True, "duplicate", "already stored"), (False, "failed", "not stored whole")],
)
def test_other_outcomes_of_a_retry(
    console: PageConsole, stored: bool, outcome: str, notice: str
) -> None:
    data = body()
    first, *_ = reject(console.store, data)
    if stored:
        assert console.post(f"/rejected/{first}/retry").status == 303
        (first,) = reject(console.store, data)
    else:
        cut = Rejection("queue", "event", "long", data, len(data) + 1, b"d" * 32)
        console.store.delete_rejected(first)
        console.store.insert_rejected([cut])
        first = console.store.find_rejected()[0].id
    location = console.location(console.post(f"/rejected/{first}/retry"))
    assert location.endswith(f"?done={outcome}")
    assert notice in console.get(location).text


def test_the_context_of_a_message_with_mappings_is_shown_masked(console: PageConsole) -> None:
    context = {
        "mappings": ["cameras"],
        "headers": {"x-kind": "motion", "x-api-key": "hush"},
        "properties": {"routing_key": "north.door", "token": "hush"},
    }
    text = json.dumps(context)
    console.store.insert_rejected([Rejection("queue", "event", "bad", b"{}", 2, b"c" * 32, text)])
    (message,) = console.store.find_rejected()
    shown = console.get(f"/rejected/{message.id}").text
    assert "Mappings, headers and properties" in shown
    for part in ("cameras", "motion", "north.door"):
        assert part in shown
    assert "hush" not in shown


def test_a_discard_is_confirmed_first(console: PageConsole) -> None:
    (message,) = reject(console.store, b"x")
    path = f"/rejected/{message}"
    confirm = console.get(console.get(path).link("Discard…"))
    assert confirm.heading == f"Discard rejected message {message}?"
    assert confirm.link("Cancel") == path
    assert console.store.count_rejected() == 1
    location = console.submit(confirm, f"{path}/discard")
    assert location == "/rejected?done=discarded"
    assert "It was deleted" in console.get(location).text
    assert console.store.count_rejected() == 0
    assert console.actions() == [("rejected.discard", f"{message}", 1)]


def test_a_large_body_is_cut(console: PageConsole) -> None:
    large = json.dumps({"text": "<\x01" * 250_000}).encode()
    (message,) = reject(console.store, large)
    assert "longer than this page shows" in console.get(f"/rejected/{message}").text
    response = console.post(f"/rejected/{message}/raw")
    assert response.status == 200
    assert len(response.body) < 1024 * 1024
