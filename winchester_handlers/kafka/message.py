"""Messages of the `kafka` handler: key, value and headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from winchester_core.interfaces.templates import range_to_mapping
from winchester_handlers.event_content import (
    CLOUDEVENT,
    JSON,
    cloudevent_attributes,
    content,
    structured_cloudevent,
    to_json,
)
from winchester_handlers.kafka.params import CLOUDEVENT_PREFIX, CONTENT_TYPE, EFFECT_ID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.interfaces import Effect


class KafkaMessage(NamedTuple):
    """Value and headers of a message, and its key if it has one."""

    key: str | None
    value: bytes
    headers: dict[str, str]


def message_key(
    names: Sequence[str] | None, payload: Mapping[str, Any], distinguished_by: Mapping[str, Any]
) -> list[Any] | None:
    """Return the values that make the key of a payload, in order; None for no key.

    `names` are traits of the event, or of the group if the payload is a stream; None stands for all
    distinguishing traits. The key of a message that has none of them is None.
    """
    if names is None:
        traits, names = distinguished_by, list(distinguished_by)
    else:
        traits = payload.get("event", distinguished_by)
    values = [range_to_mapping(traits.get(name)) for name in names]
    return None if all(value is None for value in values) else values


def build_message(effect: Effect, form: str, source: str) -> KafkaMessage:
    """Return the message of an effect in one of `FORMATS`, as CloudEvents define it for Kafka."""
    headers = {EFFECT_ID: effect.id}
    if form == "cloudevent":
        value = to_json(structured_cloudevent(effect, source))
        headers[CONTENT_TYPE] = f"{CLOUDEVENT}; charset=UTF-8"
    else:
        value = to_json(content(effect.payload))
        headers[CONTENT_TYPE] = JSON
    if form == "cloudevent_binary":
        attributes = cloudevent_attributes(effect, source)
        headers |= {CLOUDEVENT_PREFIX + name: text for name, text in attributes.items()}
    return KafkaMessage(_key_text(effect.payload.get("key")), value, headers)


def _key_text(values: Sequence[Any] | None) -> str | None:
    """Return one text as it is, and anything else as JSON."""
    match values:
        case None:
            return None
        case [str(text)]:
            return text
        case [value]:
            return to_json(value).decode().strip('"')
        case _:
            return to_json(values).decode()
