"""Actions on all objects that match a filter: confirmation, bounds, concurrent changes, records."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import claim_all, ingest, make_event, make_trigger, ready_to_fire
from support.scenes.api_console import ApiConsole, fail_streams, reject
from support.scenes.outbox_operations import make_dead_letter, queue_effects
from winchester_core.console import bulk_actions, bulk_kinds
from winchester_core.errors import ConcurrentChange

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.storage.records import StreamVersion

NAME = "anna"


def counted(console: ApiConsole, path: str, **filters: Any) -> dict[str, Any]:
    """Return the request that confirms the present matches."""
    found = console.post(path, {"filter": filters, "dry_run": True})
    assert (found["done"], found["outcomes"], found["left"]) == (0, {}, False)
    return {"filter": filters, "up_to_id": found["up_to_id"], "confirmed": found["matched"]}


def states(console: ApiConsole) -> list[str]:
    return [each.state.value for each in console.store.find_streams(limit=9_999)]


def test_a_confirmed_filter_is_reset(console: ApiConsole) -> None:
    versions = fail_streams(console.store, "a", "b", "c", error="disk is full")
    ready_to_fire(console.store, "other")
    request = counted(console, "streams/reset", error="is full", trigger="vm")
    last = versions[-1].stream_id
    assert (request["up_to_id"], request["confirmed"]) == (last, 3)
    assert states(console) == ["error", "error", "error", "active"]
    assert console.actions() == []
    assert console.post("streams/reset", request) == {
        "dry_run": False,
        "matched": 3,
        "done": 3,
        "skipped": 0,
        "outcomes": {"retry_fire": 3},
        "up_to_id": last,
        "left": False,
        "after_id": None,
        "interruption": None,
    }
    assert states(console) == ["retry_fire", "retry_fire", "retry_fire", "active"]
    target = f"error=is+full&trigger=vm&up_to_id={last}"
    assert console.actions() == [(NAME, "stream.reset", target, 3)]
    again = console.post("streams/reset", request)
    assert (again["matched"], again["done"]) == (0, 0)
    assert len(console.actions()) == 1


def test_more_matches_than_were_confirmed_are_refused(console: ApiConsole) -> None:
    versions = fail_streams(console.store, "a", "b")
    first, second = (each.stream_id for each in versions)
    request = {"up_to_id": second, "confirmed": 1}
    detail = console.problem(409, "POST", "streams/reset", request)
    assert f"more than the 1 confirmed streams match up to id {second}" in detail
    assert states(console) == ["error", "error"]
    found = console.post("streams/reset", {"up_to_id": first, "confirmed": 1})
    assert found["done"] == 1
    assert states(console) == ["retry_fire", "error"]


def test_objects_that_were_stored_later_are_not_changed(console: ApiConsole) -> None:
    fail_streams(console.store, "a")
    request = counted(console, "streams/discard")
    fail_streams(console.store, "b", "c")
    found = console.post("streams/discard", request)
    assert (found["done"], found["left"]) == (1, False)
    assert states(console) == ["error", "error"]


def test_streams_that_change_between_search_and_change_are_skipped(
    console: ApiConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = fail_streams(console.store, "a", "b")
    reset = console.store.reset_streams

    def reset_later(versions: Sequence[StreamVersion], **options: Any) -> Any:
        console.store.purge_stream(first.stream_id)
        reset([second])
        for claim in claim_all(console.store):
            console.store.release([claim])
        return reset(versions, **options)

    monkeypatch.setattr(console.store, "reset_streams", reset_later)
    found = console.post("streams/reset", {"up_to_id": second.stream_id, "confirmed": 2})
    assert (found["done"], found["skipped"], found["outcomes"]) == (0, 2, {"skipped": 2})
    assert console.actions() == []


@pytest.mark.parametrize("verb", ["reset", "discard"])
def test_two_operators_change_each_stream_once(
    console: ApiConsole, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(bulk_actions, "BATCH_OBJECTS", 7)
    ids = [each.stream_id for each in fail_streams(console.store, *map(str, range(40)))]
    request = {"up_to_id": ids[-1], "confirmed": 40}
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(console.post, f"streams/{verb}", request) for _ in range(3)]
        results = [each.result() for each in futures]
    assert sum(each["done"] for each in results) == 40
    assert sum(each[3] for each in console.actions()) == 40
    assert all(each["done"] + each["skipped"] == each["matched"] for each in results)


def test_a_request_is_bounded_and_continues(
    console: ApiConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_actions, "MAX_OBJECTS", 4)
    monkeypatch.setattr(bulk_actions, "BATCH_OBJECTS", 2)
    ids = [each.stream_id for each in fail_streams(console.store, *"abcdefg")]
    dry = console.post("streams/discard", {"dry_run": True})
    assert (dry["matched"], dry["up_to_id"], dry["left"]) == (4, ids[3], True)
    request = {"up_to_id": ids[-1], "confirmed": 4}
    found = console.post("streams/discard", request)
    assert (found["matched"], found["done"], found["left"]) == (4, 4, True)
    assert found["after_id"] == ids[3]
    assert [each[3] for each in console.actions()] == [2, 2]
    rest = console.post("streams/discard", {**request, "after_id": found["after_id"]})
    assert (rest["done"], rest["left"]) == (3, False)
    assert states(console) == []


def test_large_streams_are_deleted_in_smaller_transactions(
    sqlite_console: ApiConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_actions, "BATCH_ROWS", 5)  # a stream here has one event
    ids = [each.stream_id for each in fail_streams(sqlite_console.store, *"abcde")]
    found = sqlite_console.post("streams/discard", {"up_to_id": ids[-1], "confirmed": 5})
    assert found["done"] == 5
    assert [each[3] for each in sqlite_console.actions()] == [2, 2, 1]


def test_a_request_ends_early_after_its_time_or_an_error(
    console: ApiConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_actions, "BATCH_OBJECTS", 2)
    ids = [each.stream_id for each in fail_streams(console.store, *"abcde")]
    request = {"up_to_id": ids[-1], "confirmed": 5}
    with monkeypatch.context() as slow:
        slow.setattr(bulk_actions, "MAX_SECONDS", -1.0)
        found = console.post("streams/reset", request)
    assert (found["done"], found["left"], found["interruption"]) == (2, True, None)
    assert ids[1] <= found["after_id"] < ids[2]
    reset, calls = console.store.reset_streams, []

    def fail_second(*args: Any, **options: Any) -> Any:
        calls.append(args)
        if len(calls) == 2:
            raise ConcurrentChange("conflict")
        return reset(*args, **options)

    monkeypatch.setattr(console.store, "reset_streams", fail_second)
    found = console.post("streams/reset", {**request, "after_id": found["after_id"]})
    assert (found["done"], found["left"], found["interruption"]) == (2, True, "conflict")
    calls[:] = [()]
    assert "conflict" in console.problem(503, "POST", "streams/reset", request)


def test_streams_of_unknown_triggers_are_discarded_while_they_wait(console: ApiConsole) -> None:
    ingest(console.store, make_trigger("gone"), make_event("e1"))
    fail_streams(console.store, "b")
    request = counted(console, "streams/discard", unknown="true")
    assert request["confirmed"] == 1
    assert console.post("streams/discard", request)["done"] == 1
    assert [each.name for each in console.store.find_streams()] == ["vm"]


def test_only_streams_in_error_are_selected(console: ApiConsole) -> None:
    ready_to_fire(console.store, "a")
    assert counted(console, "streams/reset")["confirmed"] == 0
    body = {"filter": {"state": ["active"]}, "dry_run": True}
    for verb in ("reset", "discard"):
        detail = console.problem(400, "POST", f"streams/{verb}", body)
        assert "allowed: error, expire_error" in detail


def test_rejected_messages_are_retried_and_discarded(console: ApiConsole) -> None:
    valid = [
        b'{"message_id": "m%d", "event_type": "vm.x", "timestamp": "2026-03-02T09:00:00Z"}' % each
        for each in range(3)
    ]
    ids = reject(console.store, *valid, b"{}", b"{]")
    request = counted(console, "rejected/retry", source="queue")
    assert (request["up_to_id"], request["confirmed"]) == (ids[-1], 5)
    found = console.post("rejected/retry", request)
    assert found["outcomes"] == {"stored": 3, "invalid": 2}
    assert (found["done"], found["skipped"]) == (3, 2)
    assert [each.id for each in console.store.find_rejected()] == ids[3:]
    assert console.store.get_rejected(ids[3]).reason == "message_id: is missing"
    request = counted(console, "rejected/discard")
    assert console.post("rejected/discard", request)["done"] == 2
    assert console.store.find_rejected() == []
    assert [each[1::2] for each in console.actions()] == [
        ("rejected.retry", 3),
        ("rejected.discard", 2),
    ]


def test_messages_are_ingested_in_batches_that_fit_in_memory(
    sqlite_console: ApiConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_kinds, "BATCH_BYTES", 100)
    event = '{"message_id": "m%d", "event_type": "vm.x", "timestamp": "2026-03-02T09:00:00Z"}'
    ids = reject(sqlite_console.store, *((event % each).encode() for each in range(3)))
    found = sqlite_console.post("rejected/retry", {"up_to_id": ids[-1], "confirmed": 3})
    assert found["outcomes"] == {"stored": 3}
    assert [each[3] for each in sqlite_console.actions()] == [1, 1, 1]


def test_dead_letters_are_retried_and_effects_of_a_state_discarded(console: ApiConsole) -> None:
    dead = make_dead_letter(console.store, "a")
    queue_effects(console.store, b=["first", "second"])
    request = counted(console, "outbox/retry", handler="mail")
    assert (request["up_to_id"], request["confirmed"]) == (dead, 1)
    assert console.post("outbox/retry", request)["outcomes"] == {"retried": 1}
    assert {each.state.value for each in console.store.find_effects()} == {"pending"}
    assert counted(console, "outbox/discard")["confirmed"] == 0
    stream = console.store.find_effects()[-1].stream_id
    request = counted(console, "outbox/discard", state="pending", stream=stream)
    assert console.post("outbox/discard", request)["outcomes"] == {"discarded": 2}
    assert [each.id for each in console.store.find_effects()] == [dead]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "up_to_id is missing; dry_run returns its value"),
        ({"up_to_id": 1}, "confirmed is missing"),
        ({"up_to_id": -1, "confirmed": 1}, "up_to_id must be an integer from 0 to"),
        ({"up_to_id": True, "confirmed": 1}, "up_to_id must be an integer"),
        ({"up_to_id": 1, "confirmed": 10_001}, "confirmed must be an integer from 0 to 10000"),
        ({"up_to_id": 1, "confirmed": None}, "confirmed must be an integer"),
        ({"dry_run": "yes"}, "dry_run must be true or false"),
        ({"dry_run": True, "limit": 3}, "unknown member 'limit'"),
        ({"dry_run": True, "filter": []}, "filter must be an object"),
        ({"dry_run": True, "filter": {"colour": "red"}}, "filter: unknown parameter 'colour'"),
        ({"dry_run": True, "filter": {"trigger": 1}}, "trigger must be a text, not empty"),
        ({"dry_run": True, "filter": {"trigger": ""}}, "trigger must be a text, not empty"),
        ({"dry_run": True, "filter": {"state": "error"}}, "state must be an array of texts"),
        ({"dry_run": True, "filter": {"trait": ["a"]}}, "expected name=value"),
        ({"dry_run": True, "filter": {"older_than": "x"}}, "'x' is neither a time"),
        (
            {"dry_run": True, "filter": {"trait": [f"t{n}=1" for n in range(101)]}},
            "101 parameters are given; at most 100 are allowed",
        ),
    ],
)
def test_wrong_requests_are_problems(
    sqlite_console: ApiConsole, body: dict[str, Any], message: str
) -> None:
    assert message in sqlite_console.problem(400, "POST", "streams/reset", body)


def test_ids_in_filters_are_numbers(sqlite_console: ApiConsole) -> None:
    body = {"dry_run": True, "filter": {"stream": "1"}}
    detail = sqlite_console.problem(400, "POST", "outbox/retry", body)
    assert "stream must be an integer" in detail
