"""The `mqtt` source on a real broker."""

from __future__ import annotations

import logging
import socket
import struct
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from support.servers.mosquitto import create_session, remove_session
from support.servers.tcp_proxy import proxied
from winchester_core.errors import SourceError
from winchester_core.model.message import MessageKind
from winchester_core.sources.mqtt import MqttSource, takeover
from winchester_core.sources.mqtt import session as session_module

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.servers.mosquitto import MqttNamespace
    from winchester_core.model.message import Message

KEEPALIVE_SECONDS = 5
"""Keepalive time of tests: a slow machine may be late by half as long."""
PROTOCOLS = pytest.mark.parametrize("protocol", [5, "3.1.1"])


@contextmanager
def opened(mqtt: MqttNamespace, *names: str, **params: Any) -> Iterator[MqttSource]:
    """Yield an open source with subscriptions to topics of the namespace."""
    given = {
        "url": mqtt.url,
        "client_id": mqtt.client_id(),
        "subscriptions": [mqtt.topic(name) for name in names],
        "timeout_seconds": BOUND_SECONDS,
        **params,
    }
    source = MqttSource(**given)
    with ExitStack() as stack:
        stack.callback(source.close)
        source.open()
        yield source


def receive(source: MqttSource, number: int) -> list[Message]:
    """Receive this many messages, in any number of batches."""
    found: list[Message] = []

    def has_all() -> bool:
        found.extend(source.receive(number - len(found), 1.0))
        return len(found) == number

    wait_until(has_all)
    return found


def bodies(messages: Sequence[Message]) -> list[Any]:
    return [message.body for message in messages]


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


@PROTOCOLS
def test_another_client_with_the_same_id_is_reported(
    mqtt: MqttNamespace, protocol: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeover, "SHORT_SECONDS", BOUND_SECONDS)
    monkeypatch.setattr(takeover, "PAUSE_SECONDS", 2 * BOUND_SECONDS)
    reason = f"Another client may have the client id '{mqtt.client_id()}'"
    with opened(mqtt, "a", protocol=protocol) as first, opened(mqtt, "a", protocol=protocol) as two:
        ended, other = first, two
        for _ in range(2 * takeover.MAX_SHORT_CONNECTIONS - 2):
            with pytest.raises(SourceError, match="connection") as caught:
                ended.receive(10, BOUND_SECONDS)
            assert reason not in str(caught.value)
            ended.close()
            ended.open()
            ended, other = other, ended
        with pytest.raises(SourceError, match=reason):
            ended.receive(10, BOUND_SECONDS)
        ended.close()
        with pytest.raises(SourceError, match=reason):
            ended.open()
        mqtt.publish(mqtt.topic("a"), b"1")
        assert bodies(receive(other, 1)) == [b"1"]


@PROTOCOLS
def test_a_cut_connection_is_a_failure_and_messages_are_redelivered(
    mqtt: MqttNamespace, protocol: Any
) -> None:
    with proxied(mqtt.address[1]) as proxy:
        url = f"mqtt://127.0.0.1:{proxy.port}"
        with opened(mqtt, "a", url=url, protocol=protocol) as source:
            mqtt.publish(mqtt.topic("a"), b"1", b"2")
            messages = receive(source, 2)
            assert proxy.cut() == 1
            with pytest.raises(SourceError, match="connection"):
                source.receive(10, BOUND_SECONDS)
            source.ack(messages)  # is not sent
            source.close()
            source.open()
            assert bodies(receive(source, 2)) == [b"1", b"2"]


@PROTOCOLS
def test_a_broker_that_no_longer_responds_is_a_failure(mqtt: MqttNamespace, protocol: Any) -> None:
    with proxied(mqtt.address[1]) as proxy:
        url = f"mqtt://127.0.0.1:{proxy.port}"
        with opened(
            mqtt, "a", url=url, keepalive_seconds=KEEPALIVE_SECONDS, protocol=protocol
        ) as source:
            proxy.stall()
            with pytest.raises(SourceError, match="the broker has closed the connection, or"):
                source.receive(10, BOUND_SECONDS)


def test_the_connection_stays_open_without_receive_calls(mqtt: MqttNamespace) -> None:
    with opened(mqtt, "a", keepalive_seconds=KEEPALIVE_SECONDS) as source:
        mqtt.publish(mqtt.topic("a"), b"1")
        messages = receive(source, 1)
        # a connection opened later, and then neglected, is closed by the broker
        wait_until_neglected(mqtt)
        source.ack(messages)
        mqtt.publish(mqtt.topic("a"), b"2")
        [message] = receive(source, 1)
        assert (message.body, message.redelivered) == (b"2", False)
        assert message.token.connection == messages[0].token.connection


