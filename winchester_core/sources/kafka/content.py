"""Content of a message of Kafka: body, headers, key and timestamp."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE

from winchester_core.errors import InvalidEvent
from winchester_core.model.json import read_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import Message as KafkaMessage

TOMBSTONE = "the message has no value (a tombstone)"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Content(NamedTuple):
    """Parts of a message. `timestamp` is in ISO 8601. With a `fault`, the body is as received."""

    body: bytes | Mapping[str, Any]
    headers: Mapping[str, str | None]
    key: str | None
    timestamp: str | None
    fault: str | None = None


def read_content(message: KafkaMessage, params: Mapping[str, Any]) -> Content:
    """Return the content of a message, with the traits that `params` asks for. Never raises."""
    body = message.value()
    fault = None if body is not None else TOMBSTONE
    body = body or b""
    try:
        key = _text(message.key())
        headers = {name: _text(value) for name, value in message.headers() or ()}
        timestamp = _timestamp(*message.timestamp())
        traits = {trait: headers.get(name) for trait, name in params["header_traits"].items()}
        if params["key_trait"] is not None:
            traits[params["key_trait"]] = key
        return Content(_add_traits(body, traits), headers, key, timestamp, fault)
    except Exception as error:  # noqa: BLE001 - costs this message, not the connection
        return Content(body, {}, None, None, f"the headers cannot be read: {type(error).__name__}")


def _add_traits(body: bytes, traits: Mapping[str, str | None]) -> bytes | Mapping[str, Any]:
    """Return the event with the traits that it does not have. An invalid body stays unchanged."""
    if not traits:
        return body
    try:
        return {**traits, **read_object(body)}
    except InvalidEvent:
        return body


def _text(value: str | bytes | None) -> str | None:
    """Decode UTF-8; bytes that are not UTF-8 become escapes such as `\\xff`."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def _timestamp(kind: int, milliseconds: int) -> str | None:
    if kind == TIMESTAMP_NOT_AVAILABLE:
        return None
    try:
        return (EPOCH + timedelta(milliseconds=milliseconds)).isoformat()
    except OverflowError:  # a sender may set any number
        return None
