"""Actions on one stream from its page, and who may act."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.builders.events import claim_all, ready_to_fire
from support.scenes.api_console import fail_streams, reject
from support.scenes.outbox_operations import make_dead_letter
from winchester_core.console.pages.bulk import bulk_routes
from winchester_core.console.pages.single_actions import SINGLE_ACTIONS
from winchester_core.model.stream import StreamState

if TYPE_CHECKING:
    from support.scenes.page_console import PageConsole
    from winchester_core.console.pages.single_actions import SingleAction

CHANGING = [
    *(f"{each.kind.path}/1/{each.verb}" for each in SINGLE_ACTIONS),
    *("/rejected/1/raw", "/outbox/1/raw"),
    *(route.path for route in bulk_routes() if "POST" in (route.methods or ())),
]


def failed_stream(console: PageConsole) -> int:
    (version,) = fail_streams(console.store, "a")
    return version.stream_id


def test_a_reset_redirects_to_the_stream(console: PageConsole) -> None:
    stream = failed_stream(console)
    location = console.location(console.post(f"/streams/{stream}/reset"))
    assert location == f"/streams/{stream}?done=reset"
    found = console.store.get_stream_by_id(stream)
    assert found.state is StreamState.RETRY_FIRE
    assert found.history[-1].worker == "(local user)"
    assert console.actions() == [("stream.reset", f"{stream}", 1)]


@pytest.mark.parametrize(("verb", "done"), [("discard", "discarded"), ("purge", "purged")])
def test_a_deletion_is_confirmed_first(console: PageConsole, verb: str, done: str) -> None:
    stream = failed_stream(console)
    path = f"/streams/{stream}/{verb}"
    confirm = console.get(path)
    assert confirm.heading == f"{verb.capitalize()} stream {stream}?"
    assert "The events are kept" in confirm.text
    assert confirm.link("Cancel") == f"/streams/{stream}"
    assert console.store.count_streams() == 1
    assert console.submit(confirm, path) == f"/streams?done={done}"
    assert console.store.count_streams() == 0
    assert console.store.count_events() == 1
    assert console.actions() == [(f"stream.{verb}", f"{stream}", 1)]


def test_a_purge_of_an_open_stream(console: PageConsole) -> None:
    ready_to_fire(console.store, "a")
    (stream,) = console.store.find_streams()
    assert console.post(f"/streams/{stream.id}/purge").status == 303
    assert console.store.count_streams() == 0


def test_a_forbidden_action_says_why_and_leads_back(console: PageConsole) -> None:
    ready_to_fire(console.store, "a")
    (claim,) = claim_all(console.store)
    for verb in ("reset", "discard", "purge"):
        response = console.post(f"/streams/{claim.stream_id}/{verb}")
        assert response.status == 409, verb
        assert f"Back to stream {claim.stream_id}" in response.text
        assert "a stream that is firing cannot be " in response.text
    assert console.actions() == []


@pytest.mark.parametrize("action", SINGLE_ACTIONS, ids=lambda each: each.name)
def test_an_unknown_object(console: PageConsole, action: SingleAction) -> None:
    path = f"{action.kind.path}/404/{action.verb}"
    response = console.post(path)
    assert response.status == 404
    assert f'href="{action.kind.path}">Go to ' in response.text
    assert console.client.get(path).status == (404 if action.question else 405)
    assert console.post(path.replace("404", "none")).status == 400


@pytest.mark.parametrize("path", CHANGING)
def test_viewers_and_read_only_consoles_change_nothing(
    viewer: PageConsole, read_only: PageConsole, path: str
) -> None:
    for console in (viewer, read_only):
        response = console.post(path)
        assert response.status == 403
        assert "only an operator may act" in response.text or "read-only" in response.text
        assert console.client.get(path).status in (403, 405)
        assert console.actions() == []


@pytest.mark.parametrize("path", CHANGING)
def test_a_change_needs_the_csrf_token(console: PageConsole, path: str) -> None:
    assert console.send(path).status == 403
    assert console.send(path, ("csrf_token", "0" * 64)).status == 403


def test_viewers_see_no_buttons(console: PageConsole, viewer: PageConsole) -> None:
    (message,) = reject(console.store, b"{}")
    letter = make_dead_letter(console.store)
    paths = ("/rejected", f"/rejected/{message}", "/outbox", f"/outbox/{letter}")
    for path in paths:
        page = console.get(path)
        seen = viewer.get(path)
        for text in ("Retry", "Discard"):
            assert text in page.text, path
            assert text not in seen.text, path
        assert [form.action for form in seen.forms if form.method == "post"] == ["/logout"]
