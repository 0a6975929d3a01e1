"""Any body, key, header, topic and property makes an event or an invalid message, never an error.

The sources `kafka`, `nats`, `redis` and `mqtt` convert what their libraries deliver. The messages
are then decoded without and with a mapping that reads headers and properties.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import orjson
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE
from hypothesis import example, given
from hypothesis import strategies as st
from nats.aio.msg import Msg

from support.builders.hostile_texts import HOSTILE, HUGE
from winchester_core.errors import InvalidEvent
from winchester_core.ingest.decoding import Decoder, make_rejection
from winchester_core.interfaces.nats_client import ReadingClient
from winchester_core.mapping import MappingSet
from winchester_core.model import Message, MessageKind
from winchester_core.sources.kafka.content import read_content as read_kafka
from winchester_core.sources.mqtt.client import make_client
from winchester_core.sources.mqtt.content import read_content as read_mqtt
from winchester_core.sources.mqtt.params import MQTT_SCHEMA
from winchester_core.sources.nats.session import _read as read_nats
from winchester_core.sources.redis.source import read_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

EVENT = {"message_id": "1", "event_type": "t", "timestamp": "2026-03-14T10:00:00Z"}
NAMES = ("a", "Ä", "x-secret", "")
TEXTS = st.sampled_from([*HOSTILE, *NAMES, "\0", "\ufeff", "\ud800"]) | st.text(max_size=20)
RAW = st.binary(max_size=40) | TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass"))
BODIES = st.one_of(
    RAW,
    st.text().map(lambda text: text.encode("utf-16", "surrogatepass")),
    st.dictionaries(
        st.sampled_from([*EVENT, "data"]) | st.text(max_size=5),
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5),
        max_size=5,
    ).map(lambda more: orjson.dumps({**EVENT, **more})),
)
READ_PATHS = [
    *(f"_headers.'{name}'" for name in ("a", "ä", "x-secret")),
    *(f"_properties.{name}" for name in ("topic", "key", "timestamp", "content_type", "subject")),
]
MAPPINGS = MappingSet(
    {
        "any": {
            "event_type": {"fields": READ_PATHS, "type": "text", "default": "t"},
            "timestamp": {"now": True},
            "traits": {f"trait{number}": path for number, path in enumerate(READ_PATHS)},
        }
    },
    {},
)
DECODER = Decoder(None, MAPPINGS)


def check(
    body: bytes | Mapping[str, Any],
    headers: Mapping[str, Any],
    properties: Mapping[str, Any],
    fault: str | None,
) -> None:
    """Check that a message becomes an event, or is invalid and can be stored as such."""
    fields: dict[str, Any] = {"headers": headers, "properties": properties, "fault": fault}
    for mappings in ((), ("any",)):
        message = Message(body, MessageKind.EVENT, mappings=mappings, **fields)
        try:
            if mappings:
                assert len(DECODER.mapped_message(message)) == 1
            else:
                DECODER.message(message)
        except InvalidEvent as error:
            context = DECODER.rejection_context(message)
            rejection = make_rejection("source", message, str(error), context)
            assert rejection.reason.encode()
            assert "\0" not in rejection.reason
            assert context is None or json.loads(context)["mappings"] == ["any"]


class KafkaRecord:
    """A message as confluent-kafka delivers it: header names are text, values are bytes."""

    def __init__(self, value: Any, key: Any, headers: Any, timestamp: tuple[int, int]) -> None:
        self._parts = {"value": value, "key": key, "headers": headers, "timestamp": timestamp}

    def __getattr__(self, name: str) -> Any:
        return lambda: self._parts[name]


@given(
    st.none() | BODIES,
    st.none() | RAW,
    st.none() | st.lists(st.tuples(TEXTS, st.none() | RAW), max_size=4),
    st.tuples(
        st.sampled_from([TIMESTAMP_NOT_AVAILABLE, TIMESTAMP_CREATE_TIME]),
        st.integers(-(2**63), 2**63 - 1),
    ),
    st.booleans(),
)
@example(b"{}", HUGE.encode(), [("a", HUGE.encode())], (TIMESTAMP_CREATE_TIME, -1), True)
def test_any_message_of_kafka(
    value: Any, key: Any, headers: Any, timestamp: tuple[int, int], has_traits: bool
) -> None:
    traits = {"key_trait": "key", "header_traits": {"header": "a"}}
    params = traits if has_traits else {"key_trait": None, "header_traits": {}}
    record: Any = KafkaRecord(value, key, headers, timestamp)
    content = read_kafka(record, params)
    properties = {"topic": "t", "key": content.key, "timestamp": content.timestamp}
    check(content.body, content.headers, properties, content.fault)


@given(
    st.dictionaries(RAW | st.sampled_from([b"data", b"a"]), RAW, max_size=5),
    st.sampled_from(["data", None]),
    BODIES,
)
@example({b"\xff": b"\xfe", b"a": HUGE.encode()}, None, b"{}")
def test_any_entry_of_redis(fields: dict[bytes, bytes], field: str | None, body: bytes) -> None:
    for content in (fields, {**fields, b"data": body}):
        read, headers, fault = read_fields(content, field)
        check(read, headers, {"stream": "s", "id": "1-0"}, fault)


HEADER_LINES = st.lists(st.tuples(RAW, RAW), max_size=4).map(
    lambda headers: b"".join(name + b": " + value + b"\r\n" for name, value in headers) + b"\r\n"
)


@given(BODIES, TEXTS, st.just(b"") | HEADER_LINES | RAW)
@example(b"{}", HUGE, b"a: " + HUGE.encode() + b"\r\n\r\n")
@example(b"{}", "s", b" 404 \xff\r\n\r\n")
def test_any_message_of_nats(body: bytes, subject: str, header_lines: bytes) -> None:
    client = ReadingClient(requires_tls=False)
    received = b"NATS/1.0\r\n" + header_lines if header_lines else b""
    headers = asyncio.run(client._process_headers(received))
    reply = "$JS.ACK.stream.consumer.1.2.3.1700000000000000000.0"
    delivery = read_nats(Msg(client, subject, reply, body, headers))
    check(delivery.body, delivery.headers, {"subject": delivery.subject}, delivery.fault)


USER_PROPERTY = 0x26
TEXT_PROPERTIES = (0x03, 0x08)
"""Content type and response topic."""


def encoded(text: bytes) -> bytes:
    return len(text[:65535]).to_bytes(2, "big") + text[:65535]


def length_of(content: bytes) -> bytes:
    """Encode a length as a variable byte integer (MQTT 5, section 1.5.5)."""
    length, encoded_length = len(content), b""
    while True:
        length, byte = divmod(length, 128)
        encoded_length += bytes([byte | 128 if length else byte])
        if not length:
            return encoded_length


VALID_PROPERTIES = st.lists(
    st.tuples(RAW, RAW).map(
        lambda pair: bytes([USER_PROPERTY]) + encoded(pair[0]) + encoded(pair[1])
    )
    | st.tuples(st.sampled_from(TEXT_PROPERTIES), RAW).map(
        lambda pair: bytes([pair[0]]) + encoded(pair[1])
    ),
    max_size=3,
).map(b"".join)


@given(st.sampled_from([5, "3.1.1"]), RAW, VALID_PROPERTIES | st.binary(max_size=40), BODIES)
@example(5, b"\xff", bytes([USER_PROPERTY]) + encoded("\ufeff".encode()) + encoded(b""), b"{}")
@example(5, HUGE.encode(), bytes([USER_PROPERTY]) + encoded(b"a") + encoded(HUGE.encode()), b"{}")
def test_any_message_of_mqtt(protocol: Any, topic: bytes, properties: bytes, body: bytes) -> None:
    params = MQTT_SCHEMA({"client_id": "c", "subscriptions": ["#"], "protocol": protocol})
    client: Any = make_client(params)
    contents = []
    client.on_message = lambda client, _data, message: contents.append(
        read_mqtt(message, client.fault)
    )
    packet = encoded(topic or b"t") + b"\0\7"
    if protocol == 5:
        packet += length_of(properties) + properties
    client._in_packet |= {"command": 0x32, "packet": bytearray(packet + body)}
    client._handle_publish()
    [content] = contents
    assert content.body == body or content.fault is None
    assert len(content.origin) < 300
    check(content.body, content.headers, content.properties, content.fault)
