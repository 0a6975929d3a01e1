from __future__ import annotations

from typing import Any

import pytest
from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from winchester_core.sources.mqtt.client import without_properties
from winchester_core.sources.mqtt.content import MAX_BODY_BYTES, read_content


def message(body: bytes = b"{}", topic: bytes = b"plant/1", **properties: Any) -> MQTTMessage:
    made = MQTTMessage(mid=1, topic=topic)
    made.payload, made.qos = body, 1
    if properties:
        made.properties = Properties(PacketTypes.PUBLISH)
        for name, value in properties.items():
            setattr(made.properties, name, value)
    return made


def test_a_message_of_mqtt_3_has_no_headers() -> None:
    content = read_content(message(b'{"a": 1}'))
    assert (content.body, content.headers, content.fault) == (b'{"a": 1}', {}, None)
    assert content.properties == {"topic": "plant/1", "qos": 1, "retained": False}
    assert content.origin == "topic plant/1"


def test_user_properties_are_headers() -> None:
    content = read_content(
        message(
            UserProperty=[("site", "1"), ("unit", "C"), ("site", "2")],
            ContentType="application/json",
            ResponseTopic="reply/7",
        )
    )
    assert content.headers == {"site": "2", "unit": "C"}
    assert content.properties["content_type"] == "application/json"
    assert content.properties["response_topic"] == "reply/7"
    assert content.fault is None


def test_a_body_is_decoded_by_its_content_type() -> None:
    sent = message('"é"'.encode("latin-1"), ContentType="application/json; charset=latin-1")
    assert read_content(sent).body == '"é"'.encode()


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        (
            message(ContentType="application/json; charset=odd"),
            "the body has an unknown charset: 'odd'",
        ),
        (message(b"." * (MAX_BODY_BYTES + 1)), "the body has more than 16777216 bytes"),
        (message(topic=b"\xff"), "the topic is not text in UTF-8"),
    ],
)
def test_an_unreadable_message_is_kept_as_received(sent: MQTTMessage, fault: str) -> None:
    content = read_content(sent)
    assert content.body == sent.payload
    assert content.fault == fault


def test_a_message_that_raises_is_invalid() -> None:
    class Odd:
        @property
        def payload(self) -> bytes:
            raise RuntimeError("odd")

    assert read_content(Odd()).fault == "cannot be read: RuntimeError"
    assert read_content(Odd()).origin == "topic (unreadable)"


def test_a_long_topic_is_shortened_in_errors() -> None:
    origin = read_content(message(topic=b"a" * 60_000)).origin
    assert origin == f"topic {'a' * 200}..."


@pytest.mark.parametrize(("command", "packet_id"), [(0x30, b""), (0x32, b"\0\7"), (0x3D, b"\0\7")])
@pytest.mark.parametrize("size", [0, 5, 200])
def test_a_packet_without_its_properties(command: int, packet_id: bytes, size: int) -> None:
    length = bytes([size]) if size < 128 else bytes([size % 128 + 128, size // 128])
    begin = b"\0\3a/b" + packet_id
    packet = begin + length + b"p" * size + b"body"
    assert without_properties(command, packet) == begin + b"\0body"
