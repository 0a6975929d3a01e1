"""The usage of a server as CUF: the `event` element that an entry holds."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement, register_namespace

from winchester_handlers.atompub.cuf_licenses import application_license, os_license
from winchester_handlers.atompub.cuf_status import UNKNOWN, cuf_status
from winchester_handlers.atompub.xml_text import xml_text

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

EVENT = "http://docs.rackspace.com/core/event"
NOVA = "http://docs.rackspace.com/event/nova"
register_namespace("event", EVENT)
register_namespace("nova", NOVA)


def cuf_event(traits: Mapping[str, Any]) -> Element:
    """The element for an event's traits. An attribute is empty where the event lacks its trait."""
    begin, end = usage_times(traits)
    element = Element(f"{{{EVENT}}}event", _texts(_event_attributes(traits, begin, end)))
    SubElement(element, f"{{{NOVA}}}product", _texts(_product_attributes(traits)))
    return element


def usage_times(traits: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """From when to when the server was used within its audit period.

    A trait that is missing, or no datetime, does not count.
    """
    period_begin = _moment(traits, "audit_period_beginning")
    period_end = _moment(traits, "audit_period_ending")
    launched = _moment(traits, "launched_at")
    ended = _moment(traits, "terminated_at") or _moment(traits, "deleted_at")
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
        log.warning("event %s: no status of CUF for state %r", traits["message_id"], state)
    return status


def _texts(attributes: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in attributes.items()}


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return "" if value is None else xml_text(str(value))


def _moment(traits: Mapping[str, Any], name: str) -> datetime | None:
    value = traits.get(name)
    return value if isinstance(value, datetime) else None
