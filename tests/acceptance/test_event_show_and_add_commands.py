"""`winchester event show|add`: showing and adding one event."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.sites import task_events
from winchester_core.storage.filters import EventFilter, StreamFilter

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site

BEGIN = ("event", "add", "-f", "json", "--event-type", "task.begin")
AT_TEN = ("--timestamp", "2015-01-20T10:00:00Z")


def _only_event(site: Site) -> dict[str, Any]:
    with site.store() as store:
        (event,) = store.find_events(EventFilter())
    return event


def test_an_event_is_stored_typed_and_joins_its_streams(
    winchester: Winchester, ready_site: Site
) -> None:
    traits = ("host=a", "n=5", "x=5.0", "yes=true", "at=2015-01-20T17:00:00+01:00", 't="5"')
    options = [word for trait in traits for word in ("--trait", trait)]
    ended = winchester(ready_site, *BEGIN, *AT_TEN, "--message-id", "e1", *options)
    with ready_site.store() as store:
        (stream,) = store.find_streams(StreamFilter(message_id="e1"))
    assert ended.status == 0
    assert json.loads(ended.out) == {
        "message_id": "e1",
        "outcome": "stored",
        "reason": None,
        "streams": [{"id": stream.id, "name": "pair", "state": "active"}],
    }
    event = _only_event(ready_site)
    assert event == {
        "message_id": "e1",
        "event_type": "task.begin",
        "timestamp": datetime(2015, 1, 20, 10, tzinfo=UTC),
        "host": "a",
        "n": 5,
        "x": 5.0,
        "yes": True,
        "at": datetime(2015, 1, 20, 16, tzinfo=UTC),
        "t": "5",
    }
    assert [type(event[name]) for name in ("n", "x", "yes")] == [int, float, bool]


def test_id_and_time_have_defaults(winchester: Winchester, ready_site: Site) -> None:
    unset = winchester(ready_site, *BEGIN)
    assert (unset.status, unset.out) == (2, "")
    assert "--timestamp" in unset.err
    winchester(ready_site, "clock", "advance", "2015-01-20T10:00:00Z")
    ids = {json.loads(winchester(ready_site, *BEGIN).out)["message_id"] for _ in range(2)}
    assert len(ids) == 2
    with ready_site.store() as store:
        times = {event["timestamp"] for event in store.find_events(EventFilter())}
    assert times == {datetime(2015, 1, 20, 10, tzinfo=UTC)}


def test_the_output_of_event_show_is_valid_input_of_event_add(
    winchester: Winchester, ready_site: Site
) -> None:
    moment = ("--trait", "at=2015-01-20T17:00:00Z")
    winchester(ready_site, *BEGIN, *AT_TEN, "--message-id", "e1", *moment)
    shown = winchester(ready_site, "event", "show", "e1", "-f", "json")
    assert shown.status == 0
    added = winchester(
        ready_site, "event", "add", "--json", shown.out, "--message-id", "e2", "-f", "json"
    )
    assert json.loads(added.out)["outcome"] == "stored"
    with ready_site.store() as store:
        first, second = store.find_events(EventFilter())
    assert {**first, "message_id": "e2"} == second


def test_json_can_be_read_from_standard_input(
    winchester: Winchester, ready_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps(task_events("a")[0]).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(body)))
    assert winchester(ready_site, "event", "add", "--json", "-").status == 0
    assert _only_event(ready_site)["message_id"] == "a-begin"


def test_a_known_id_is_a_duplicate_not_a_failure(winchester: Winchester, ready_site: Site) -> None:
    same = (*BEGIN, *AT_TEN, "--message-id", "e1", "--trait", "host=a")
    winchester(ready_site, *same)
    again = winchester(ready_site, *same)
    result = json.loads(again.out)
    assert (again.status, result["outcome"]) == (0, "duplicate")
    assert [each["name"] for each in result["streams"]] == ["pair"]


def test_an_invalid_event_is_reported_with_its_reason_and_not_stored(
    winchester: Winchester, ready_site: Site
) -> None:
    ended = winchester(ready_site, *BEGIN, *AT_TEN, "--message-id", "x" * 256)
    result = json.loads(ended.out)
    assert (ended.status, result["outcome"], result["streams"]) == (1, "invalid", [])
    assert "256" in result["reason"]
    with ready_site.store() as store:
        assert (store.count_events(EventFilter()), store.count_rejected()) == (0, 0)


def test_an_unstorable_trait_is_dropped_with_a_warning(
    winchester: Winchester, ready_site: Site
) -> None:
    ended = winchester(ready_site, *BEGIN, *AT_TEN, "--json", '{"list": [1]}')
    assert ended.status == 0
    assert "trait=list reason=" in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--trait", "host=a"),
        ("--event-type", "odd", "--trait", "no value"),
        ("--event-type", "odd", "--trait", "at=2015-01-20T00:00Z/2015-01-21T00:00Z"),
        ("--event-type", "odd", "--timestamp", "odd"),
        ("--json", "[1]"),
        ("--json", "{"),
    ],
)
def test_a_usage_error_exits_with_2_and_stores_nothing(
    winchester: Winchester, ready_site: Site, arguments: tuple[str, ...]
) -> None:
    ended = winchester(ready_site, "event", "add", *arguments)
    assert (ended.status, ended.out) == (2, "")
    with ready_site.store() as store:
        assert store.count_events(EventFilter()) == 0


def test_an_unknown_event_is_a_failure(winchester: Winchester, ready_site: Site) -> None:
    ended = winchester(ready_site, "event", "show", "odd")
    assert (ended.status, ended.out) == (1, "")
    assert "no event has the id 'odd'" in ended.err


def test_streams_are_found_by_a_member_event(winchester: Winchester, ready_site: Site) -> None:
    for host in "ab":
        event = json.dumps(task_events(host)[0])
        winchester(ready_site, "event", "add", "--json", event)
    listed = winchester(ready_site, "stream", "list", "--message-id", "b-begin", "-f", "json")
    assert [each["distinguished_by"] for each in json.loads(listed.out)] == [{"host": "b"}]


@pytest.mark.parametrize("message_id", ["other", "\udcff"])
def test_an_unknown_id_is_not_found(
    winchester: Winchester, ready_site: Site, message_id: str
) -> None:
    ended = winchester(ready_site, "event", "show", message_id)
    assert ended.status == 1
    assert f"no event has the id {message_id!r}" in ended.err
