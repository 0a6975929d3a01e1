"""The events that tell a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

from winchester_handlers.usage.checks import EXISTS, NO_EXISTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.model import Event
    from winchester_handlers.usage.checks import Fault, Verdict

VERIFIED, FAILED, WARNINGS = f"{EXISTS}.verified", f"{EXISTS}.failed", f"{EXISTS}.warnings"
PUBLISHER_ID = "stv3"
"""Who consumers of these events have always known as their sender."""

DEFAULT_TRAITS: Mapping[str, Any] = {"bandwidth_in": 0, "bandwidth_out": 0, "rax_options": "0"}


def verdict_events(exists: Event, verdict: Verdict, stream_id: int) -> list[Event]:
    """Return the warnings event of `verdict`, where there are warnings, and the verdict itself."""
    added = []
    if verdict.warnings:
        warnings_event = _report(exists, WARNINGS, stream_id)
        added.append(warnings_event | {"warnings": ", ".join(verdict.warnings)})
    added.append(_verdict_event(exists, verdict.fault, stream_id))
    return added


def missing_exists_event(first: Event, stream_id: int) -> Event:
    """Return the failure for events that no `exists` follows; `first` is the first of them."""
    return _report(first, FAILED, stream_id) | _fault_traits(NO_EXISTS)


def derived_id(message_id: str, event_type: str) -> str:
    """Return the id of the event of this type made from `message_id`: the same on every retry."""
    try:
        namespace = UUID(message_id)
    except ValueError:
        namespace = uuid5(NAMESPACE_URL, message_id)
    return str(uuid5(namespace, event_type))


def _verdict_event(exists: Event, fault: Fault | None, stream_id: int) -> Event:
    event = {name: value for name, value in exists.items() if value is not None}
    for name, value in DEFAULT_TRAITS.items():
        event.setdefault(name, value)
    event_type = FAILED if fault else VERIFIED
    event |= _identity(exists, event_type, stream_id)
    event["original_message_id"] = exists["message_id"]
    return event | _fault_traits(fault) if fault else event


def _report(about: Event, event_type: str, stream_id: int) -> Event:
    event = _identity(about, event_type, stream_id)
    if about.get("instance_id") is not None:
        event["instance_id"] = about["instance_id"]
    return event


def _identity(about: Event, event_type: str, stream_id: int) -> Event:
    return {
        "message_id": derived_id(about["message_id"], event_type),
        "event_type": event_type,
        "timestamp": about["timestamp"],
        "publisher_id": PUBLISHER_ID,
        "stream_id": stream_id,
    }


def _fault_traits(fault: Fault) -> dict[str, str]:
    return {"error": fault.error, "error_code": fault.code}
