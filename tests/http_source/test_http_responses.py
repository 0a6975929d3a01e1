"""The http source: stored events and the response to the sender."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.sites import wait_until
from support.servers.http_source import event, outcomes

if TYPE_CHECKING:
    from conftest import Serve

DEFINITIONS = [{"event_type": "compute.*", "traits": {"host": {"fields": "payload.host"}}}]


def notification(message_id: str, event_type: str = "compute.start") -> dict[str, Any]:
    return {
        "message_id": message_id,
        "event_type": event_type,
        "timestamp": "2026-03-14 10:00:00.000000",
        "payload": {"host": "web-1"},
    }


def test_an_event_is_stored_before_the_response(serve: Serve) -> None:
    endpoint = serve()
    answer = endpoint.post("/v1/events", event("1", room=7, fine=True))
    assert (answer.status_code, answer.json()) == (
        202,
        {"results": [{"outcome": "stored", "message_id": "1"}]},
    )
    assert endpoint.stored()["1"] == {
        "message_id": "1",
        "event_type": "door.opened",
        "timestamp": datetime(2026, 3, 14, 10, tzinfo=UTC),
        "room": 7,
        "fine": True,
    }


def test_a_known_event_counts_as_stored(serve: Serve) -> None:
    endpoint = serve()
    endpoint.post("/v1/events", event("1"))
    answer = endpoint.post("/v1/events", [event("1"), event("2"), event("2")])
    assert answer.status_code == 202
    assert outcomes(answer) == ["duplicate", "stored", "duplicate"]


def test_valid_items_are_stored_and_invalid_ones_reported(serve: Serve) -> None:
    endpoint = serve()
    bad = {**event("2"), "timestamp": "yesterday"}
    answer = endpoint.post("/v1/events", [event("1"), bad, 3, event("4")])
    assert answer.status_code == 200
    assert answer.json()["results"] == [
        {"outcome": "stored", "message_id": "1"},
        {
            "outcome": "invalid",
            "message_id": "2",
            "reason": "timestamp: not an RFC 3339 date and time",
        },
        {"outcome": "invalid", "reason": "item: must be a JSON object, not a number"},
        {"outcome": "stored", "message_id": "4"},
    ]
    assert set(endpoint.stored()) == {"1", "4"}


def test_items_reported_to_the_sender_are_not_kept_as_rejected(serve: Serve) -> None:
    endpoint = serve()
    answer = endpoint.post("/v1/events", [{}, {"message_id": "1"}])
    assert (answer.status_code, answer.json()["error"]) == (400, "no item is valid")
    assert outcomes(answer) == ["invalid", "invalid"]
    assert endpoint.store.find_rejected() == []
    wait_until(lambda: endpoint.pump.totals.rejected == 2)


def test_an_empty_list_is_accepted(serve: Serve) -> None:
    answer = serve().post("/v1/events", [])
    assert (answer.status_code, answer.json()) == (202, {"results": []})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "the body is not JSON: Expecting value"),
        (b'[{"message_id": "1"', "the body is not JSON: Expecting"),
        (b'{"a": "\xff"}', "the body is not UTF-8 at byte 8"),
        (b"[" * 100_000, "the body is not JSON: Expecting value"),
        (b'"text"', "no item is valid"),
        (b'{"a": %s}' % (b"9" * 5000), "no item is valid"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_400(serve: Serve, body: bytes, error: str) -> None:
    headers = {"content-type": "application/json"}
    answer = serve().client.post("/v1/events", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(error)


def test_values_are_checked_as_in_any_event(serve: Serve) -> None:
    endpoint = serve(datetime_traits=["seen_at"])
    body = event(
        "1", big=2**63, most=2**63 - 1, nested=[1], none=None, whole=1.0, seen_at="2026-03-14"
    )
    assert endpoint.post("/v1/events", body).status_code == 202
    stored = endpoint.stored()["1"]
    assert {name: stored[name] for name in stored.keys() - event("").keys()} == {
        "most": 2**63 - 1,
        "whole": 1.0,
        "seen_at": datetime(2026, 3, 14, tzinfo=UTC),
    }


def test_notifications_are_distilled_and_undefined_ones_reported_as_dropped(serve: Serve) -> None:
    pytest.importorskip("stackdistiller", reason="the extra 'openstack' is not installed")
    endpoint = serve(definitions=DEFINITIONS)
    other = notification("2", "network.start")
    answer = endpoint.post("/v1/notifications", [notification("1"), other])
    assert (answer.status_code, outcomes(answer)) == (202, ["stored", "dropped"])
    assert endpoint.stored()["1"]["host"] == "web-1"
    assert answer.json()["results"][1]["reason"] == "no event definition covers 'network.start'"


def test_without_definitions_notifications_are_invalid_and_events_are_stored(
    serve: Serve,
) -> None:
    endpoint = serve()
    answer = endpoint.post("/v1/notifications", notification("1"))
    assert answer.status_code == 400
    assert "no event definitions are configured" in answer.json()["results"][0]["reason"]
    assert endpoint.post("/v1/events", event("2")).status_code == 202


CLOUDEVENT = {
    "specversion": "1.0",
    "id": "A 1",
    "source": "/doors/7",
    "type": "door.opened",
    "time": "2026-03-14T11:00:00+01:00",
    "subject": "é",
    "data": {"room": "7", "source": "badge"},
}


@pytest.mark.parametrize("mode", ["structured", "batch", "binary"])
def test_a_cloudevent_is_the_same_event_in_every_mode(serve: Serve, mode: str) -> None:
    endpoint = serve()
    attributes = {"ce-" + name: value for name, value in CLOUDEVENT.items() if name != "data"}
    body, headers = {
        "structured": (CLOUDEVENT, {"content-type": "application/cloudevents+json; charset=utf-8"}),
        "batch": ([CLOUDEVENT], {"content-type": "application/cloudevents-batch+json"}),
        "binary": (
            CLOUDEVENT["data"],
            {**attributes, "ce-id": "A%201", "ce-subject": "%C3%A9"},
        ),
    }[mode]
    answer = endpoint.post("/v1/cloudevents", body, headers=headers)
    assert (answer.status_code, outcomes(answer)) == (202, ["stored"])
    stored = endpoint.stored()["/doors/7 A 1"]
    stored.pop("datacontenttype", None)
    assert stored == {
        "message_id": "/doors/7 A 1",
        "event_type": "door.opened",
        "timestamp": datetime(2026, 3, 14, 10, tzinfo=UTC),
        "source": "/doors/7",
        "subject": "é",
        "room": "7",
        "data.source": "badge",
    }


def test_invalid_items_of_a_cloudevents_batch_are_reported(serve: Serve) -> None:
    headers = {"content-type": "application/cloudevents-batch+json"}
    timeless = {name: value for name, value in CLOUDEVENT.items() if name != "time"}
    answer = serve().post("/v1/cloudevents", [timeless, CLOUDEVENT, {}], headers=headers)
    assert answer.status_code == 200
    assert [each.get("reason") for each in answer.json()["results"]] == [
        "time: is missing",
        None,
        "specversion: must be '1.0'",
    ]


def test_a_batch_that_is_not_an_array_is_400(serve: Serve) -> None:
    headers = {"content-type": "application/cloudevents-batch+json"}
    answer = serve().post("/v1/cloudevents", CLOUDEVENT, headers=headers)
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "the body must be an array of CloudEvents"},
    )
