"""Connection to an MQTT broker, and the thread that reads and writes its packets."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from paho.mqtt.client import error_string
from paho.mqtt.enums import MQTTErrorCode

from winchester_core.errors import SourceError
from winchester_core.sources.errors import source_error
from winchester_core.sources.mqtt.client import (
    QOS,
    broker_address,
    connect,
    make_client,
    subscribe,
)
from winchester_core.sources.mqtt.content import read_content
from winchester_core.sources.mqtt.packet_ids import NO_PACKET_ID, PacketIds
from winchester_core.sources.mqtt.params import session_expiry_seconds
from winchester_core.sources.mqtt.takeover import ConnectionEnd

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    from winchester_core.sources.mqtt.content import Content


logger = logging.getLogger(__name__)

LOOP_SECONDS: Final = 1.0
"""Longest wait of the network thread for a packet. Packets to send end the wait."""
CLOSE_SECONDS: Final = 5.0
"""Longest wait for the broker when the connection is closed."""
CHUNK_BYTES: Final = 65536
MAX_HELD_BYTES: Final = 64 * 1024 * 1024
"""Size of unsettled bodies above which no more packets are read."""
SESSION_TAKEN_OVER: Final = 0x8E
"""Reason of the broker when another client has connected with the same client id (MQTT 5)."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A received message, and its number in this connection."""

    number: int
    qos: int
    redelivered: bool
    content: Content


