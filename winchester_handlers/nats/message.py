"""Messages of the `nats` handler: body and headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from winchester_handlers.event_content import (
    CLOUDEVENT,
    JSON,
    cloudevent_headers,
    content,
    structured_cloudevent,
    to_json,
)

if TYPE_CHECKING:
    from winchester_core.interfaces import Effect

MESSAGE_ID = "Nats-Msg-Id"
"""Header by which JetStream recognizes a repeated message."""
CONTENT_TYPE = "Content-Type"


class NatsMessage(NamedTuple):
    """Body and headers of a message."""

    body: bytes
    headers: dict[str, str]

    @property
    def size_bytes(self) -> int:
        """The size that counts for the maximum payload of a server."""
        lines = sum(len(name) + len(text) + 4 for name, text in self.headers.items())
        return len(self.body) + lines + len("NATS/1.0\r\n\r\n")


def build_message(effect: Effect, form: str, source: str) -> NatsMessage:
    """Return the message of an effect in one of `FORMATS`, as CloudEvents define it for NATS.

    In binary mode the type of the content is an attribute like any other.
    """
    headers = {MESSAGE_ID: effect.id}
    if form == "cloudevent":
        body = to_json(structured_cloudevent(effect, source))
        return NatsMessage(body, headers | {CONTENT_TYPE: CLOUDEVENT})
    body = to_json(content(effect.payload))
    if form == "cloudevent_binary":
        attributes = cloudevent_headers(effect, source)
        return NatsMessage(body, headers | attributes | {"ce-datacontenttype": JSON})
    return NatsMessage(body, headers | {CONTENT_TYPE: JSON})
