"""The `kafka` handler on brokers: messages, outcomes, and order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from support.builders.effects import effect, effect_id, queued
from support.servers.kafka import KafkaServer, mock_cluster, tansu_broker
from support.servers.private_servers import free_port
from winchester_core.interfaces import Delivered, Refused, RetryAfter
from winchester_core.testing import make_event
from winchester_handlers.kafka import KafkaHandler
from winchester_handlers.kafka.params import EFFECT_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.interfaces import DeliveryOutcome


@pytest.fixture(scope="module")
def tansu() -> Iterator[KafkaServer]:
    with tansu_broker() as broker:
        yield broker


@pytest.fixture(scope="module")
def mock() -> Iterator[KafkaServer]:
    with mock_cluster(brokers=3) as cluster:
        yield cluster


def deliver(server: KafkaServer, topic: str, *events: Any, **params: Any) -> list[DeliveryOutcome]:
    """Handle the events and deliver their effects."""
    handler = KafkaHandler(**server.params, topic=topic, **params)
    return handler.deliver(queued(handler, events))


def test_a_message_has_key_value_and_headers(tansu: KafkaServer) -> None:
    topic = tansu.create_topic()
    event = make_event("order.placed", order="o1")
    outcomes = deliver(tansu, topic, event, key="order", headers={"team": "shop"})
    (message,) = tansu.messages(topic, 1)
    assert outcomes == [Delivered()]
    assert message.key() == b"o1"
    assert orjson.loads(message.value())["message_id"] == event["message_id"]
    assert dict(message.headers()) == {
        "team": b"shop",
        EFFECT_ID: effect_id(1).encode(),
        "content-type": b"application/json",
    }


def test_messages_with_the_same_key_keep_their_order(tansu: KafkaServer) -> None:
    topic = tansu.create_topic(partitions=3)
    events = [make_event("order.placed", order="o1", number=number) for number in range(20)]
    for part in (events[:10], events[10:]):
        assert deliver(tansu, topic, *part, key="order") == [Delivered()] * 10
    values = [orjson.loads(each.value()) for each in tansu.messages(topic, 20, partitions=3)]
    assert [value["number"] for value in values] == list(range(20))


def test_a_message_that_is_too_large_is_refused_alone(mock: KafkaServer) -> None:
    events = [make_event(text="a" * size) for size in (1, 5000, 1)]
    options = {"message.max.bytes": 3000}
    first, second, third = deliver(mock, "sizes", *events, options=options)
    assert (first, third) == (Delivered(), Delivered())
    assert isinstance(second, Refused)
    assert "too large" in second.reason


def test_an_effect_of_another_handler_is_delayed_alone(mock: KafkaServer) -> None:
    handler = KafkaHandler(**mock.params, topic="others")
    effects = [effect({"body": "text"}, 1), effect({"event": make_event()}, 2)]
    first, second = handler.deliver(effects)
    assert second == Delivered()
    assert isinstance(first, RetryAfter)
    assert first.reason is not None
    assert "no message can be made" in first.reason


def test_effects_are_retried_while_no_broker_is_available() -> None:
    outcomes = deliver(KafkaServer(f"127.0.0.1:{free_port()}"), "t", *[make_event()] * 2, timeout=5)
    for outcome in outcomes:
        assert isinstance(outcome, RetryAfter)
        assert outcome.reason is not None
        assert "Connection refused" in outcome.reason
    assert len(outcomes) == 2


def test_a_failed_authentication_is_retried_and_shows_no_password() -> None:
    sasl = {"mechanism": "SCRAM-SHA-512", "user": "winchester", "password": "correct horse"}
    with tansu_broker(options=["--authentication"]) as broker:
        (outcome,) = deliver(broker, "t", make_event(), sasl=sasl, timeout=5)
    assert isinstance(outcome, RetryAfter)
    assert outcome.reason is not None
    assert "SASL SCRAM authentication failed" in outcome.reason
    assert "horse" not in outcome.reason
