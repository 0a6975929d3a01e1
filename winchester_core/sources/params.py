"""Parameters that several sources share."""

from __future__ import annotations

from typing import Any

from voluptuous import In, Optional

from winchester_core.interfaces.params import NAME
from winchester_core.model import MessageKind

DATETIME_TRAITS: dict[Any, Any] = {
    Optional(
        "datetime_traits",
        default=list,
        description="traits of events that are datetimes, besides those in an event's "
        "`@datetime_traits`",
    ): [NAME]
}

MESSAGE_PARAMETERS: dict[Any, Any] = {
    Optional(
        "format",
        default=MessageKind.NOTIFICATION.value,
        description="format of the messages; a notification may be in an oslo.messaging envelope",
    ): In([kind.value for kind in MessageKind]),
    **DATETIME_TRAITS,
}
