"""Values from outside are text on every page, without control characters, and of bounded size."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from support.builders.events import VM, claim_all, ingest, make_event
from support.scenes.api_console import fail_streams, reject
from support.scenes.outbox_operations import NOW, claim_streams
from winchester_core.model.effect import Endpoint, QueuedEffect
from winchester_core.model.json import dump_payload
from winchester_core.storage.effect_records import EffectRefused
from winchester_core.storage.records import Completion, Failure, Rejection

if TYPE_CHECKING:
    from support.scenes.page_console import PageConsole

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'\u202e\u200b\x1b[31m\x07"
LONG = HOSTILE + "<&\"'" * 262_144
NAME = HOSTILE[:100]


def fill(console: PageConsole, text: str) -> list[str]:
    """Store hostile values in every field; return the paths of the pages that show them."""
    store = console.store
    event = make_event(NAME, f"vm.{NAME}", instance=NAME, **{NAME: text, "other": text})
    end = make_event("end", "vm.end", instance=NAME)
    failing = make_event("failing", "vm.end", instance="failing " + NAME)
    ingest(store, VM, event, end, failing)
    claims = {claim.distinguished_by["instance"]: claim for claim in claim_all(store)}
    endpoint = Endpoint(NAME, NAME)
    effects = tuple(
        QueuedEffect(f"{n:036}", endpoint, dump_payload({NAME: text[:100_000]})) for n in range(2)
    )
    store.complete([Completion(claims[NAME], effects=effects, purge=False)], NOW)
    store.fail(Failure(claims["failing " + NAME], text, timedelta(0), final=True), max_attempts=5)
    (claim,) = store.claim_effects(endpoint, worker=NAME, limit=1, lease=timedelta(minutes=5))
    store.apply_effect_results([EffectRefused(claim, text)])
    ids = []
    for body in (text.encode(), dump_payload({NAME: text}).encode()):
        kept = body[: 1024 * 1024]
        digest = hashlib.sha256(body).digest()
        store.insert_rejected([Rejection(NAME, "event", text, kept, len(body), digest)])
        ids.append(max(each.id for each in store.find_rejected()))
    stream = next(each.id for each in store.find_streams() if "failing" not in str(each))
    return [
        *("/streams", "/events", "/rejected", "/outbox", "/streams/reset", "/streams/discard"),
        *("/rejected/retry", "/outbox/retry", f"/streams/{stream}", f"/streams/{stream}/events"),
        *(f"/rejected/{each}" for each in ids),
        *(f"/outbox/{each.id}" for each in store.find_effects()),
        console.get("/events?event_type=vm.<*").link_with("/events/"),
        "/events/end",
    ]


@pytest.mark.parametrize("text", [HOSTILE, LONG], ids=["short", "long"])
def test_values_are_text_without_control_characters(console: PageConsole, text: str) -> None:
    for path in fill(console, text):
        page = console.get(path)
        assert_harmless(page.source, path)


@pytest.mark.parametrize("kind", ["rejected", "outbox"])
def test_raw_bodies_are_text_too(console: PageConsole, kind: str) -> None:
    fill(console, LONG)
    found = console.store.find_rejected() if kind == "rejected" else console.store.find_effects()
    for each in found:
        response = console.post(f"/{kind}/{each.id}/raw")
        assert response.status == 200
        assert len(response.body) <= 1024 * 1024
        assert_harmless(response.text, kind)


@pytest.mark.parametrize("character", ['"', "'", "\u202e"])
def test_the_longest_lists_are_below_a_mebibyte(console: PageConsole, character: str) -> None:
    names = [character * 200 + str(n) for n in range(200)]
    ingest(
        console.store,
        VM,
        *(
            make_event(name, character * 255, **{f"{k}{name}": character * 300 for k in range(10)})
            for name in names
        ),
    )
    fail_streams(console.store, *names, error=character * 3_000)
    (claim,) = claim_streams(console.store, "z")
    endpoint = Endpoint(character * 60, character * 60)
    effects = tuple(QueuedEffect(f"{n:036}", endpoint, "1") for n in range(200))
    console.store.complete([Completion(claim, effects=effects)], NOW)
    reject(console.store, *(name.encode() for name in names), reason=character * 3_000)
    for path in ("/events", "/streams", "/outbox", "/rejected"):
        assert len(console.get(f"{path}?limit=200").rows) > 100


def test_the_largest_event_is_below_a_mebibyte(console: PageConsole) -> None:
    traits = {f"t{n}": "'" * 1_900 for n in range(100)}
    ingest(console.store, VM, make_event("many", **traits), make_event("long", text="'" * 100_000))
    assert "more: see the event as JSON" in console.get("/events/many").text
    assert "cut, 100,000 characters" in console.get("/events/long").text


def assert_harmless(source: str, where: str) -> None:
    for forbidden in ("<script>", "<img", "\u202e", "\u200b", "\x1b", "\x07"):
        assert forbidden not in source, (where, forbidden)


@pytest.mark.parametrize(
    "path", ["/streams", "/events", "/rejected", "/outbox", "/streams/reset", "/outbox/retry"]
)
def test_wrong_filters_are_text(console: PageConsole, path: str) -> None:
    for name in ("trait", "event_type", "state", "source", "younger_than", "since", "cursor", "x"):
        response = console.client.get(f"{path}?{name}=%3Cscript%3E%22%27%E2%80%AE")
        assert response.status in (200, 400)
        assert "<script>" not in response.text


def test_an_unknown_id_is_text(console: PageConsole) -> None:
    for path in ("/events/", "/rejected/", "/outbox/", "/streams/"):
        response = console.client.get(f"{path}%3Cscript%3E%E2%80%AE%1b")
        assert response.status in (400, 404)
        assert_harmless(response.text, path)