class BrokerSession:
    """Connection that resumes the session of the client id at the broker.

    A thread reads and writes all packets, also while the database is slow, so that the broker does
    not end the connection. Any error ends the connection and is stored in `failure`. Then nothing
    more is sent, and the broker redelivers unacknowledged messages to the next connection.
    Thread-safe.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Connect and subscribe. Raises `SourceError`."""
        self.failure: SourceError | None = None
        self.end = ConnectionEnd.WITH_REASON
        self.is_resumed = False
        """True if the broker had a session of the client id."""
        self.has_released = False
        """True if messages were released. The broker redelivers them to the next connection."""
        host, port = broker_address(params)
        self._name = f"MQTT broker at {host}, port {port}"
        self._params = params
        self._changed = threading.Condition()
        self._received: deque[Delivery] = deque()
        self._packet_ids = PacketIds()
        self._held_bytes = 0
        self._is_subscribed = self._is_closing = False
        try:
            self._client = self._connect()
        except Exception as error:
            raise source_error(self._name, error) from error
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._thread.start()
        self._wait_for_subscription()

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Delivery]:
        """Return received messages, up to `max_messages`. Wait for the first until the timeout."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._received or self.failure is not None, timeout_seconds
            )
            number = min(max_messages, len(self._received))
            return [self._received.popleft() for _ in range(number)]

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        """Acknowledge messages, after all messages before them."""
        self._settle(deliveries, self._packet_ids.ack)

    def release(self, deliveries: Iterable[Delivery]) -> None:
        """Leave messages unacknowledged. A broker redelivers them only after a reconnection."""
        self.has_released = True
        self._settle(deliveries, self._packet_ids.release)

    def close(self) -> None:
        """Send the last acknowledgements and disconnect; the session stays at the broker."""
        with self._changed:
            self._is_closing = True
            if self.failure is None:
                self._acknowledge(self._packet_ids.release_all())
                self._client.disconnect()
            self._changed.notify_all()
        self._thread.join(CLOSE_SECONDS)
        self._fail("closed")
        self._thread.join()

    def _connect(self) -> Client:
        client = make_client(self._params)
        client.on_connect = self._on_connect
        client.on_unsubscribe = self._on_unsubscribe
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        client.on_socket_close = self._on_socket_close
        # with this callback, paho writes only in the thread that calls `loop`
        client.on_socket_register_write = _write_later
        connect(client, self._params)
        return client

    def _wait_for_subscription(self) -> None:
        """Wait for the reply of the broker.

        If more messages are redelivered before it than fit, it is read after they are settled.
        """
        timeout_seconds = self._params["timeout_seconds"]

        def is_open() -> bool:
            return self._is_subscribed or self._is_full()

        with self._changed:
            self._changed.wait_for(lambda: is_open() or self.failure is not None, timeout_seconds)
            if not is_open():
                self._fail(f"no reply within {timeout_seconds:g} seconds")
        if self.failure is not None:
            self.close()
            raise self.failure

    def _settle(self, deliveries: Iterable[Delivery], settle: Any) -> None:
        with self._changed:
            settled = list(deliveries)
            self._held_bytes -= sum(len(each.content.body) for each in settled)
            packet_ids = settle(each.number for each in settled)
            if self.failure is None:
                self._acknowledge(packet_ids)
            self._changed.notify_all()

    def _acknowledge(self, packet_ids: Iterable[int]) -> None:
        for packet_id in packet_ids:
            self._client.ack(packet_id, QOS)

    # --- the network thread -----------------------------------------------------------------

    def _run(self) -> None:
        client = self._client
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        try:
            while code == MQTTErrorCode.MQTT_ERR_SUCCESS and self.failure is None:
                code = self._keep_alive(client) if self._is_full() else client.loop(LOOP_SECONDS)
            self._fail(error_string(code))
        except Exception as error:
            logger.debug("connection failed: broker=%s", self._name, exc_info=error)
            self._fail(error)
        finally:
            if (broken := client.socket()) is not None:
                broken.close()
            # these refer to this object, which would keep the client's sockets open
            client.on_connect = client.on_unsubscribe = client.on_subscribe = None
            client.on_message = client.on_disconnect = client.on_socket_close = None

    def _is_full(self) -> bool:
        """Return whether to read no more packets.

        MQTT 3.1.1 has no limit, nor has QoS 0, and after a reconnection a broker of MQTT 5 may
        exceed its limit. TCP stops the broker when this thread does not read.
        """
        with self._changed:
            return not self._is_closing and (
                len(self._packet_ids) > self._params["prefetch"]
                or self._held_bytes > MAX_HELD_BYTES
            )

    def _keep_alive(self, client: Client) -> MQTTErrorCode:
        """Send packets but read none, until messages are settled."""
        with self._changed:
            self._changed.wait(LOOP_SECONDS)
        code = client.loop_misc()
        if code == MQTTErrorCode.MQTT_ERR_SUCCESS and client.want_write():
            code = client.loop_write()
        return code

    def _on_connect(
        self,
        client: Client,
        _data: Any,
        flags: ConnectFlags,
        reason: ReasonCode,
        sent: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._fail(f"the connection was refused: {reason}")
            return
        self.is_resumed = flags.session_present
        wanted = session_expiry_seconds(self._params)
        granted = getattr(sent, "SessionExpiryInterval", wanted)
        if granted < wanted:
            logger.warning(
                "broker limits the session expiry: broker=%r seconds=%d", self._name, granted
            )
        subscribe(client, self._params)

    def _on_unsubscribe(
        self,
        _client: Client,
        _data: Any,
        _mid: int,
        reasons: list[ReasonCode],
        _sent: Properties | None,
    ) -> None:
        # MQTT 3.1.1 has no reasons
        for name, reason in zip(self._params["unsubscribe"], reasons, strict=False):
            if reason.is_failure:
                self._fail(f"the subscription {name!r} cannot be removed: {reason}")

    def _on_subscribe(
        self,
        _client: Client,
        _data: Any,
        _mid: int,
        reasons: list[ReasonCode],
        _sent: Properties | None,
    ) -> None:
        for name, reason in zip(self._params["subscriptions"], reasons, strict=True):
            if reason.is_failure:
                self._fail(f"the subscription {name!r} was refused: {reason}")
            elif reason.value < QOS:
                self._fail(
                    f"the subscription {name!r} was granted QoS {reason.value}, with which "
                    f"messages may be lost; the broker must grant QoS {QOS}"
                )
        with self._changed:
            self._is_subscribed = self.failure is None
            self._changed.notify_all()

    def _on_message(self, client: Client, _data: Any, message: MQTTMessage) -> None:
        content = read_content(message, getattr(client, "fault", None))
        packet_id = message.mid
        if message.qos > QOS:
            # of an earlier subscription of the session; the broker no longer has the message
            client.ack(packet_id, message.qos)
            packet_id = NO_PACKET_ID
        with self._changed:
            number = self._packet_ids.add(packet_id)
            if number is None:
                return
            if self._params["ignore_retained"] and message.retain:
                self._acknowledge(self._packet_ids.ack([number]))
                return
            self._held_bytes += len(content.body)
            self._received.append(Delivery(number, message.qos, message.dup, content))
            self._changed.notify_all()

    def _on_disconnect(
        self,
        _client: Client,
        _data: Any,
        flags: DisconnectFlags,
        reason: ReasonCode,
        _sent: Properties | None,
    ) -> None:
        if self._is_closing:
            return
        if not flags.is_disconnect_packet_from_server:
            self.end = ConnectionEnd.WITHOUT_REASON
            self._fail("the broker has closed the connection, or the connection is broken")
            return
        if reason.value == SESSION_TAKEN_OVER:
            self.end = ConnectionEnd.TAKEN_OVER
        self._fail(f"the broker has ended the connection: {reason}")

    def _on_socket_close(self, _client: Client, _data: Any, closed: Any) -> None:
        """Wait until the broker has read the last packets.

        If a socket with unread messages is closed, TCP may discard the packets sent before.
        """
        if not self._is_closing:
            return
        timeout_at = time.monotonic() + CLOSE_SECONDS
        with suppress(OSError, AttributeError):  # a WebSocket of paho has no `shutdown`
            closed.shutdown(socket.SHUT_WR)
            closed.settimeout(CLOSE_SECONDS)
            while time.monotonic() < timeout_at and closed.recv(CHUNK_BYTES):
                pass

    def _fail(self, error: Exception | str) -> None:
        """Store the first error, and wake `receive`."""
        with self._changed:
            if self.failure is None:
                self.failure = (
                    SourceError(self._name, error)
                    if isinstance(error, str)
                    else source_error(self._name, error)
                )
            self._changed.notify_all()


def _write_later(_client: Client, _data: Any, _socket: Any) -> None:
    """Do nothing: the network thread writes."""
