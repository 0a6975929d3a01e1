"""The `mqtt` source on a real broker: subscriptions, acknowledgements, content of messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.mqtt_sources import PROTOCOLS, bodies, opened, publish_header, receive
from support.scenes.sites import wait_until
from support.servers.mosquitto import create_session
from winchester_core.model.message import MessageKind

if TYPE_CHECKING:
    from support.servers.mosquitto import MqttNamespace


@PROTOCOLS
def test_messages_are_received_from_all_subscriptions(mqtt: MqttNamespace, protocol: Any) -> None:
    options = {"format": "event", "datetime_traits": ["seen_at"], "mapping": ["plant"]}
    with opened(mqtt, "a/+/c", "d/#", protocol=protocol, **options) as source:
        mqtt.publish(mqtt.topic("a/b/c"), b'{"a": 1}')
        mqtt.publish(mqtt.topic("d/e/f"), b"\xff\x00 no text", b"")
        mqtt.publish(mqtt.topic("a/b"), b"never")
        messages = receive(source, 3)
        assert bodies(messages) == [b'{"a": 1}', b"\xff\x00 no text", b""]
        assert [message.properties["topic"] for message in messages] == [
            mqtt.topic("a/b/c"),
            *[mqtt.topic("d/e/f")] * 2,
        ]
        first = messages[0]
        assert first.properties["qos"] == 1
        assert first.properties["retained"] is False
        assert first.received_from == f"topic {mqtt.topic('a/b/c')}"
        assert (first.kind, first.datetime_traits) == (MessageKind.EVENT, ("seen_at",))
        assert first.mappings == ("plant",)
        assert not any(message.redelivered for message in messages)
        source.ack(messages)
        assert source.receive(10, 0.0) == []


@PROTOCOLS
def test_messages_are_kept_while_the_source_is_closed(mqtt: MqttNamespace, protocol: Any) -> None:
    with opened(mqtt, "a", protocol=protocol) as source:
        source.close()
        mqtt.publish(mqtt.topic("a"), b"1", b"2")
        source.open()
        assert bodies(receive(source, 2)) == [b"1", b"2"]


@PROTOCOLS
def test_only_acknowledged_messages_are_removed(mqtt: MqttNamespace, protocol: Any) -> None:
    with opened(mqtt, "a", protocol=protocol) as source:
        mqtt.publish(mqtt.topic("a"), *(b"%d" % number for number in range(6)))
        messages = receive(source, 6)
        source.ack([messages[0], messages[1], messages[4]])
        source.reject(messages[2], "bad")
        source.close()
        source.open()
        again = receive(source, 2)
        assert [(each.body, each.redelivered) for each in again] == [(b"3", True), (b"5", True)]


@PROTOCOLS
def test_released_messages_are_redelivered_by_a_reconnection(
    mqtt: MqttNamespace, protocol: Any
) -> None:
    with opened(mqtt, "a", protocol=protocol) as source:
        mqtt.publish(mqtt.topic("a"), b"1", b"2", b"3")
        messages = receive(source, 3)
        source.release(messages[1:])
        source.ack(messages[:1])
        again = receive(source, 2)
        assert [(each.body, each.redelivered) for each in again] == [(b"2", True), (b"3", True)]
        source.ack(again)
        source.close()
        source.open()
        assert source.receive(10, 0.5) == []


@PROTOCOLS
def test_a_subscription_is_removed_from_the_session(mqtt: MqttNamespace, protocol: Any) -> None:
    with opened(mqtt, "a", "b", protocol=protocol):
        pass
    mqtt.publish(mqtt.topic("b"), b"kept")
    unsubscribe = [mqtt.topic("b"), mqtt.topic("never")]
    with opened(mqtt, "a", unsubscribe=unsubscribe, protocol=protocol) as source:
        mqtt.publish(mqtt.topic("b"), b"no longer")
        mqtt.publish(mqtt.topic("a"), b"new")
        assert bodies(receive(source, 2)) == [b"kept", b"new"]


def test_messages_of_an_earlier_connection_are_not_acknowledged(mqtt: MqttNamespace) -> None:
    with opened(mqtt, "a") as source:
        mqtt.publish(mqtt.topic("a"), b"1")
        first = receive(source, 1)
        source.close()
        source.open()
        again = receive(source, 1)
        assert again[0].token.delivery.number == first[0].token.delivery.number
        source.ack(first)
        source.release(first)
        assert source.receive(10, 0.0) == []  # nothing was released, so it does not reconnect
        source.close()
        source.open()
        assert bodies(receive(source, 1)) == [b"1"]


def test_user_properties_are_headers(mqtt: MqttNamespace) -> None:
    with opened(mqtt, "a") as source:
        sent = {"UserProperty": [("site", "berlin")], "ContentType": "application/json"}
        mqtt.publish(mqtt.topic("a"), b"{}", **sent)
        [message] = receive(source, 1)
        assert message.headers == {"site": "berlin"}
        assert message.properties["content_type"] == "application/json"


def test_properties_that_cannot_be_decoded_cost_their_message_alone(mqtt: MqttNamespace) -> None:
    with opened(mqtt, "a") as source:
        mqtt.publish(mqtt.topic("a"), b"1")
        publish_header(mqtt, mqtt.topic("a"), b"2", "\ufeff".encode())
        mqtt.publish(mqtt.topic("a"), b"3")
        messages = receive(source, 3)
        assert bodies(messages) == [b"1", b"2", b"3"]
        assert [message.fault for message in messages] == [
            None,
            "its properties cannot be read: MalformedPacket",
            None,
        ]
        assert messages[1].received_from == f"topic {mqtt.topic('a')}"
        source.ack(messages)
        source.close()
        source.open()
        assert source.receive(10, 0.5) == []


@pytest.mark.parametrize("qos", [0, 2])
def test_a_message_with_another_quality_of_service_is_received(
    mqtt: MqttNamespace, qos: int
) -> None:
    with opened(mqtt, "a") as source:
        mqtt.publish(mqtt.topic("a"), b"1", qos=qos)
        messages = receive(source, 1)
        assert messages[0].properties["qos"] == min(qos, 1)
        source.ack(messages)
        source.close()
        source.open()
        assert source.receive(10, 0.5) == []


def test_a_message_of_an_earlier_subscription_with_qos_2_is_received(mqtt: MqttNamespace) -> None:
    create_session(*mqtt.address, mqtt.client_id(), mqtt.topic("a"), qos=2)
    mqtt.publish(mqtt.topic("a"), b"1", b"2", qos=2)
    with opened(mqtt, "a") as source:
        mqtt.publish(mqtt.topic("a"), b"3", qos=2)
        messages = receive(source, 3)
        assert [message.properties["qos"] for message in messages] == [2, 2, 1]
        source.ack(messages)
        source.close()
        source.open()
        assert source.receive(10, 0.5) == []


@PROTOCOLS
def test_retained_messages_are_received_unless_ignored(mqtt: MqttNamespace, protocol: Any) -> None:
    mqtt.publish(mqtt.topic("a"), b"retained", retain=True)
    with opened(mqtt, "a", protocol=protocol) as source:
        messages = receive(source, 1)
        assert [message.properties["retained"] for message in messages] == [True]
        source.ack(messages)
    ignoring = {"client_id": mqtt.client_id("ignoring"), "ignore_retained": True}
    with opened(mqtt, "a", protocol=protocol, **ignoring) as source:
        mqtt.publish(mqtt.topic("a"), b"new")
        messages = receive(source, 1)
        assert bodies(messages) == [b"new"]
        source.ack(messages)


def test_retained_messages_are_received_once_by_a_session_of_mqtt_5(mqtt: MqttNamespace) -> None:
    mqtt.publish(mqtt.topic("a"), b"retained", retain=True)
    with opened(mqtt, "a") as source:
        source.ack(receive(source, 1))
        source.close()
        source.open()
        assert source.receive(10, 0.5) == []


def test_a_shared_subscription_delivers_each_message_to_one_source(mqtt: MqttNamespace) -> None:
    shared = {"subscriptions": [f"$share/group/{mqtt.topic('#')}"]}
    with (
        opened(mqtt, client_id=mqtt.client_id("one"), **shared) as one,
        opened(mqtt, client_id=mqtt.client_id("two"), **shared) as two,
    ):
        mqtt.publish(mqtt.topic("a"), *(b"%d" % number for number in range(10)))
        found: dict[str, list[Any]] = {"one": [], "two": []}

        def has_all() -> bool:
            for name, source in (("one", one), ("two", two)):
                messages = source.receive(10, 0.1)
                source.ack(messages)
                found[name] += bodies(messages)
            return len(found["one"]) + len(found["two"]) == 10

        wait_until(has_all)
        assert sorted(found["one"] + found["two"]) == [b"%d" % number for number in range(10)]
        assert found["one"]
        assert found["two"]
