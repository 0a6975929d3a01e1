"""Actions on single objects: outcomes, refusals, and their records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.builders.events import claim_all, ready_to_fire
from support.scenes.api_console import PREFIX, ApiConsole, fail_streams, reject
from support.scenes.guarded_console import VIEWER, bearer
from support.scenes.outbox_operations import claim_effects, make_dead_letter, queue_effects
from winchester_core.console.actions import SINGLE_ACTIONS
from winchester_core.console.api.catalogue import OPERATIONS
from winchester_core.model.stream import StreamState
from winchester_core.telemetry.debug_counts import DebugGroup

if TYPE_CHECKING:
    from typing import Any

NEW_EVENT = b'{"message_id": "m1", "event_type": "vm.x", "timestamp": "2026-03-02T09:00:00Z"}'
NAME = "anna"


def test_a_stream_in_error_is_reset_and_its_history_names_the_operator(
    console: ApiConsole,
) -> None:
    (version,) = fail_streams(console.store, "a")
    found = console.post(f"streams/{version.stream_id}/reset", {})
    assert found == {"id": version.stream_id, "outcome": "retry_fire", "reason": None}
    stream = console.store.get_stream_by_id(version.stream_id)
    assert stream.state is StreamState.RETRY_FIRE
    assert stream.history[-1].worker == NAME
    assert console.actions() == [(NAME, "stream.reset", str(version.stream_id), 1)]
    detail = console.problem(409, "POST", f"streams/{version.stream_id}/reset")
    assert "only a stream in error can be reset" in detail
    assert len(console.actions()) == 1


def test_a_stream_is_discarded_only_in_error_and_purged_unless_claimed(
    console: ApiConsole,
) -> None:
    (version,) = fail_streams(console.store, "a")
    found = console.post(f"streams/{version.stream_id}/discard")
    assert found["outcome"] == "discarded"
    ready_to_fire(console.store, "b", "c")
    (claim,) = claim_all(console.store, limit=1)
    assert "claimed" in console.problem(409, "POST", f"streams/{claim.stream_id}/purge")
    (waiting,) = (each for each in console.store.find_streams() if each.id != claim.stream_id)
    detail = console.problem(409, "POST", f"streams/{waiting.id}/discard")
    assert "only a stream in error can be discarded" in detail
    assert console.post(f"streams/{waiting.id}/purge")["outcome"] == "purged"
    assert console.actions() == [
        (NAME, "stream.discard", str(version.stream_id), 1),
        (NAME, "stream.purge", str(waiting.id), 1),
    ]


def test_a_rejected_message_is_ingested_again(console: ApiConsole) -> None:
    (message,) = reject(console.store, NEW_EVENT)
    found = console.post(f"rejected/{message}/retry")
    assert found == {"id": message, "outcome": "stored", "reason": None}
    assert console.store.has_event("m1")
    assert console.store.find_rejected() == []
    (again,) = reject(console.store, NEW_EVENT)
    assert console.post(f"rejected/{again}/retry")["outcome"] == "duplicate"
    assert console.actions() == [
        (NAME, "rejected.retry", str(message), 1),
        (NAME, "rejected.retry", str(again), 1),
    ]


def test_a_message_that_is_still_invalid_is_kept_with_its_new_reason(console: ApiConsole) -> None:
    (message,) = reject(console.store, b"{}", reason="old")
    for _ in range(2):  # the second retry finds the same reason
        found = console.post(f"rejected/{message}/retry")
        assert (found["outcome"], found["reason"]) == ("invalid", "message_id: is missing")
    assert console.store.get_rejected(message).reason == "message_id: is missing"
    assert [each[3] for each in console.actions()] == [1, 0]


def test_a_rejected_message_is_discarded(console: ApiConsole) -> None:
    (message,) = reject(console.store, b"x")
    assert console.post(f"rejected/{message}/discard")["outcome"] == "discarded"
    assert console.store.find_rejected() == []
    assert console.actions() == [(NAME, "rejected.discard", str(message), 1)]


def test_an_effect_is_retried_and_discarded_unless_it_is_being_delivered(
    console: ApiConsole,
) -> None:
    dead = make_dead_letter(console.store, "a")
    assert console.post(f"outbox/{dead}/retry")["outcome"] == "due"
    queue_effects(console.store, b=["first", "second"])
    second = console.store.find_effects()[-1].id
    found = console.post(f"outbox/{second}/retry")
    assert found["outcome"] == "waiting"
    assert "is delivered first" in found["reason"]
    assert console.post(f"outbox/{second}/discard")["outcome"] == "discarded"
    claims = claim_effects(console.store)
    for verb in ("retry", "discard"):
        detail = console.problem(409, "POST", f"outbox/{claims[0].id}/{verb}")
        assert "being delivered by the worker w1" in detail
    assert console.actions() == [
        (NAME, "outbox.retry", str(dead), 1),
        (NAME, "outbox.retry", str(second), 1),
        (NAME, "outbox.discard", str(second), 1),
    ]


def test_showing_secrets_is_an_action(console: ApiConsole) -> None:
    (message,) = reject(console.store, b'{"password": "hunter2"}')
    queue_effects(console.store, a=[{"token": "s3cret"}])
    (effect,) = console.store.find_effects()
    assert console.post(f"rejected/{message}/raw") == {
        "id": message,
        "body": '{"password": "hunter2"}',
    }
    assert "s3cret" in console.post(f"outbox/{effect.id}/raw")["payload"]
    assert console.actions() == [
        (NAME, "rejected.raw", str(message), 1),
        (NAME, "outbox.raw", str(effect.id), 1),
    ]


def test_unknown_objects_are_not_found_and_not_recorded(console: ApiConsole) -> None:
    for operation in OPERATIONS:
        if operation.method == "POST" and "{id}" in operation.path:
            path = operation.path.removeprefix(f"{PREFIX}/").replace("{id}", "77")
            assert "77" in console.problem(404, "POST", path, {})
    assert console.actions() == []


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.method == "POST"])
def test_a_viewer_may_not_act(sqlite_console: ApiConsole, operation: Any) -> None:
    sqlite_console.token = VIEWER
    path = operation.path.removeprefix(f"{PREFIX}/").replace("{id}", "1")
    assert "only an operator may act" in sqlite_console.problem(403, "POST", path, {})


def test_debug_counts_are_reset(console: ApiConsole) -> None:
    console.store.add_debug_counts({"größe/a": DebugGroup(matched=3)})
    path = "triggers/gr%C3%B6%C3%9Fe%2Fa/reset-debug"
    assert console.post(path, {}) == {"name": "größe/a", "outcome": "reset"}
    assert console.store.debug_counts() == {}
    assert console.actions() == [(NAME, "trigger.reset", "größe/a", 1)]
    assert "no debug counts" in console.problem(404, "POST", path)
    assert len(console.actions()) == 1


def test_every_single_action_has_an_operation() -> None:
    paths = {each.path for each in OPERATIONS if each.method == "POST"}
    for name in SINGLE_ACTIONS:
        kind, verb = name.split(".")
        collection = "streams" if kind == "stream" else kind
        assert f"{PREFIX}/{collection}/{{id}}/{verb}" in paths


@pytest.mark.parametrize(
    ("content_type", "body", "status", "message"),
    [
        ("application/json", b"{", 400, "the body is not JSON"),
        ("application/json", b"[]", 400, "the body must be a JSON object"),
        ("application/json", b'{"force": true}', 400, "unknown member 'force'"),
        ("application/json; charset=utf-8", b"{}", 404, "no stream has the id 1"),
        ("application/json", b"", 404, "no stream has the id 1"),
        ("text/plain", b"{}", 415, "must be application/json, not text/plain"),
        ("", b"{}", 415, "without a Content-Type"),
        ("application/x-www-form-urlencoded", b"a=1", 415, "must be application/json"),
    ],
)
def test_bodies_are_checked(
    sqlite_console: ApiConsole, content_type: str, body: bytes, status: int, message: str
) -> None:
    headers = bearer(sqlite_console.token)
    if content_type:
        headers.append(("content-type", content_type))
    response = sqlite_console.client.post(f"{PREFIX}/streams/1/reset", headers, body)
    assert response.status == status
    assert message in json.loads(response.body)["detail"]
