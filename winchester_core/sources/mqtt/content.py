"""Content of an MQTT message: body, headers and facts, or the reason why it cannot be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from winchester_core.sources.content import declared_charset, to_utf8

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BODY_BYTES: Final = 16 * 1024 * 1024
"""Maximum size of a body. MQTT allows up to 256 MiB."""

MAX_SHOWN_TOPIC: Final = 200
"""Maximum number of characters of a topic in logs and errors; a topic may have 65,535 bytes."""


@dataclass(frozen=True, slots=True)
class Content:
    """Body (JSON in UTF-8), headers and properties. If there is a `fault`, the body is as received.

    `headers` are the user properties of MQTT 5; of several with the same name, the last one.
    `properties` are `topic`, `qos` and `retained`, and, if the sender set them, `content_type` and
    `response_topic`.
    """

    body: bytes
    headers: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None

    @property
    def origin(self) -> str:
        """The topic, for logs and errors."""
        topic: str = self.properties.get("topic", "(unreadable)")
        end = "..." if len(topic) > MAX_SHOWN_TOPIC else ""
        return f"topic {topic[:MAX_SHOWN_TOPIC]}{end}"


def read_content(message: Any, fault: str | None = None) -> Content:
    """Return the content of a message of paho. Never raises.

    `fault` is a known reason why the message is invalid.
    """
    body: bytes = b""
    headers: Mapping[str, Any] = {}
    properties: dict[str, Any] = {}
    try:
        body = bytes(message.payload)
        properties |= {"qos": int(message.qos), "retained": bool(message.retain)}
        properties["topic"] = message.topic
        sent = message.properties
        headers = dict(getattr(sent, "UserProperty", ()))
        for name, attribute in (
            ("content_type", "ContentType"),
            ("response_topic", "ResponseTopic"),
        ):
            if hasattr(sent, attribute):
                properties[name] = getattr(sent, attribute)
        if fault is None:
            if len(body) > MAX_BODY_BYTES:
                raise ValueError(f"has more than {MAX_BODY_BYTES} bytes")
            body = to_utf8(body, declared_charset(properties.get("content_type", "")))
            return Content(body, headers, properties)
    except UnicodeDecodeError:
        fault = "the topic is not text in UTF-8"
    except ValueError as error:
        fault = f"the body {error}"
    except Exception as error:  # noqa: BLE001 - costs this message, not the connection
        fault = f"cannot be read: {type(error).__name__}"
    return Content(body, headers, properties, fault)
