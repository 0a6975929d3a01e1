"""Usage of a server in Rackspace's CUF format, as the `event` element of an entry."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement, register_namespace

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

EVENT = "http://docs.rackspace.com/core/event"
NOVA = "http://docs.rackspace.com/event/nova"
register_namespace("event", EVENT)
register_namespace("nova", NOVA)


def cuf_event(traits: Mapping[str, Any]) -> Element:
    """Return the element for an event's traits. If a trait is missing, its attribute is empty."""
    begin, end = usage_times(traits)
    element = Element(
        f"{{{EVENT}}}event", _format_attributes(_event_attributes(traits, begin, end))
    )
    SubElement(element, f"{{{NOVA}}}product", _format_attributes(_product_attributes(traits)))
    return element


def usage_times(traits: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """Return the begin and end of the server's usage within its audit period.

    Traits that are missing or not datetimes are ignored.
    """
    period_begin = _datetime_trait(traits, "audit_period_beginning")
    period_end = _datetime_trait(traits, "audit_period_ending")
    launched = _datetime_trait(traits, "launched_at")
    ended = _datetime_trait(traits, "terminated_at") or _datetime_trait(traits, "deleted_at")
    begin = max((each for each in (launched, period_begin) if each), default=None)
    end = min((each for each in (ended, period_end) if each), default=None)
    if begin and end and begin > end:
        begin = period_begin
    return begin, end


def _event_attributes(
    traits: Mapping[str, Any], begin: datetime | None, end: datetime | None
) -> dict[str, Any]:
    return {
        "version": "1",
        "id": traits["message_id"],
        "resourceId": traits.get("instance_id"),
        "resourceName": traits.get("display_name"),
        "dataCenter": traits.get("data_center"),
        "region": traits.get("region"),
        "tenantId": traits.get("tenant_id"),
        "startTime": begin,
        "endTime": end,
        "type": "USAGE",
    }


def _product_attributes(traits: Mapping[str, Any]) -> dict[str, Any]:
    options = traits.get("rax_options")
    application = application_license(options)
    return {
        "version": "1",
        "serviceCode": "CloudServersOpenStack",
        "resourceType": "SERVER",
        "flavorId": traits.get("instance_flavor_id"),
        "flavorName": traits.get("instance_flavor"),
        "status": _status(traits),
        "osLicenseType": os_license(options),
        **({"applicationLicense": application} if application else {}),
        "bandwidthIn": traits.get("bandwidth_in"),
        "bandwidthOut": traits.get("bandwidth_out"),
    }


def _status(traits: Mapping[str, Any]) -> str:
    status = cuf_status(traits)
    if status == UNKNOWN:
        state = str(traits.get("state"))[:60]
        log.warning("state without CUF status: event=%s state=%r", traits["message_id"], state)
    return status


def _format_attributes(attributes: Mapping[str, Any]) -> dict[str, str]:
    return {name: _format_attribute(value) for name, value in attributes.items()}


def _format_attribute(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return "" if value is None else replace_invalid_xml(str(value))


def _datetime_trait(traits: Mapping[str, Any], name: str) -> datetime | None:
    value = traits.get(name)
    return value if isinstance(value, datetime) else None


OS_LICENSES = ((0, "RHEL"), (2, "WINDOWS"), (6, "VYATTA"))
OTHER_OS = "LINUX"
APPLICATION_LICENSES = ((3, "MSSQL"), (5, "MSSQL_WEB"))
"""Licenses by bit. If several bits are set, the last one applies."""


def os_license(options: Any) -> str:
    """Return the license of the operating system. `options` is a number, or text of digits."""
    return _last_license(OS_LICENSES, options) or OTHER_OS


def application_license(options: Any) -> str | None:
    """Return the license of an application, or None."""
    return _last_license(APPLICATION_LICENSES, options)


def _last_license(licenses: tuple[tuple[int, str], ...], options: Any) -> str | None:
    bits = _license_bits(options)
    names = [name for bit, name in licenses if bits >> bit & 1]
    return names[-1] if names else None


def _license_bits(options: Any) -> int:
    """Return the bits; 0 if `options` is not a whole number."""
    if isinstance(options, int):
        return options
    text = options.strip() if isinstance(options, str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


UNKNOWN = "UNKNOWN"

STATUS_BY_STATE = {
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
RESIZED_STATUS, RESIZED_STATUS_BY_DESCRIPTION = (
    "VERIFY_RESIZE",
    {"resize_reverting": "REVERT_RESIZE"},
)
ACTIVE_STATUS = "ACTIVE"
ACTIVE_STATUS_BY_DESCRIPTION = {
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
    """Return the status for `state` and `state_description`, or `UNKNOWN` for other states."""
    state, description = traits.get("state"), traits.get("state_description")
    match state:
        case "active":
            return (
                ACTIVE_STATUS_BY_DESCRIPTION.get(description, ACTIVE_STATUS)
                if description
                else ACTIVE_STATUS
            )
        case "resized":
            return (
                RESIZED_STATUS_BY_DESCRIPTION.get(description, RESIZED_STATUS)
                if description
                else RESIZED_STATUS
            )
        case str():
            return STATUS_BY_STATE.get(state, UNKNOWN)
        case _:
            return UNKNOWN


INVALID_XML_CHARACTERS = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def replace_invalid_xml(text: str) -> str:
    """Replace each character that XML 1.0 does not allow even in escaped form by U+FFFD.

    These are the control characters below U+0020 except tab, line feed and carriage return,
    U+FFFE, U+FFFF and surrogates.
    """
    return INVALID_XML_CHARACTERS.sub("\ufffd", text)
