"""Parameters that several sources share, and the fields of messages that they set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from voluptuous import In, Optional

from winchester_core.interfaces.mapping_names import mapping_names
from winchester_core.interfaces.params import NAME
from winchester_core.model import MessageKind

if TYPE_CHECKING:
    from collections.abc import Mapping

DATETIME_TRAITS: dict[Any, Any] = {
    Optional(
        "datetime_traits",
        default=list,
        description="traits of events that are datetimes, besides those in an event's "
        "`@datetime_traits`",
    ): [NAME]
}

MAPPING: dict[Any, Any] = {
    Optional(
        "mapping",
        default=list,
        description="name of the mapping that makes events of the messages, or a list of names, "
        "which are tried in order; `format` and `datetime_traits` then have no effect",
    ): mapping_names
}
"""For `Message.mappings`."""

MESSAGE_PARAMETERS: dict[Any, Any] = {
    Optional(
        "format",
        default=MessageKind.NOTIFICATION.value,
        description="format of the messages; a notification may be in an oslo.messaging envelope",
    ): In([kind.value for kind in MessageKind]),
    **DATETIME_TRAITS,
    **MAPPING,
}
"""For `message_fields`."""


class MessageFields(TypedDict):
    """Fields of `Message` that are the same for all messages of a source."""

    kind: MessageKind
    datetime_traits: tuple[str, ...]
    mappings: tuple[str, ...]


def message_fields(params: Mapping[str, Any]) -> MessageFields:
    """Return the fields of `Message` that `MESSAGE_PARAMETERS` set, from validated parameters."""
    return MessageFields(
        kind=MessageKind(params["format"]),
        datetime_traits=tuple(params["datetime_traits"]),
        mappings=tuple(params["mapping"]),
    )
