"""Open `mqtt` sources, and packets that paho does not send."""

from __future__ import annotations

import socket
import struct
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from winchester_core.sources.mqtt import MqttSource

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
    """Return the bodies of messages."""
    return [message.body for message in messages]


def connect_packet(keepalive_seconds: int) -> bytes:
    """Return the content of a CONNECT packet of MQTT 5."""
    return text(b"MQTT") + b"\x05\x02" + struct.pack("!H", keepalive_seconds) + b"\0" + text(b"")


def text(value: bytes) -> bytes:
    """Encode text with its length."""
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
