"""Page of a stream: each state and outcome, large and trimmed streams, and deleted ones."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from support.builders.events import (
    FAR,
    LEASE,
    NOON,
    VM,
    at,
    claim_all,
    ingest,
    make_event,
    make_trigger,
    only_stream,
    ready_to_fire,
)
from support.builders.hostile_texts import HUGE, MIXED, UNSAFE_CHARACTERS
from support.scenes.api_console import TRIGGER
from support.scenes.page_console import PageConsole
from winchester_core.console.pages.stream import BOUNDS
from winchester_core.model.effect import Endpoint, QueuedEffect
from winchester_core.model.json import dump_payload
from winchester_core.model.stream import Reason
from winchester_core.storage.effect_records import EffectRefused
from winchester_core.storage.records import Completion, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.probes.html_page import HtmlPage
    from winchester_core.config import Settings
    from winchester_core.model.stream import StreamRecord
    from winchester_core.triggers.definition import TriggerDefinition

ODD_NAME = "größe / 100% of <b>#?& \u202e"
SPECIAL = TRIGGER | {
    "name": "special",
    "match_criteria": [
        {"event_type": "special.*"},
        {"event_type": "more.*", "opens": False},
    ],
    "cancel_criteria": [{"event_type": "special.cancel"}],
    "fire_criteria": [
        {"event_type": "special.login", "number": 5, "within": "10m"},
        {"event_type": "special.login", "distinct": "address", "number": 4, "within": "1h"},
        {"event_type": "special.export", "sum": {"bytes": {"at_least": 1000.5}}},
    ],
    "lateness": "1h",
}
HOSTILE_NAME = MIXED[:120]
HOSTILE = TRIGGER | {
    "name": HOSTILE_NAME,
    "fire_criteria": [
        {"event_type": "vm.*", "traits": {f"{MIXED[:80]}{number}": {"numeric": "> 0"}}}
        for number in range(40)
    ],
}
SILENCED = TRIGGER | {"name": "silenced", "suppress": "1h"}


@pytest.fixture
def site(settings: Settings) -> Iterator[PageConsole]:
    """A console on an empty database, with further triggers."""
    triggers = [TRIGGER, SPECIAL, SILENCED, HOSTILE, TRIGGER | {"name": ODD_NAME}]
    made = PageConsole(replace(settings, trigger_definitions=triggers))
    with closing(made.site):
        yield made


def definition(site: PageConsole, name: str) -> TriggerDefinition:
    return site.site.definitions[name]


def page_of(site: PageConsole, **traits: Any) -> HtmlPage:
    """Return the page of the only stream with these distinguishing values."""
    return site.get(f"/streams/{only_stream(site.store, **traits).id}")


# --- states ---------------------------------------------------------------------------------------


def test_an_active_stream_says_what_is_missing(site: PageConsole) -> None:
    ingest(site.store, VM, make_event("m", "vm.update", host="h"))
    site.store.set_event_clock(at(60))
    page = page_of(site)
    assert "Its fire criterion is not met; it expires in 59m. Criterion 1 has 0 of 1" in page.text
    assert "1. event type 'vm.end'" in page.text
    assert "no event has a matching type" in page.text
    assert "Stream time follows the events" in page.text
    assert page.link("2024-05-17 12:00:00") == "/events/m"


def test_a_ready_stream_waits_for_a_worker(site: PageConsole) -> None:
    ready_to_fire(site.store, "a")
    site.store.set_event_clock(at(600))
    page = page_of(site)
    assert "it is due to fire, and has waited 10m for a worker" in page.text
    assert page.link("Show processes") == "/site"


def test_a_claimed_stream_names_its_worker_and_cannot_be_deleted(site: PageConsole) -> None:
    ready_to_fire(site.store, "a")
    claim_all(site.store, worker="worker <7>")
    page = page_of(site)
    assert "Attempt 1 runs on worker worker <7>" in page.text
    assert not page.has_link("Delete")


def test_a_failed_stream_shows_the_error_first_and_can_be_reset(site: PageConsole) -> None:
    ready_to_fire(site.store, "a")
    error = "Traceback (most recent call last):\n  ...\nValueError: refused"
    (claim,) = claim_all(site.store)
    site.store.fail(Failure(claim, error, timedelta(0), final=True), max_attempts=3)
    page = page_of(site)
    assert "It failed, after 1 attempt: ValueError: refused" in page.text
    assert page.text.index("It failed") < page.text.index("Traceback") < page.text.index("Timeline")
    assert "attempt failed, w1" in page.source
    stream = only_stream(site.store)
    assert site.submit(page, f"/streams/{stream.id}/reset").startswith(f"/streams/{stream.id}?")
    assert "The next attempt waits for a worker" in page_of(site).text


def test_a_stream_that_is_tried_again_says_when(site: PageConsole) -> None:
    ready_to_fire(site.store, "a")
    (claim,) = claim_all(site.store)
    site.store.fail(Failure(claim, "ValueError: x", timedelta(hours=1)), max_attempts=3)
    text = page_of(site).text
    assert "Attempt 1 failed: ValueError: x. The next attempt is in" in text


def test_a_fired_stream_with_a_dead_letter(site: PageConsole) -> None:
    ready_to_fire(site.store, "a")
    (claim,) = claim_all(site.store)
    endpoint = Endpoint("fire", "webhook")
    effect = QueuedEffect("1" * 36, endpoint, dump_payload({"a": 1}))
    site.store.complete([Completion(claim, effects=(effect,), purge=False)], FAR)
    assert "It has fired, due 2024-05-17 12:00:00" in page_of(site).text
    (sent,) = site.store.claim_effects(endpoint, worker="w", limit=1, lease=LEASE)
    site.store.apply_effect_results([EffectRefused(sent, "403 Forbidden")])
    page = page_of(site)
    assert "1 effect was not delivered" in page.text
    assert page.link("Show effects") == f"/outbox?stream={only_stream(site.store).id}"


def test_an_expired_stream_names_the_criteria(site: PageConsole) -> None:
    ingest(site.store, VM, make_event("m", "vm.update"))
    (claim,) = claim_all(site.store, Reason.EXPIRE)
    site.store.complete([Completion(claim, purge=False)], FAR)
    text = page_of(site).text
    assert "It expired, due 2024-05-17 13:00:00: its fire criterion is not met" in text


def test_windows_sums_and_different_values(site: PageConsole) -> None:
    special = definition(site, "special")
    logins = [
        make_event(f"l{n}", "special.login", 60 * n, address=f"10.0.0.{n % 3}") for n in range(4)
    ]
    exports = [
        make_event("e1", "special.export", 10, bytes=700.25),
        make_event("e2", "special.export", 20, bytes="many"),
    ]
    ingest(site.store, special, *logins, *exports)
    site.store.set_event_clock(at(240))
    page = page_of(site)
    for part in (
        "4 of 5 within 10m",
        "3 of 4 different values of address within 1h",
        "700.25 of 1,000.5 (sum of bytes)",
        "its bytes is not a number above 0, so it adds nothing",
        "another event with the same address counts instead",
    ):
        assert part in page.text
    assert "criterion 1: oldest event counts until" in page.source
    assert page.link("Show the event") == "/events/l0"


def test_a_cancelled_stream_with_events_that_wait(site: PageConsole) -> None:
    special = definition(site, "special")
    ingest(site.store, special, make_event("o", "special.login", 0, address="a"))
    cancel = make_event("c", "special.cancel", 30)
    ingest(site.store, special, cancel, now=at(60))
    site.store.set_event_clock(at(61))
    page = page_of(site)
    assert "An event cancelled it: it is due to be completed" in page.text
    assert "event c (special.cancel)" in page.text
    assert "mark-cancels" in page.source


def test_a_suppressed_stream_names_the_silence(site: PageConsole) -> None:
    silenced = definition(site, "silenced")
    ingest(site.store, silenced, make_event("first", "vm.end"))
    (claim,) = claim_all(site.store, now=at(1))
    site.store.complete([Completion(claim, purge=False)], at(1))
    ingest(site.store, silenced, make_event("second", "vm.end", 60), now=at(60))
    site.store.set_event_clock(at(90))
    newest = max(site.store.find_streams(), key=lambda each: each.id)
    page = site.get(f"/streams/{newest.id}")
    assert "It is suppressed: it is due to be completed" in page.text
    assert f"silence after stream {claim.stream_id}" in page.source
    assert page.link(f"Stream {claim.stream_id}") == f"/streams/{claim.stream_id}"


def test_a_trigger_that_is_not_configured(site: PageConsole) -> None:
    ingest(site.store, make_trigger("removed"), make_event("m"))
    page = page_of(site)
    assert "Configure the trigger removed again, or delete the stream" in page.text
    assert "The trigger is not configured, so its criteria are unknown." in page.text


# --- sizes ----------------------------------------------------------------------------------------


def fill_stream(site: PageConsole, number: int) -> StreamRecord:
    for begin in range(0, number, 1000):
        ingest(
            site.store,
            VM,
            *(make_event(f"m{n}", "vm.update", n) for n in range(begin, begin + 1000)),
        )
    return only_stream(site.store)


def test_a_large_stream_says_how_much_was_read(site: PageConsole) -> None:
    stream = fill_stream(site, BOUNDS.events + 1000)
    page = site.get(f"/streams/{stream.id}")
    assert "only its newest 2000 events were evaluated" in page.text
    assert "1,000 older events are not drawn" in page.text
    assert "50 of 3,000" in page.text
    assert "trimmed" not in page.text
    assert page.link("All events") == f"/streams/{stream.id}/events"


def test_trimmed_events_are_counted(site: PageConsole) -> None:
    ready_to_fire(site.store, "a")
    (claim,) = claim_all(site.store)
    site.store.complete([Completion(claim, purge=False)], FAR)
    stream = only_stream(site.store)
    stored_before = site.store.real_time() + timedelta(days=1)
    assert site.store.trim(FAR, stored_before, 100).removed == 1
    page = site.get(f"/streams/{stream.id}")
    assert "1, 1 of them trimmed" in page.text
    assert "1 of its 1 events has been trimmed and cannot count" in page.text


# --- streams that do not exist --------------------------------------------------------------------


def test_a_stream_that_was_deleted(site: PageConsole) -> None:
    ready_to_fire(site.store, "a", "b")
    first, second = sorted(each.id for each in site.store.find_streams())
    claims = {claim.stream_id: claim for claim in claim_all(site.store)}
    site.store.complete([Completion(claims[first], purge=True)], FAR)
    page = site.get(f"/streams/{first}", status=404)
    assert page.heading == f"Stream {first} does not exist"
    assert "it was completed and deleted (purge_completed_streams)" in page.text
    assert page.link_with("/events")
    assert "No stream with the id" in site.get(f"/streams/{second + 1}", status=404).text


def test_the_effects_of_a_deleted_stream_are_linked(site: PageConsole) -> None:
    ready_to_fire(site.store, "a")
    (claim,) = claim_all(site.store)
    effect = QueuedEffect("1" * 36, Endpoint("fire", "webhook"), dump_payload({"a": 1}))
    site.store.complete([Completion(claim, effects=(effect,), purge=True)], FAR)
    (stored,) = site.store.find_effects()
    page = site.get(f"/streams/{claim.stream_id}", status=404)
    assert page.link(str(stored.id)) == f"/outbox/{stored.id}"


@pytest.mark.parametrize("text", ["0", "-1", "abc", "1" * 20, "%C3%9F"])
def test_an_id_that_is_none(site: PageConsole, text: str) -> None:
    assert "is not an id" in site.get(f"/streams/{text}", status=400).text


# --- names from outside ---------------------------------------------------------------------------


def test_a_trigger_with_an_odd_name_is_linked(site: PageConsole) -> None:
    ingest(site.store, definition(site, ODD_NAME), make_event("m/1?#"))
    page = page_of(site)
    assert page.link_with("/triggers/") == f"/triggers/{quote(ODD_NAME, safe='')}"
    assert page.link_with("/events/") == "/events/m%2F1%3F%23"
    assert "\u202e" not in page.source
    assert "<b>" not in page.source


def assert_harmless(page: HtmlPage) -> None:
    """Assert that hostile texts are text, without unsafe characters."""
    assert not [each for each in UNSAFE_CHARACTERS if each in page.source]
    for part in ("<img", "<script>", "<svg/", 'onmouseover="'):
        assert part not in page.source


def test_hostile_texts_of_a_large_stream_are_text_of_bounded_size(site: PageConsole) -> None:
    trigger = definition(site, HOSTILE_NAME)
    values = {f"{MIXED[:80]}{number}": MIXED for number in range(30)}
    events = [
        make_event(
            f"{number}{MIXED}"[:200], f"vm.{MIXED}"[:250], number, **values, text=HUGE[:9000]
        )
        for number in range(1_000)
    ]
    for begin in range(0, len(events), 100):
        ingest(site.store, trigger, *events[begin : begin + 100])
    page = page_of(site)
    assert "1,000" in page.text
    assert_harmless(page)


def test_hostile_errors_and_workers_are_text(site: PageConsole) -> None:
    ready_to_fire(site.store, MIXED)
    for _ in range(3):
        (claim,) = claim_all(site.store, worker=MIXED)
        error = f"Traceback\n  {MIXED}\nValueError: {MIXED}{HUGE}"
        site.store.fail(Failure(claim, error, timedelta(0)), max_attempts=9)
    page = page_of(site)
    assert "Attempt 3 failed: ValueError: <img" in page.text
    assert_harmless(page)


def test_an_event_with_many_traits_shows_some(site: PageConsole) -> None:
    traits = {f"trait{number:03}": "x" * 1000 for number in range(300)}
    ingest(site.store, VM, *(make_event(f"m{n}", seconds=n, **traits) for n in range(60)))
    page = page_of(site)
    assert page.text.count("289 further") == 50
    assert len(page.source) < 300_000


def test_a_viewer_has_no_buttons(site: PageConsole, viewer: PageConsole) -> None:
    ready_to_fire(site.store, "a")
    page = page_of(viewer)
    assert not page.has_link("Delete")
    assert NOON.strftime("%Y-%m-%d %H:%M:%S") in page.text
