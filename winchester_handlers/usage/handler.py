"""Handler that adds a verdict for each `exists` event of an instance and period."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from uuid import NAMESPACE_URL, UUID, uuid5

from winchester_core.interfaces import PipelineHandler
from winchester_handlers.usage.checks import EXISTS, NO_EXISTS, judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from winchester_core.model import Event
    from winchester_handlers.usage.checks import Fault, Verdict

NOTIFICATIONS = "usage_notifications"
"""Key of the verdicts in `env`; configurations of StackTach v3 use it."""


class UsageHandler(PipelineHandler):
    """Checks every `compute.instance.exists` against the events before it.

    It has no parameters. Events must be ordered by time, which is the order in every stream. The
    verdicts are appended to the events; see `checks` for the rules and `verdict_events` for the new
    events. They are also put into `env["usage_notifications"]`, for `env_keys` of `notabene`.
    """

    example: ClassVar[str] = "- usage"

    @classmethod
    def emitted_event_types(cls, params: Mapping[str, Any]) -> Iterable[str]:
        """Return the types of verdicts and warnings."""
        return (VERIFIED, FAILED, WARNINGS)

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Return `events` followed by a verdict for every `exists`.

        A block consists of the events since the previous `exists`. Events after the last `exists`
        give U0.
        """
        stream_id = env["stream_id"]
        added: list[Event] = []
        block: list[Event] = []
        for event in events:
            if event.get("event_type") == EXISTS:
                added.extend(verdict_events(event, judge(event, block), stream_id))
                block = []
            else:
                block.append(event)
        if block:
            added.append(missing_exists_event(block[0], stream_id))
        env.setdefault(NOTIFICATIONS, []).extend(dict(event) for event in added)
        return [*events, *added]


VERIFIED, FAILED, WARNINGS = f"{EXISTS}.verified", f"{EXISTS}.failed", f"{EXISTS}.warnings"
PUBLISHER_ID = "stv3"
"""Publisher that consumers of these events expect, because StackTach v3 uses it."""

DEFAULT_TRAITS: Mapping[str, Any] = {"bandwidth_in": 0, "bandwidth_out": 0, "rax_options": "0"}


def verdict_events(exists: Event, verdict: Verdict, stream_id: int) -> list[Event]:
    """Return the warnings event of `verdict`, if it has warnings, and the verdict event."""
    added = []
    if verdict.warnings:
        warnings_event = _base_event(exists, WARNINGS, stream_id)
        added.append(warnings_event | {"warnings": ", ".join(verdict.warnings)})
    added.append(_verdict_event(exists, verdict.fault, stream_id))
    return added


def missing_exists_event(first: Event, stream_id: int) -> Event:
    """Return the failure event for events without an `exists`. `first` is the first event."""
    return _base_event(first, FAILED, stream_id) | _fault_traits(NO_EXISTS)


def derived_id(message_id: str, event_type: str) -> str:
    """Return an id derived from event type and `message_id`. It is the same in a retry."""
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


def _base_event(about: Event, event_type: str, stream_id: int) -> Event:
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
