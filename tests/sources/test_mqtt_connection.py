"""The `mqtt` source when its connection ends, or its messages are not settled."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Any

import pytest

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.mqtt_sources import (
    KEEPALIVE_SECONDS,
    PROTOCOLS,
    bodies,
    opened,
    receive,
    wait_until_neglected,
)
from support.scenes.sites import wait_until
from support.servers.mosquitto import remove_session
from support.servers.tcp_proxy import proxied
from winchester_core.errors import SourceError
from winchester_core.sources.mqtt import MqttSource, takeover
from winchester_core.sources.mqtt import session as session_module

if TYPE_CHECKING:
    from support.servers.mosquitto import MqttNamespace
    from winchester_core.model.message import Message


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
