"""Handler that adds a verdict for each `exists` event of an instance and period."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from uuid import NAMESPACE_URL, UUID, uuid5

from winchester_core.interfaces import PipelineHandler
from winchester_handlers.usage.checks import EXISTS, NO_EXISTS, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.model import Event
    from winchester_handlers.usage.checks import Fault, Verdict

NOTIFICATIONS = "usage_notifications"
"""Where in `env` the older system's files look for the verdicts."""


class UsageHandler(PipelineHandler):
    """Judges every `compute.instance.exists` against the events that came before it.

    Takes no parameters. Events are expected in order of time, as every stream is given. The
    verdicts are appended after the given events: see `checks` for what is checked and
    `verdict_events` for what is added. They also stand in `env["usage_notifications"]`, where
    `notabene` finds them by its `env_keys`.
    """

    example: ClassVar[str] = "- usage"

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Return `events` followed by the verdicts; gives one for every `exists`, whatever it is.

        A block is what came since the previous `exists`; events after the last one fail as U0.
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
"""Who consumers of these events have always known as their sender."""

DEFAULT_TRAITS: Mapping[str, Any] = {"bandwidth_in": 0, "bandwidth_out": 0, "rax_options": "0"}


def verdict_events(exists: Event, verdict: Verdict, stream_id: int) -> list[Event]:
    """Return the warnings event of `verdict`, where there are warnings, and the verdict itself."""
    added = []
    if verdict.warnings:
        warnings_event = _base_event(exists, WARNINGS, stream_id)
        added.append(warnings_event | {"warnings": ", ".join(verdict.warnings)})
    added.append(_verdict_event(exists, verdict.fault, stream_id))
    return added


def missing_exists_event(first: Event, stream_id: int) -> Event:
    """Return the failure for events that no `exists` follows; `first` is the first of them."""
    return _base_event(first, FAILED, stream_id) | _fault_traits(NO_EXISTS)


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
