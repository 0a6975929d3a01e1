"""MQTT client of the source: paho's, with TLS, WebSockets and a session that outlives it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties, VariableByteIntegers
from paho.mqtt.subscribeoptions import SubscribeOptions

from winchester_core.sources.mqtt.params import (
    DEFAULT_PORTS,
    MQTT_5,
    TLS_SCHEMES,
    session_expiry_seconds,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from paho.mqtt.enums import MQTTErrorCode

QOS = 1
"""Quality of service of the subscriptions.

Messages published with QoS 2 are delivered with QoS 1. With QoS 2, the client would confirm each
message (PUBREC) on arrival, so that a crash before the commit would lose it.
"""

PUBLISH_QOS_BITS = 0x06
NO_PROPERTIES = b"\0"
RETAINED_TO_NEW_SUBSCRIPTIONS, RETAINED_NEVER = 1, 2


class TolerantClient(Client):
    """paho's client, changed to accept properties of MQTT 5 that it cannot decode.

    For example, paho refuses the character U+FEFF. It would end the connection at each delivery of
    the message. Here the message has no properties, and while it is delivered, `fault` is the
    reason.
    """

    fault: str | None = None

    def _handle_publish(self) -> MQTTErrorCode:
        try:
            return super()._handle_publish()
        except Exception as error:
            if self.fault is not None or self._protocol != MQTTProtocolVersion.MQTTv5:
                raise
            packet = self._in_packet
            packet["packet"] = bytearray(
                without_properties(packet["command"], bytes(packet["packet"]))
            )
            self.fault = f"its properties cannot be read: {type(error).__name__}"
            try:
                return super()._handle_publish()
            finally:
                self.fault = None


def without_properties(command: int, packet: bytes) -> bytes:
    """Return a PUBLISH packet of MQTT 5 without its properties (MQTT 5, section 3.3.2).

    `command` is the first byte of the fixed header, `packet` all that follows the fixed header.
    """
    topic_bytes = int.from_bytes(packet[:2])
    begin = 2 + topic_bytes + (2 if command & PUBLISH_QOS_BITS else 0)
    length, length_bytes = VariableByteIntegers.decode(packet[begin:])  # type: ignore[no-untyped-call]
    return packet[:begin] + NO_PROPERTIES + packet[begin + length_bytes + length :]


def make_client(params: Mapping[str, Any]) -> Client:
    """Return an unconnected client. Raises `OSError` if a file of `tls` cannot be read."""
    address = urlsplit(params["url"])
    is_mqtt_5 = params["protocol"] == MQTT_5
    is_websocket = address.scheme.startswith("ws")
    client = TolerantClient(
        CallbackAPIVersion.VERSION2,
        client_id=params["client_id"],
        clean_session=None if is_mqtt_5 else False,
        protocol=MQTTProtocolVersion.MQTTv5 if is_mqtt_5 else MQTTProtocolVersion.MQTTv311,
        transport="websockets" if is_websocket else "tcp",
        reconnect_on_failure=False,
        manual_ack=True,
    )
    client.connect_timeout = params["timeout_seconds"]
    if is_websocket:
        client.ws_set_options(path=address.path or "/mqtt")
    if address.scheme in TLS_SCHEMES:
        client.tls_set_context(_tls_context(params["tls"] or {}))
    user = params["user"] or unquote(address.username or "") or None
    password = unquote(address.password or "") or None
    if params["password"] is not None:
        password = params["password"]
    if user is not None:
        client.username_pw_set(user, password)
    return client


def broker_address(params: Mapping[str, Any]) -> tuple[str, int]:
    """Return the host and the port of the broker."""
    address = urlsplit(params["url"])
    return address.hostname or "", address.port or DEFAULT_PORTS[address.scheme]


def connect(client: Client, params: Mapping[str, Any]) -> None:
    """Open the connection and send CONNECT, which resumes the session if there is one.

    Raises `OSError`, or another error of a library.
    """
    host, port = broker_address(params)
    if params["protocol"] != MQTT_5:
        client.connect(host, port, params["keepalive_seconds"])
        return
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = session_expiry_seconds(params)
    properties.ReceiveMaximum = params["prefetch"]
    client.connect(
        host, port, params["keepalive_seconds"], clean_start=False, properties=properties
    )


def subscribe(client: Client, params: Mapping[str, Any]) -> None:
    """Send UNSUBSCRIBE for subscriptions to remove, and SUBSCRIBE for all others."""
    if params["unsubscribe"]:
        client.unsubscribe(params["unsubscribe"])
    filters = params["subscriptions"]
    if params["protocol"] != MQTT_5:
        client.subscribe([(each, QOS) for each in filters])
        return
    retained = RETAINED_NEVER if params["ignore_retained"] else RETAINED_TO_NEW_SUBSCRIPTIONS
    options = SubscribeOptions(qos=QOS, retainHandling=retained)
    client.subscribe([(each, options) for each in filters])


def _tls_context(tls: Mapping[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.get("ca_file"))
    if tls.get("cert_file") is not None:
        context.load_cert_chain(tls["cert_file"], tls["key_file"])
    if not tls.get("verify", True):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