def test_a_broker_without_a_reply_is_a_failure(mqtt: MqttNamespace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"mqtt://127.0.0.1:{silent.getsockname()[1]}"
        with (
            pytest.raises(SourceError, match="no reply within 1 seconds"),
            opened(mqtt, "a", url=url, timeout_seconds=1),
        ):
            pass


def test_an_unavailable_broker_is_a_failure(mqtt: MqttNamespace) -> None:
    with proxied(mqtt.address[1]) as proxy:
        proxy.refuse()
        source = MqttSource(
            url=f"mqtt://u:sesame@127.0.0.1:{proxy.port}",
            client_id=mqtt.client_id(),
            subscriptions=[mqtt.topic("a")],
        )
        with pytest.raises(SourceError, match=f"MQTT broker at 127.0.0.1, port {proxy.port}") as at:
            source.open()
        assert "sesame" not in str(at.value)
        source.close()
        proxy.allow()
        source.open()
        source.close()


@PROTOCOLS
def test_no_more_messages_are_read_than_are_prefetched(mqtt: MqttNamespace, protocol: Any) -> None:
    with opened(mqtt, "a", prefetch=4, protocol=protocol) as source:
        mqtt.publish(mqtt.topic("a"), *(b"%d" % number for number in range(12)))
        received = receive(source, 4)
        session = source._require_session()
        # MQTT 3.1.1 has no limit in the protocol: one more message is read, then the thread waits
        assert len(source.receive(100, 0.5)) <= (0 if protocol == 5 else 1)
        assert len(session._packet_ids) <= 5
        source.ack(received)
        source.close()
        source.open()
        rest: list[Message] = []

        def has_all() -> bool:
            messages = source.receive(100, 1.0)
            source.ack(messages)
            rest.extend(messages)
            return len(rest) == 8

        wait_until(has_all)


def test_large_messages_are_read_one_by_one(
    mqtt: MqttNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "MAX_HELD_BYTES", 1000)
    with opened(mqtt, "a") as source:
        mqtt.publish(mqtt.topic("a"), *(b"%d" % number * 1001 for number in range(3)))
        for number in range(3):
            messages = receive(source, 1)
            assert bodies(messages) == [b"%d" % number * 1001]
            assert source.receive(1, 0.2) == []
            source.ack(messages)


def test_an_error_of_the_network_thread_is_a_failure(
    mqtt: MqttNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("odd")

    with opened(mqtt, "a") as source:
        monkeypatch.setattr(session_module, "read_content", fail)
        mqtt.publish(mqtt.topic("a"), b"1")
        with pytest.raises(SourceError, match="RuntimeError: odd"):
            source.receive(1, BOUND_SECONDS)
        monkeypatch.undo()
        source.close()
        source.open()
        assert bodies(receive(source, 1)) == [b"1"]


def test_a_lost_session_is_reported(mqtt: MqttNamespace, caplog: pytest.LogCaptureFixture) -> None:
    with opened(mqtt, "a") as source:
        source.close()
        with caplog.at_level(logging.WARNING):
            source.open()
            assert "broker has no session" not in caplog.text
            source.close()
            remove_session(*mqtt.address, mqtt.client_id())
            source.open()
        assert "broker has no session" in caplog.text


def connect_packet(keepalive_seconds: int) -> bytes:
    """Return the content of a CONNECT packet of MQTT 5."""
    return text(b"MQTT") + b"\x05\x02" + struct.pack("!H", keepalive_seconds) + b"\0" + text(b"")


def text(value: bytes) -> bytes:
    return struct.pack("!H", len(value)) + value


def wait_until_neglected(mqtt: MqttNamespace) -> None:
    """Open a connection that sends nothing, and wait until the broker closes it."""
    with socket.create_connection(mqtt.address, BOUND_SECONDS) as connection:
        packet = connect_packet(KEEPALIVE_SECONDS)
        connection.sendall(bytes([0x10, len(packet)]) + packet)
        with suppress(ConnectionResetError):
            while connection.recv(1000):
                pass


def publish_header(mqtt: MqttNamespace, topic: str, body: bytes, name: bytes) -> None:
    """Publish a message of MQTT 5 with a user property that paho would not send."""
    user_property = b"\x26" + text(name) + text(b"value")
    publish = text(topic.encode()) + b"\0\1" + bytes([len(user_property)]) + user_property + body
    with socket.create_connection(mqtt.address, BOUND_SECONDS) as connection:
        for command, packet in ((0x10, connect_packet(60)), (0x32, publish)):
            assert len(packet) < 128
            connection.sendall(bytes([command, len(packet)]) + packet)
            reply = connection.recv(1000)
            assert reply[0] == {0x10: 0x20, 0x32: 0x40}[command], reply
