"""Walks the events of an instance and period, and adds a verdict for each `exists`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from winchester_core.interfaces import PipelineHandler
from winchester_handlers.usage.checks import EXISTS, judge
from winchester_handlers.usage.verdict_events import missing_exists_event, verdict_events

if TYPE_CHECKING:
    from winchester_core.model import Event

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
