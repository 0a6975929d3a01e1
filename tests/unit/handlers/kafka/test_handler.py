from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from confluent_kafka import KafkaError, KafkaException
from voluptuous import Invalid

from support.builders.effects import CREATED_AT, effect_id, queued
from winchester_core.interfaces import Delivered, Refused, RetryAfter
from winchester_core.model import TimeRange
from winchester_core.testing import make_event
from winchester_handlers.kafka import KafkaHandler
from winchester_handlers.kafka.message import KafkaMessage, build_message
from winchester_handlers.kafka.params import EFFECT_ID, producer_settings
from winchester_handlers.kafka.publisher import delivery_outcome

REQUIRED = {"bootstrap_servers": "kafka:9092", "topic": "orders"}


def make_handler(**params: Any) -> KafkaHandler:
    return KafkaHandler(**REQUIRED, **params)


def messages(*events: Any, env: Any = None, **params: Any) -> list[KafkaMessage]:
    handler = make_handler(**params)
    form, source = handler.params["format"], handler.params["source"]
    return [build_message(each, form, source) for each in queued(handler, events, env)]


def test_only_matching_events_are_queued() -> None:
    events = [make_event("order.placed"), make_event("order.paid"), make_event("other")]
    found = messages(*events, event_types=["order.*", "!*.paid"])
    assert [orjson.loads(each.value)["event_type"] for each in found] == ["order.placed"]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (None, "i-1"),
        ([], None),
        ("order", "o1"),
        ("number", "7"),
        ("paid", "true"),
        ("timestamp", "2026-03-01T12:00:00+00:00"),
        ("missing", None),
        (["order", "number", "missing"], '["o1",7,null]'),
    ],
)
def test_the_key_is_made_of_traits(key: Any, text: str | None) -> None:
    event = make_event(order="o1", number=7, paid=True) | {"timestamp": CREATED_AT}
    (message,) = messages(event, key=key)
    assert message.key == text


def test_the_key_of_a_stream_is_made_of_distinguishing_traits() -> None:
    day = TimeRange(CREATED_AT, CREATED_AT + timedelta(days=1))
    env = {"distinguished_by": {"order": "o1", "day": day}}
    (whole,) = messages(make_event(order="other"), env=env, send="stream")
    (one,) = messages(make_event(order="other"), env=env, send="stream", key="order")
    begin, end = "2026-03-01T12:00:00+00:00", "2026-03-02T12:00:00+00:00"
    assert orjson.loads(whole.key or "") == ["o1", {"begin": begin, "end": end}]
    assert one.key == "o1"


def test_a_structured_cloudevent() -> None:
    event = make_event("order.placed")
    (message,) = messages(event, format="cloudevent", source="/shop")
    value = orjson.loads(message.value)
    assert (value["id"], value["type"], value["source"]) == (
        event["message_id"],
        "order.placed",
        "/shop",
    )
    assert value["data"]["message_id"] == event["message_id"]
    assert message.headers == {
        EFFECT_ID: effect_id(1),
        "content-type": "application/cloudevents+json; charset=UTF-8",
    }


def test_a_binary_cloudevent_has_its_attributes_as_headers() -> None:
    event = make_event("größe")
    (message,) = messages(event, format="cloudevent_binary")
    assert orjson.loads(message.value)["event_type"] == "größe"
    assert message.headers == {
        EFFECT_ID: effect_id(1),
        "content-type": "application/json",
        "ce_specversion": "1.0",
        "ce_source": "/winchester",
        "ce_id": event["message_id"],
        "ce_type": "größe",
        "ce_time": event["timestamp"].isoformat(),
    }


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, Refused),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, Refused),
        (KafkaError._UNKNOWN_TOPIC, Refused),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Refused),
        (KafkaError._MSG_TIMED_OUT, RetryAfter),
        (KafkaError._TRANSPORT, RetryAfter),
        (KafkaError._FATAL, RetryAfter),
        (KafkaError.NOT_ENOUGH_REPLICAS, RetryAfter),
        (KafkaError._QUEUE_FULL, RetryAfter),
    ],
)
def test_each_error_has_its_outcome(code: int, outcome: type) -> None:
    found = delivery_outcome(KafkaException(KafkaError(code, "the reason")))
    assert isinstance(found, outcome)
    assert found.reason == "the reason"


def test_the_reason_of_a_retry_includes_the_error_of_the_connection() -> None:
    error = KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT, "timed out"))
    assert delivery_outcome(error, "refused") == RetryAfter(reason="timed out (refused)")
    assert delivery_outcome(BufferError("full")) == RetryAfter(reason="full")
    assert delivery_outcome(None, "refused") == Delivered()


def test_settings_that_cannot_be_used_delay_the_effects(tmp_path: Any) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    handler = make_handler(tls={"ca_file": str(tmp_path / "ca.pem")})
    (outcome,) = handler.deliver(queued(handler, [make_event()]))
    assert isinstance(outcome, RetryAfter)
    assert "ssl.ca.location" in (outcome.reason or "")


def test_a_message_is_confirmed_by_all_replicas() -> None:
    settings = producer_settings(make_handler(timeout=4).params)
    assert (settings["acks"], settings["enable.idempotence"]) == ("all", True)
    assert settings["message.timeout.ms"] == 4000
    assert settings["topic.metadata.propagation.max.ms"] == 2000


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"topic": "a b"}, "expected the name of a topic"),
        ({"key": [""]}, "length of value must be at least 1"),
        ({"headers": {"content-type": "x"}}, "set by the handler itself"),
        ({"headers": {"ce_id": "x"}}, "set by the handler itself"),
        ({"headers": {"a": 1}}, "expected text"),
        ({"headers": {"a": "\ud800"}}, "expected text"),
        ({"headers": {"": "x"}}, "expected the name of a header"),
        ({"headers": {"a b": "x"}}, "expected the name of a header"),
        ({"timeout": 0}, "a number of at least 1"),
        ({"options": {"acks": 1}}, "the plugin itself determines"),
        ({"options": {"compression.codec": "hidden"}}, "librdkafka does not accept this value"),
    ],
)
def test_the_schema_refuses(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(Invalid, match=reason) as caught:
        KafkaHandler(**{**REQUIRED, **given})
    assert "hidden" not in str(caught.value)


def test_validated_params_can_be_validated_again() -> None:
    params = make_handler(key="order", headers={"a": "b"}).params
    assert KafkaHandler(**params).params == params
