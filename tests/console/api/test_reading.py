"""Responses of the operations that read match their schemas, which document every member."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from support.builders.events import VM, at, ingest, make_event
from support.builders.operations import make_report
from support.probes.asgi_client import AsgiClient
from support.scenes.api_console import PREFIX, ApiConsole, fail_streams, reject
from support.scenes.guarded_console import VIEWER
from support.scenes.outbox_operations import make_dead_letter, queue_effects
from winchester_core.console.api.catalogue import OPERATIONS
from winchester_core.console.api.schemas import SCHEMAS
from winchester_core.errors import ConcurrentChange, DatabaseUnavailable, QueryTimeout
from winchester_core.model.activity import ActivityCounts, ActivityKey, Subject

if TYPE_CHECKING:
    from winchester_core.console.api.operations import Operation

READING = [each for each in OPERATIONS if each.method == "GET"]


def closed(schema: Any) -> Any:
    """Return a schema that accepts only the listed members of objects."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(each) for key, each in schema.items()}
    if "properties" in found and isinstance(found["properties"], dict):
        found.setdefault("additionalProperties", False)
    return found


OPEN = ("Description", "Trigger", "Triggers")
"""Schemas of responses with further members."""


def check(name: str, document: Any) -> None:
    schemas = {
        each: schema if each in OPEN or name in OPEN else closed(schema)
        for each, schema in SCHEMAS.items()
    }
    whole = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    Draft202012Validator(whole, format_checker=FormatChecker()).validate(document)


def fill(console: ApiConsole) -> dict[str, Any]:
    """Store one object of each kind; return the variables of paths by collection."""
    store = console.store
    make_dead_letter(store, "d")
    queue_effects(store, a=[{"password": "hunter2", "n": 1}])
    fail_streams(store, "b")
    update = make_event("first/1?", "vm.update", 5_000, instance="c", at=at(7), n=2.5, ok=True)
    ingest(store, VM, update, now=at(5_000))
    reject(store, b'{"token": "s3cret", "big": 123456789012345678901234567890, "nan": NaN}')
    key = ActivityKey(Subject.TRIGGER, "vm")
    store.report_process(make_report(), {key: ActivityCounts(streams_opened=2)})
    stream = console.get("streams", trait="instance=b", state="error")["items"][0]
    message = store.find_rejected()[0].id
    console.post(f"rejected/{message}/raw")
    return {
        "streams": stream["id"],
        "events": "first%2F1%3F",
        "rejected": message,
        "outbox": store.find_effects()[0].id,
        "triggers": "vm",
    }


def path_of(operation: Operation, variables: dict[str, Any]) -> str:
    path = operation.path.removeprefix(f"{PREFIX}/")
    value = str(variables.get(path.partition("/")[0]))
    return path.replace("{id}", value).replace("{name}", value)


def test_each_operation_conforms_to_its_schema(console: ApiConsole) -> None:
    variables = fill(console)
    for operation in READING:
        path = path_of(operation, variables)
        found = console.get(path)
        check(operation.result, found)
        if "items" in found:
            assert found["items"], path
        head = console.send("HEAD", path)
        assert (head.status, head.body) == (200, b"")
        if operation.tag not in ("statistics", "triggers"):  # they contain an age
            assert int(head.header("content-length") or 0) > 0


def test_objects_are_whole_and_masked(console: ApiConsole) -> None:
    variables = fill(console)
    event = console.get("events/first%2F1%3F")
    assert event == {
        "message_id": "first/1?",
        "event_type": "vm.update",
        "timestamp": at(5_000).isoformat(),
        "instance": "c",
        "at": at(7).isoformat(),
        "n": 2.5,
        "ok": True,
        "@datetime_traits": "at",
    }
    explained = console.get("events/first%2F1%3F/explain")["triggers"][0]
    assert (explained["trigger"], explained["matches"]) == ("vm", True)
    rejected = console.get(f"rejected/{variables['rejected']}")
    assert rejected["body"] == {"token": "***", "big": 123456789012345678901234567890, "nan": None}
    (effect,) = console.get("outbox", state="pending")["items"]
    assert console.get("outbox", stream=effect["stream_id"])["items"] == [effect]
    payload = console.get(f"outbox/{effect['id']}")["payload"]
    assert payload == {"password": "***", "n": 1}
    stream = console.get(f"streams/{variables['streams']}")
    assert (stream["state"], stream["outcome"]) == ("error", "failed")
    history = console.get(f"streams/{variables['streams']}/history")
    assert [each["state"] for each in history["history"]] == ["firing", "error"]
    assert stream["last_error"] == history["last_error"] == "failed"
    trigger = console.get("triggers/vm")
    assert trigger["matches"] == ["event type 'vm.*'"]
    assert sum(trigger["streams"].values()) == len(console.get("streams")["items"])


