"""Pages of the outbox: backlog by endpoint, masked payloads, effects ahead, retry and discard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.scenes.outbox_operations import (
    HTTP,
    MAIL,
    NOW,
    claim_effects,
    claim_streams,
    make_dead_letter,
    make_queued_effect,
    queue_effects,
)
from winchester_core.model.effect import EffectState
from winchester_core.storage.effect_records import EffectFilter
from winchester_core.storage.records import Completion

if TYPE_CHECKING:
    from support.probes.html_page import HtmlPage
    from support.scenes.page_console import PageConsole

SECRET = "hunter2-but-longer"


def ids_of(page: HtmlPage) -> list[int]:
    """Return the ids of the listed effects."""
    return [int(row[0]) for row in page.rows if len(row) == 9 and row[0].isdecimal()]


def effect_ids(console: PageConsole) -> list[int]:
    return [each.id for each in console.store.find_effects()]


def test_the_list_and_its_filters(console: PageConsole) -> None:
    dead = make_dead_letter(console.store, "d")
    streams = queue_effects(console.store, a=[1, 2], b=[3])
    pending = [each for each in effect_ids(console) if each != dead]
    page = console.get("/outbox")
    assert ids_of(page) == [*reversed(pending), dead]
    assert "no such address" in page.text
    assert "after another" in page.text
    assert ids_of(console.get("/outbox?state=dead")) == [dead]
    assert ids_of(console.get(f"/outbox?stream={streams['a']}")) == pending[1::-1]
    assert "Nothing matches" in console.get("/outbox?pipeline=other").text
    assert "stream 'x' is not an id" in console.get("/outbox?stream=x", status=400).text


def test_the_backlog_links_to_the_effects_of_an_endpoint(console: PageConsole) -> None:
    dead = make_dead_letter(console.store, "d")
    queue_effects(console.store, a=[1, 2], b=[3])
    page = console.get("/outbox")
    (row,) = [row for row in page.rows if len(row) == 5 and row[0] == "fire"]
    assert row[:4] == ["fire", "mail", "1", "3"]
    query = "pipeline=fire&handler=mail"
    assert ids_of(console.get(page.link("1"))) == [dead]
    assert page.link("1") == f"/outbox?state=dead&{query}"
    assert page.link("3") == f"/outbox?state=pending&{query}"


def test_pages_lead_in_both_directions(console: PageConsole) -> None:
    queue_effects(console.store, a=list(range(5)))
    found = effect_ids(console)[::-1]
    first = console.get("/outbox?limit=2&state=pending")
    second = console.get(f"/outbox{first.link('Next')}")
    assert (ids_of(first), ids_of(second)) == (found[:2], found[2:4])
    assert ids_of(console.get(f"/outbox{second.link('Previous')}")) == found[:2]
    assert ids_of(console.get(f"/outbox{second.link('Oldest')}")) == found[:2:-1]


def test_an_empty_outbox(console: PageConsole) -> None:
    page = console.get("/outbox")
    assert "Nothing waits" in page.text
    assert not page.has_link("Retry dead letters…")
    console.get("/outbox/99", status=404)
    console.get("/outbox/x", status=400)


def test_an_effect_with_its_masked_payload(console: PageConsole) -> None:
    stream = queue_effects(console.store, a=[{"password": SECRET, "to": "anna"}])["a"]
    (effect,) = effect_ids(console)
    page = console.get(f"/outbox/{effect}")
    assert '"password": "***"' in page.text
    assert '"to": "anna"' in page.text
    assert SECRET not in page.source
    assert page.link(f"{stream} vm") == f"/streams/{stream}"
    assert "Delivered before it" not in page.text


def test_the_payload_with_its_secrets_is_a_recorded_action(
    console: PageConsole, viewer: PageConsole
) -> None:
    queue_effects(console.store, a=[{"password": SECRET}])
    (effect,) = effect_ids(console)
    path = f"/outbox/{effect}/raw"
    response = console.send(path, *console.get(f"/outbox/{effect}").form(path).fields)
    assert (response.status, SECRET in response.text) == (200, True)
    assert console.actions() == [("outbox.raw", f"{effect}", 1)]
    assert viewer.post(path).status == 403
    assert len(console.actions()) == 1


def test_the_effects_ahead_are_of_the_same_stream_and_handler(console: PageConsole) -> None:
    streams = queue_effects(console.store, a=list(range(14)), b=[0])
    of_a = [each.id for each in console.store.find_effects(EffectFilter(stream_id=streams["a"]))]
    page = console.get(f"/outbox/{of_a[-1]}")
    assert "Delivered before it 13 of the same stream and handler" in page.text
    assert [int(row[0]) for row in page.rows[1:]] == of_a[:10]
    assert "after 13 ahead of it" in page.text


def test_an_effect_of_another_handler_is_not_ahead(console: PageConsole) -> None:
    (claim,) = claim_streams(console.store, "a")
    queued = (make_queued_effect(1, MAIL), make_queued_effect(2, HTTP), make_queued_effect(3, MAIL))
    console.store.complete([Completion(claim, effects=queued)], NOW)
    first, other, last = effect_ids(console)
    assert "Delivered before it" not in console.get(f"/outbox/{other}").text
    page = console.get(f"/outbox/{last}")
    assert [row[0] for row in page.rows[1:]] == [f"{first}"]


def test_a_retry_makes_a_dead_letter_due(console: PageConsole) -> None:
    dead = make_dead_letter(console.store, "d")
    path = f"/outbox/{dead}"
    location = console.submit(console.get(path), f"{path}/retry")
    assert location == f"{path}?done=due"
    assert "due for delivery now" in console.get(location).text
    assert console.store.get_effect(dead).state is EffectState.PENDING
    assert console.actions() == [("outbox.retry", f"{dead}", 1)]


def test_a_retried_effect_may_have_to_wait(console: PageConsole) -> None:
    queue_effects(console.store, a=[1, 2])
    _, second = effect_ids(console)
    location = console.location(console.post(f"/outbox/{second}/retry"))
    assert location == f"/outbox/{second}?done=waiting"
    assert "after the effects ahead of it" in console.get(location).text


def test_a_discard_is_confirmed_first(console: PageConsole) -> None:
    dead = make_dead_letter(console.store, "d")
    path = f"/outbox/{dead}"
    confirm = console.get(console.get(path).link("Discard…"))
    assert confirm.heading == f"Discard effect {dead}?"
    assert console.submit(confirm, f"{path}/discard") == "/outbox?done=discarded"
    assert effect_ids(console) == []
    assert console.actions() == [("outbox.discard", f"{dead}", 1)]


def test_an_effect_that_is_being_delivered_is_not_changed(console: PageConsole) -> None:
    queue_effects(console.store, a=[1])
    (claim,) = claim_effects(console.store, worker="w-7")
    path = f"/outbox/{claim.id}"
    page = console.get(path)
    assert "being delivered" in page.text
    assert "w-7" in page.text
    for verb in ("retry", "discard"):
        response = console.post(f"{path}/{verb}")
        assert response.status == 409
        assert f'href="{path}"' in response.text
    assert console.actions() == []
    assert console.store.count_effects(EffectFilter(state=EffectState.PENDING)) == 1
