"""Builders of events, notifications, and a handler's environment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from winchester_core.errors import InvalidEvent, UnstorablePayload
from winchester_core.interfaces import Effect
from winchester_core.model.event import clean_event
from winchester_core.testing import (
    make_effect,
    make_env,
    make_event,
    make_notification,
    make_stream_events,
)

TWO = datetime(2024, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))


def test_an_event_is_built_in_its_stored_form() -> None:
    event = make_event("order.paid", timestamp=TWO, order="o-1", amount=3)

    assert clean_event(event).event == event
    assert event["timestamp"] == datetime(2024, 3, 1, 12, tzinfo=UTC)
    assert event["timestamp"].tzinfo is UTC
    assert (event["event_type"], event["order"], event["amount"]) == ("order.paid", "o-1", 3)


def test_events_have_unique_ids_unless_given() -> None:
    assert make_event()["message_id"] != make_event()["message_id"]
    assert make_event(message_id="1") == make_event(message_id="1")


def test_an_event_that_would_lose_a_trait_is_refused() -> None:
    with pytest.raises(ValueError, match=r"trait .items. would be dropped: .*list"):
        make_event(items=[1])
    with pytest.raises(InvalidEvent, match="message_id"):
        make_event(message_id="")


def test_a_stream_is_ordered_and_its_events_share_their_traits() -> None:
    first, second = make_stream_events("job.begun", "job.ended", step=timedelta(hours=1), job=7)

    assert [each["event_type"] for each in (first, second)] == ["job.begun", "job.ended"]
    assert second["timestamp"] - first["timestamp"] == timedelta(hours=1)
    assert {first["job"], second["job"]} == {7}
    assert first["message_id"] != second["message_id"]


def test_a_notification_has_the_form_services_send() -> None:
    made = make_notification("compute.end", {"a": 1}, timestamp=TWO, message_id="1", _unique_id="u")

    assert made == {
        "message_id": "1",
        "event_type": "compute.end",
        "timestamp": "2024-03-01 12:00:00.000000",
        "publisher_id": "test.host",
        "priority": "INFO",
        "payload": {"a": 1},
        "_unique_id": "u",
    }


def test_the_outbox_of_an_env_keeps_payloads_in_delivered_form() -> None:
    env = make_env(attempt=2)
    payload = {"at": TWO, "list": [1]}
    first, second = (env["outbox"].put(payload) for _ in range(2))
    payload["list"] = []

    assert first != second
    assert env["outbox"].payloads == [{"at": TWO, "list": [1]}] * 2
    assert env["outbox"].payloads[0]["at"].tzinfo is UTC
    assert env["attempt"] == 2


def test_the_outbox_refuses_unstorable_payloads() -> None:
    with pytest.raises(UnstorablePayload, match="set"):
        make_env()["outbox"].put({1})


def test_an_effect_has_a_copy_of_its_payload() -> None:
    payload = {"list": [1]}
    effect = make_effect(payload, id="e1", attempt=3)

    assert isinstance(effect, Effect)
    assert (effect.id, effect.attempt, effect.payload) == ("e1", 3, payload)
    assert effect.payload is not payload