def test_text_that_is_no_json_is_shown_to_operators_only(console: ApiConsole) -> None:
    (message,) = reject(console.store, b"password=hunter2 x")
    assert console.get(f"rejected/{message}")["body"] == "password=*** x"
    console.token = VIEWER
    assert console.get(f"rejected/{message}")["body"] is None


def test_long_texts_are_cut_in_lists_and_whole_by_id(console: ApiConsole) -> None:
    fail_streams(console.store, "a", error="x" * 9_000)
    reject(console.store, b"y" * 900_000, reason="z" * 9_000)
    (stream,) = console.get("streams")["items"]
    assert len(stream["last_error"]) < 2_200
    assert console.get(f"streams/{stream['id']}")["last_error"] == "x" * 9_000
    (message,) = console.get("rejected")["items"]
    assert len(message["reason"]) < 2_200
    assert message["body_length"] == 900_000
    assert console.get(f"rejected/{message['id']}")["body"] == "y" * 900_000


def test_lists_stay_below_one_mebibyte(console: ApiConsole) -> None:
    range(99)
    events = [
        make_event(
            f"e{number}", "vm.update", number, **{f"t{each}": "ü" * 200 for each in range(99)}
        )
        for number in range(60)
    ]
    ingest(console.store, VM, *events)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        response = console.send("GET", "events", limit=200, **cursor)
        assert len(response.body) < 1024 * 1024
        seen += [each["message_id"] for each in response.json["items"]]
        if response.json["next"] is None:
            break
        cursor = {"cursor": response.json["next"]}
    assert sorted(seen) == sorted(each["message_id"] for each in events)


@pytest.mark.parametrize(
    ("path", "query", "status", "message"),
    [
        ("streams", {"limit": "0"}, 400, "limit '0' is not a number from 1 to 200"),
        ("streams", {"limit": "201"}, 400, "limit '201'"),
        ("streams", {"state": "gone"}, 400, "state 'gone' is none of active, firing"),
        ("streams", {"trait": "instance"}, 400, "expected name=value"),
        ("streams", {"older_than": "yesterday"}, 400, "'yesterday' is neither a time"),
        ("streams", {"older_than": "1d"}, 400, "stream time is not known yet"),
        ("streams", {"order": ["newest", "oldest"]}, 400, "order is given 2 times"),
        ("streams", {"unknown": "yes"}, 400, "unknown 'yes' is not true"),
        ("streams", {"colour": "red"}, 400, "unknown parameter 'colour'; known: trigger, state"),
        ("streams", {"trigger": "x" * 2_001}, 400, "longer than 2000 characters"),
        ("streams", {"trigger": "a\0b"}, 400, "contains the character NUL"),
        ("events", {"by": "size"}, 400, "by 'size' is not timestamp"),
        ("outbox", {"stream": "-1"}, 400, "stream '-1' is not an id"),
        ("streams/seven", {}, 400, "stream 'seven' is not an id"),
        ("streams/9223372036854775808", {}, 400, "is not an id"),
        ("streams/7", {}, 404, "no stream has the id 7"),
        ("streams/7/events", {}, 404, "no stream has the id 7"),
        ("streams/7/explain", {}, 404, "no stream has the id 7"),
        ("streams/7/history", {}, 404, "no stream has the id 7"),
        ("events/nobody", {}, 404, "nobody"),
        ("events/%00", {}, 404, ""),
        ("events/%ff", {}, 404, "the path is not UTF-8"),
        ("triggers/nobody", {}, 404, "no trigger is named 'nobody'"),
        ("rejected/7", {}, 404, "no rejected message has the id 7"),
        ("outbox/7", {}, 404, "no effect in the outbox has the id 7"),
        ("stats", {"since": "soon"}, 400, "'soon' is neither a time"),
        ("nothing", {}, 404, "no such path"),
        ("streams/", {}, 404, "no such path"),
        ("streams/1/2/3", {}, 404, "no such path"),
    ],
)
def test_wrong_requests_are_problems(
    sqlite_console: ApiConsole, path: str, query: dict[str, Any], status: int, message: str
) -> None:
    assert message in sqlite_console.problem(status, "GET", path, **query)


def test_a_query_that_is_not_utf8_is_a_problem(sqlite_console: ApiConsole) -> None:
    response = sqlite_console.client.get(
        f"{PREFIX}/streams?trigger=%ff", [("authorization", f"Bearer {sqlite_console.token.token}")]
    )
    assert response.status == 400
    assert "not percent-encoded UTF-8" in json.loads(response.body)["detail"]


