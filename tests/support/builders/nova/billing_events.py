"""Events of Nova's notifications without a distiller, for tests of later steps.

They have only the traits that the usage handler reads, by the field paths of definitions in use.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

EXISTS = "compute.instance.exists"


def distilled(notification: dict[str, Any]) -> dict[str, Any]:
    """Return the event of a notification."""
    payload = notification["payload"]
    image = payload.get("image_meta", {})
    public = payload.get("bandwidth", {}).get("public", {})
    texts = {  # without a type, a trait is distilled as text
        "tenant_id": payload.get("tenant_id") or notification.get("_context_project_id"),
        "instance_id": payload.get("instance_uuid") or payload.get("instance_id"),
        "state": payload.get("state"),
        "bandwidth_in": public.get("bw_in"),
        "bandwidth_out": public.get("bw_out"),
        "os_architecture": image.get("org.openstack__1__architecture"),
        "os_version": image.get("org.openstack__1__os_version"),
        "os_distro": image.get("org.openstack__1__os_distro"),
        "rax_options": image.get("com.rackspace__1__options"),
    }
    times = {
        "timestamp": notification["timestamp"],
        "launched_at": payload.get("launched_at"),
        "deleted_at": payload.get("deleted_at") or payload.get("terminated_at"),
    }
    if notification["event_type"] == EXISTS:
        times["audit_period_beginning"] = payload.get("audit_period_beginning")
        times["audit_period_ending"] = payload.get("audit_period_ending")
    event: dict[str, Any] = {k: notification[k] for k in ("message_id", "event_type")}
    event |= {name: str(value) for name, value in texts.items() if value not in (None, "")}
    event |= {name: moment(text) for name, text in times.items() if text}
    if payload.get("instance_type_id") is not None:
        event["instance_flavor_id"] = int(payload["instance_type_id"])
    return event


def moment(text: str) -> datetime:
    """Format a time as in notifications: naive UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
