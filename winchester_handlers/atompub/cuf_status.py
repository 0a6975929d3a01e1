"""The status of a server in CUF, from the state that the event tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN = "UNKNOWN"

BY_STATE = {
    "building": "BUILD",
    "stopped": "SHUTOFF",
    "paused": "PAUSED",
    "suspended": "SUSPENDED",
    "rescued": "RESCUE",
    "error": "ERROR",
    "deleted": "DELETED",
    "soft-delete": "SOFT_DELETED",
    "shelved": "SHELVED",
    "shelved_offloaded": "SHELVED_OFFLOADED",
}
RESIZED, RESIZED_BY_DESCRIPTION = "VERIFY_RESIZE", {"resize_reverting": "REVERT_RESIZE"}
ACTIVE = "ACTIVE"
ACTIVE_BY_DESCRIPTION = {
    "rebooting": "REBOOT",
    "rebooting_hard": "HARD_REBOOT",
    "updating_password": "PASSWORD",
    "rebuilding": "REBUILD",
    "rebuild_block_device_mapping": "REBUILD",
    "rebuild_spawning": "REBUILD",
    "migrating": "MIGRATING",
    "resize_prep": "RESIZE",
    "resize_migrating": "RESIZE",
    "resize_migrated": "RESIZE",
    "resize_finish": "RESIZE",
}


def cuf_status(traits: Mapping[str, Any]) -> str:
    """The status for `state` and `state_description`; `UNKNOWN` for a state that CUF lacks."""
    state, description = traits.get("state"), traits.get("state_description")
    match state:
        case "active":
            return ACTIVE_BY_DESCRIPTION.get(description, ACTIVE) if description else ACTIVE
        case "resized":
            return RESIZED_BY_DESCRIPTION.get(description, RESIZED) if description else RESIZED
        case str():
            return BY_STATE.get(state, UNKNOWN)
        case _:
            return UNKNOWN