def test_other_methods_are_refused_with_the_allowed_ones(sqlite_console: ApiConsole) -> None:
    response = sqlite_console.send("DELETE", "streams/1")
    assert (response.status, response.header("allow")) == (405, "GET, HEAD")
    response = sqlite_console.send("GET", "streams/1/reset")
    assert (response.status, response.header("allow")) == (405, "POST")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_needs_a_valid_token(
    sqlite_console: ApiConsole, operation: Operation
) -> None:
    path = operation.path.replace("{id}", "1").replace("{name}", "vm")
    client = sqlite_console.client
    assert client.request(operation.method, path).status == 401
    for text in ("Bearer", "Bearer ", f"Bearer {sqlite_console.token.token}x"):
        response = AsgiClient(client.app, address=None).request(
            operation.method, path, [("authorization", text)]
        )
        assert response.status in (401, 429)
        assert response.header("content-type") == "application/problem+json"


def test_the_activity_of_a_long_time_has_few_values(console: ApiConsole) -> None:
    fill(console)
    for since in ("1h", "1d", "7d", "1y", "1000-01-01", "1969-01-01", "9999-01-01"):
        found = console.get("stats", since=since)
        check("Stats", found)
        assert found["omitted"] == 0
        assert found["items"] or since == "9999-01-01"


def test_triggers_are_listed_after_one(sqlite_console: ApiConsole) -> None:
    assert [each["name"] for each in sqlite_console.get("triggers")["items"]] == ["vm"]
    assert sqlite_console.get("triggers", after="vm")["items"] == []
    assert "'x'" in sqlite_console.problem(404, "GET", "triggers", after="x")


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (DatabaseUnavailable("no route"), "the database is unavailable: no route"),
        (QueryTimeout("5 s"), "the query took too long; more filters may help: 5 s"),
        (ConcurrentChange("conflict"), "others are changing the same objects: conflict"),
    ],
)
def test_failures_of_the_database_are_status_503(
    sqlite_console: ApiConsole, monkeypatch: pytest.MonkeyPatch, error: Exception, detail: str
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(sqlite_console.store, "get_stream_by_id", fail)
    response = sqlite_console.send("GET", "streams/1")
    assert (response.status, response.header("retry-after")) == (503, "2")
    assert response.json["detail"] == detail


def test_an_unexpected_error_is_logged_and_not_described(
    sqlite_console: ApiConsole, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sqlite_console.store, "get_stream_by_id", None)
    detail = sqlite_console.problem(500, "GET", "streams/1")
    assert detail == "unexpected error; the log has its traceback"
    assert "TypeError" in caplog.text


def test_filters_select_as_the_commands_do(console: ApiConsole) -> None:
    store = console.store
    fail_streams(store, "a", "b", error="disk is full")
    late = make_event("late", "vm.update", 9_000, instance="c", size=3)
    ingest(store, VM, late, now=at(9_000))
    store.advance_event_clock(at(10_000))

    def found(**query: Any) -> list[str]:
        items = console.get("streams", order="oldest", **query)["items"]
        return [each["distinguished_by"]["instance"] for each in items]

    assert found() == ["a", "b", "c"]
    assert found(trigger="vm") == ["a", "b", "c"]
    assert found(trigger="other") == []
    assert found(state=["error", "active"]) == ["a", "b", "c"]
    assert found(state="active") == ["c"]
    assert found(outcome="failed") == ["a", "b"]
    assert found(trait="instance=b") == ["b"]
    assert found(older_than="1h") == ["a", "b"]
    assert found(younger_than="1h") == ["c"]
    assert found(last_event_younger_than=at(9_000).isoformat()) == ["c"]
    assert found(event_type="vm.up*") == ["c"]
    assert found(error="is full") == ["a", "b"]
    assert found(message_id="late") == ["c"]
    assert found(trial="true") == []
    assert found(unknown="true") == []

    def events(**query: Any) -> list[str]:
        return [each["message_id"] for each in console.get("events", **query)["items"]]

    assert events(event_type="vm.update") == ["late"]
    assert events(trait="size=3") == ["late"]
    assert events(trait="size=3.0") == []
    assert events(since="30m") == ["late"]
    assert events(until="30m", order="oldest", by="timestamp") == ["a/1", "b/1"]


def test_a_stream_lists_its_events_in_pages(console: ApiConsole) -> None:
    events = [make_event(f"e{number}", seconds=100 - number) for number in range(5)]
    ingest(console.store, VM, *events)
    (stream,) = console.store.find_streams()
    path = f"streams/{stream.id}/events"
    first = console.get(path, limit=2, order="oldest")
    assert [each["message_id"] for each in first["items"]] == ["e4", "e3"]
    second = console.get(path, limit=2, order="oldest", cursor=first["next"])
    assert [each["message_id"] for each in second["items"]] == ["e2", "e1"]
    back = console.get(path, limit=2, order="oldest", cursor=second["previous"])
    assert back["items"] == first["items"]
    assert "other filters" in console.problem(400, "GET", path, cursor=first["next"])
    assert timedelta(0) < stream.last_event - stream.first_event
