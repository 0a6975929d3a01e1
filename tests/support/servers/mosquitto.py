"""MQTT brokers for tests: the local one, and private Mosquittos that a test may restart.

WINCHESTER_TEST_MQTT_URL names the first. Tests use topics and sessions of their own there, which
are removed afterwards. Without a broker a test is skipped, or fails under
WINCHESTER_REQUIRE_SERVICES=1.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from support.servers.private_servers import PrivateServer, absent, found, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

URL_VARIABLE = "WINCHESTER_TEST_MQTT_URL"
LOCAL_URL = "mqtt://127.0.0.1:1883"
CONFIGURATION = """\
persistence true
persistence_location {folder}/
max_queued_messages 0
max_inflight_messages 0
listener {port} 127.0.0.1
allow_anonymous true
"""
NO_SUBSCRIBERS = 0x10
"""Reason in the broker's confirmation if it keeps the message for nobody (MQTT 5)."""
HEADER_BYTES = 15 + 4 + 4
"""Magic text, checksum and version at the beginning of Mosquitto's database."""
CLIENT_MESSAGE = 3
"""Type of the part of the database that holds a message for one client."""


class MqttPublisher:
    """An independent client with one connection."""

    def __init__(self, host: str, port: int) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._reasons: dict[int, int] = {}
        self._client.on_publish = self._on_publish
        self._client.connect(host, port)
        self._client.loop_start()

    def publish(
        self,
        topic: str,
        body: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        to_subscribers: bool = False,
        **properties: Any,
    ) -> None:
        """Publish a message; on return the broker has confirmed it, unless `qos` is 0.

        With `to_subscribers`, an error is raised if nobody has subscribed to the topic.
        """
        made = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        for name, value in properties.items():
            setattr(made, name, value)
        sent = self._client.publish(topic, body, qos, retain, made)
        sent.wait_for_publish(BOUND_SECONDS)
        assert sent.is_published(), "the broker has not confirmed a message"
        if self._reasons.pop(sent.mid, None) == NO_SUBSCRIBERS and to_subscribers:
            raise ConnectionError("the broker has no subscriber of the topic")

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_publish(
        self, _client: Client, _data: Any, mid: int, reason: Any, _properties: Any
    ) -> None:
        self._reasons[mid] = reason.value


@contextmanager
def mqtt_publisher(host: str, port: int) -> Iterator[MqttPublisher]:
    """Yield a connected publisher."""
    publisher = MqttPublisher(host, port)
    try:
        yield publisher
    finally:
        publisher.close()


class MqttNamespace:
    """Topics and sessions of one test on a broker, with an independent client."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._prefix = f"winchester-test-{uuid.uuid4().hex[:8]}"
        self._client_ids: set[str] = set()
        self._retained: set[str] = set()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the broker."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 1883

    def topic(self, name: str) -> str:
        """Return a topic of this test."""
        return f"{self._prefix}/{name}"

    def client_id(self, name: str = "ingest") -> str:
        """Return a client id of this test; its session is removed at the end."""
        client_id = f"{self._prefix}-{name}"
        self._client_ids.add(client_id)
        return client_id

    def publish(self, topic: str, *bodies: bytes, **options: Any) -> None:
        """Publish messages, as `MqttPublisher.publish`; retained ones are removed at the end."""
        if options.get("retain"):
            self._retained.add(topic)
        with mqtt_publisher(*self.address) as publisher:
            for body in bodies:
                publisher.publish(topic, body, **options)

    def remove(self) -> None:
        """Remove the sessions and the retained messages."""
        for client_id in self._client_ids:
            remove_session(*self.address, client_id)
        with mqtt_publisher(*self.address) as publisher:
            for topic in self._retained:
                publisher.publish(topic, b"", retain=True)


def remove_session(host: str, port: int, client_id: str) -> None:
    """Connect with a clean start and without an expiry, so that the broker removes the session."""
    with _connected(host, port, client_id, clean=True):
        pass


def create_session(host: str, port: int, client_id: str, topic_filter: str, qos: int = 1) -> None:
    """Create a session with a subscription that keeps messages from now on."""
    with _connected(host, port, client_id, clean=False) as client:
        subscribed: list[Any] = []
        client.on_subscribe = lambda _client, _data, _mid, reasons, _sent: subscribed.extend(
            reasons
        )
        client.subscribe(topic_filter, qos)
        wait_until(lambda: bool(subscribed))
        assert not any(reason.is_failure for reason in subscribed), subscribed


@contextmanager
def _connected(host: str, port: int, client_id: str, *, clean: bool) -> Iterator[Client]:
    client = Client(
        CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5
    )
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 0 if clean else 3600
    client.connect(host, port, clean_start=clean, properties=properties)
    client.loop_start()
    try:
        wait_until(client.is_connected)
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


@contextmanager
def mqtt_namespace() -> Iterator[MqttNamespace]:
    """Yield a namespace on the local broker; remove its sessions and messages at the end."""
    namespace = MqttNamespace(os.environ.get(URL_VARIABLE, LOCAL_URL))
    try:
        socket.create_connection(namespace.address, BOUND_SECONDS).close()
    except OSError as error:
        absent(f"an MQTT broker is absent ({URL_VARIABLE}): {error}")
    try:
        yield namespace
    finally:
        namespace.remove()


class Mosquitto(PrivateServer):
    """A private Mosquitto, which keeps all messages for its sessions.

    `configuration` may put files into its folder, and returns further lines of its configuration.
    """

    name = "mosquitto"
    programs = ("mosquitto",)
    graceful = signal.SIGTERM
    immediate = signal.SIGKILL

    def __init__(
        self, folder: Path, configuration: Callable[[Mosquitto], str] = lambda _: ""
    ) -> None:
        super().__init__(folder)
        self._configuration = configuration

    @property
    def url(self) -> str:
        """Its address."""
        return f"mqtt://127.0.0.1:{self.port}"

    def install(self) -> None:
        text = CONFIGURATION.format(folder=self.folder, port=self.port)
        (self.folder / "mosquitto.conf").write_text(text + self._configuration(self))

    def command(self) -> list[str]:
        return [found("mosquitto"), "-c", str(self.folder / "mosquitto.conf")]

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), BOUND_SECONDS).close()
        except OSError:
            return False
        return True

    def count_unacknowledged(self) -> int:
        """Return the number of messages that it keeps for the sessions of all clients.

        Mosquitto writes its database when it receives SIGUSR1.
        """
        database = self.folder / "mosquitto.db"
        written_before = _inode(database)
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR1)
        wait_until(lambda: _inode(database) not in (written_before, None))
        return count_client_messages(database.read_bytes())


def count_client_messages(database: bytes) -> int:
    """Count the parts with a client's message: each part has a type and a length before it."""
    count, position = 0, HEADER_BYTES
    while position < len(database):
        part, length = struct.unpack_from("!II", database, position)
        count += part == CLIENT_MESSAGE
        position += 8 + length
    return count


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


@contextmanager
def private_mosquitto(
    configuration: Callable[[Mosquitto], str] = lambda _: "",
) -> Iterator[Mosquitto]:
    """Yield a running Mosquitto without sessions; stop and remove it afterwards."""
    with running(Mosquitto, lambda folder: Mosquitto(folder, configuration)) as server:
        yield server
