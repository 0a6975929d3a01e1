"""Actions on all objects of a filtered list: confirmation, result, and changes in between."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from support.builders.events import (
    at,
    claim_all,
    ingest,
    make_event,
    make_trigger,
    ready_to_fire,
)
from support.scenes.api_console import fail_streams, reject
from support.scenes.outbox_operations import make_dead_letter, queue_effects
from winchester_core.console import bulk_actions
from winchester_core.errors import DatabaseUnavailable
from winchester_core.model.effect import EffectState
from winchester_core.model.stream import StreamState
from winchester_core.storage.effect_records import EffectFilter
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.records import Failure

if TYPE_CHECKING:
    from support.probes.html_page import HtmlPage
    from support.scenes.page_console import PageConsole

FAILED = StreamFilter(states=(StreamState.ERROR,))


def result_of(console: PageConsole, page: HtmlPage, path: str) -> HtmlPage:
    """Submit a confirmation; return the page of the result."""
    return console.get(console.submit(page, path))


def test_a_reset_of_the_streams_in_error(console: PageConsole) -> None:
    versions = fail_streams(console.store, *(f"i{n:02}" for n in range(12)))
    ready_to_fire(console.store, "open")
    page = console.get("/streams/reset")
    assert page.heading == "Reset 12 streams?"
    assert "Streams in error" in page.text
    assert [int(row[0]) for row in page.rows[1:]] == [each.stream_id for each in versions[:10]]
    assert "the first 10 of 12" in page.text
    assert console.store.count_streams(FAILED) == 12
    result = result_of(console, page, "/streams/reset")
    assert result.heading == "12 streams reset"
    assert "Left none" in result.text
    assert console.store.count_streams(FAILED) == 0
    ((action, target, number),) = console.actions()
    assert (action, number) == ("stream.reset", 12)
    assert target == f"up_to_id={versions[-1].stream_id}"


def test_the_filters_are_shown_in_words_and_kept(console: PageConsole) -> None:
    fail_streams(console.store, "a", "b", error="disk <full>")
    console.store.set_event_clock(at(7200))
    query = "trait=instance%3Da&error=disk+%3Cfull%3E&last_event_older_than=1h&trigger=vm"
    page = console.get(f"/streams/reset?{query}")
    for words in (
        "with the trait instance=a",
        "with this text in the last error: disk <full>",
        "whose last event is before 2024-05-17 13:00:00",
        "of the trigger vm",
    ):
        assert words in page.text
    assert page.heading == "Reset 1 stream?"
    console.store.set_event_clock(at(0))
    result = result_of(console, page, "/streams/reset")
    assert "with the trait instance=a" in result.text
    assert console.store.count_streams(FAILED) == 1
    ((_, target, _),) = console.actions()
    assert "last_event_older_than=2024-05-17T13%3A00%3A00%2B00%3A00" in target


def test_a_discard_of_streams(console: PageConsole) -> None:
    fail_streams(console.store, "a", "b")
    result = result_of(console, console.get("/streams/discard"), "/streams/discard")
    assert result.heading == "2 streams discarded"
    assert console.store.count_streams() == 0


def test_a_discard_of_streams_of_unknown_triggers_includes_waiting_ones(
    console: PageConsole,
) -> None:
    unknown = make_trigger("removed")
    ingest(console.store, unknown, make_event("e1", "vm.end", instance="a"))
    ready_to_fire(console.store, "b")
    page = console.get("/streams/discard?unknown=true")
    assert "Streams in error or waiting for a worker of triggers that are not" in page.text
    assert page.heading == "Discard 1 stream?"
    result_of(console, page, "/streams/discard")
    assert [each.name for each in console.store.find_streams()] == ["vm"]


def test_an_interrupted_action_says_so(
    console: PageConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_actions, "BATCH_OBJECTS", 2)
    first, *_ = (each.stream_id for each in fail_streams(console.store, "a", "b", "c", "d"))
    page = console.get("/streams/reset")
    reset, calls = console.store.reset_streams, []

    def fail_later(versions: object, **options: object) -> object:
        calls.append(versions)
        if len(calls) > 1:
            raise DatabaseUnavailable("away")
        return reset(versions, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(console.store, "reset_streams", fail_later)
    result = result_of(console, page, "/streams/reset")
    assert "The action was interrupted" in result.text
    assert result.heading == "2 streams reset"
    monkeypatch.undo()
    rest = console.get(result.link("Continue…"))
    assert rest.heading == "Reset 2 streams?"
    assert f"only ids after {first + 1}" in rest.text


def test_streams_in_other_states_cannot_be_selected(console: PageConsole) -> None:
    page = console.get("/streams/reset?state=active", status=400)
    assert "allowed: error, expire_error" in page.text
    assert page.link("Back to the list") == "/streams"


def test_new_matches_are_not_changed(console: PageConsole) -> None:
    fail_streams(console.store, "a", "b")
    page = console.get("/streams/reset")
    fail_streams(console.store, "c")
    result = result_of(console, page, "/streams/reset")
    assert result.heading == "2 streams reset"
    assert console.store.count_streams(FAILED) == 1


def test_a_selection_that_has_grown_is_confirmed_again(console: PageConsole) -> None:
    first, _ = fail_streams(console.store, "a", "b")
    console.store.reset_stream(first.stream_id)
    page = console.get("/streams/reset")
    assert page.heading == "Reset 1 stream?"
    for claim in claim_all(console.store):
        failure = Failure(claim, "again", timedelta(0), final=True)
        console.store.fail(failure, max_attempts=5)
    response = console.send("/streams/reset", *page.form("/streams/reset").fields)
    assert response.status == 409
    assert "the selection has grown" in response.text
    assert console.actions() == []
    assert console.store.count_streams(FAILED) == 2
    again = console.get("/streams/reset")
    assert result_of(console, again, "/streams/reset").heading == "2 streams reset"


def test_a_stream_that_changes_meanwhile_is_not_changed(console: PageConsole) -> None:
    first, *_ = fail_streams(console.store, "a", "b")
    page = console.get("/streams/discard")
    console.store.reset_stream(first.stream_id)
    result = result_of(console, page, "/streams/discard")
    assert result.heading == "1 stream discarded"
    assert console.store.get_stream_by_id(first.stream_id).state is StreamState.RETRY_FIRE


def test_a_change_during_the_action_is_skipped(
    console: PageConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = fail_streams(console.store, "a", "b", "c")
    page = console.get("/streams/reset")
    reset = console.store.reset_streams

    def reset_late(versions: object, **options: object) -> object:
        console.store.purge_stream(first.stream_id)
        return reset(versions, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(console.store, "reset_streams", reset_late)
    result = result_of(console, page, "/streams/reset")
    assert "Reset 2 Skipped 1 changed meanwhile" in result.text
    assert console.actions()[0][2] == 2


def test_rejected_messages_are_retried(console: PageConsole) -> None:
    event = {"message_id": "m1", "event_type": "vm.start", "timestamp": "2024-05-17T12:00:00Z"}
    reject(console.store, json.dumps(event).encode(), b"{}", b"[")
    page = console.get("/rejected/retry")
    assert page.heading == "Retry 3 rejected messages?"
    result = result_of(console, page, "/rejected/retry")
    assert "Retried 1 Kept 2" in result.text
    assert console.store.has_event("m1")
    assert console.store.count_rejected() == 2


def test_rejected_messages_of_a_kind_are_discarded(console: PageConsole) -> None:
    reject(console.store, b"1", b"2")
    reject(console.store, b"3", kind="notification")
    listed = console.get("/rejected?kind=event&limit=1")
    page = console.get(listed.link("Discard all…"))
    assert "of the kind event" in page.text
    result = result_of(console, page, "/rejected/discard")
    assert result.heading == "2 rejected messages discarded"
    assert result.link("Back to the list") == "/rejected?kind=event"
    assert [each.kind for each in console.store.find_rejected()] == ["notification"]


def test_dead_letters_are_retried_and_pending_effects_are_not(console: PageConsole) -> None:
    make_dead_letter(console.store, "a")
    make_dead_letter(console.store, "b")
    queue_effects(console.store, c=[1])
    page = console.get(console.get("/outbox").link("Retry dead letters…"))
    assert "Dead letters" in page.text
    assert result_of(console, page, "/outbox/retry").heading == "2 effects retried"
    assert console.store.count_effects(EffectFilter(state=EffectState.PENDING)) == 3


def test_dead_letters_of_an_endpoint_are_discarded(console: PageConsole) -> None:
    make_dead_letter(console.store, "a")
    queue_effects(console.store, c=[1])
    other = console.get("/outbox/discard?state=dead&handler=other")
    assert "Nothing matches, so there is nothing to discard" in other.text
    page = console.get("/outbox/discard?state=dead&handler=mail")
    assert "in the state dead" in page.text
    assert result_of(console, page, "/outbox/discard").heading == "1 effect discarded"
    assert console.store.count_effects() == 1


def test_a_reload_of_the_result_repeats_nothing(console: PageConsole) -> None:
    fail_streams(console.store, "a")
    location = console.submit(console.get("/streams/reset"), "/streams/reset")
    assert console.get(location).text == console.get(location).text
    assert len(console.actions()) == 1


def test_more_than_one_action_may_change(
    console: PageConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_actions, "MAX_OBJECTS", 3)
    monkeypatch.setattr("winchester_core.console.pages.bulk.MAX_OBJECTS", 3)
    fail_streams(console.store, *(f"i{n}" for n in range(5)))
    page = console.get("/streams/reset")
    assert page.heading == "Reset 3+ streams?"
    result = result_of(console, page, "/streams/reset")
    assert result.heading == "3 streams reset"
    assert console.store.count_streams(FAILED) == 2
    rest = console.get(result.link("Continue…"))
    assert rest.heading == "Reset 2 streams?"
    result = result_of(console, rest, "/streams/reset")
    assert not result.has_link("Continue…")
    assert console.store.count_streams(FAILED) == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"confirmed": "1"},
        {"confirmed": "x", "up_to_id": "1"},
        {"confirmed": "1", "up_to_id": "9" * 25},
        {"confirmed": "-1", "up_to_id": "1"},
        {"confirmed": "1", "up_to_id": "1", "colour": "red"},
        {"confirmed": "1", "up_to_id": "1", "older_than": "soon"},
    ],
)
def test_a_wrong_form_changes_nothing(console: PageConsole, fields: dict[str, str]) -> None:
    fail_streams(console.store, "a")
    response = console.post("/streams/reset", *fields.items())
    assert response.status == 400
    assert "Back to the list" in response.text
    assert console.actions() == []


@pytest.mark.parametrize("query", ["changed=x", "changed=1&colour=red", "after_id=-1"])
def test_a_wrong_address_of_a_result(console: PageConsole, query: str) -> None:
    console.get(f"/streams/reset/result?{query}", status=400)


def test_a_number_that_is_given_twice_is_refused(console: PageConsole) -> None:
    fields = [("confirmed", "0"), ("confirmed", "10000"), ("up_to_id", "5")]
    response = console.post("/streams/reset", *fields)
    assert response.status == 400
    assert "confirmed is given more than once" in response.text
