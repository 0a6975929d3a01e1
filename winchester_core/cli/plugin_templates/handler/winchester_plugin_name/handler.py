"""The handler `plugin_name`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID, uuid5

from voluptuous import All, Length, Optional, Schema
from winchester_core.interfaces import PipelineHandler

if TYPE_CHECKING:
    from winchester_core.model import Event

DEFAULT_TYPE = "plugin_name.summary"
IDS = UUID("00000000-0000-4000-8000-000000000000")
"""UUID namespace of the events that this handler creates. No other handler uses it."""


class PluginNameHandler(PipelineHandler):
    """Adds an event that summarizes the events of a stream: their number and total duration.

    Parameters:

    - `event_type`: the type of the summary event (default `plugin_name.summary`).

    Exclude this type from `event_type` in your triggers, or there will be summaries of summaries.
    """

    example: ClassVar[str] = """
        - name: plugin_name
          params: {event_type: order.summary}
    """
    config_schema: ClassVar[Schema] = Schema(
        {
            Optional(
                "event_type", default=DEFAULT_TYPE, description="the type of the summary event"
            ): All(str, Length(min=1, max=255))
        }
    )

    def __init__(self, event_type: str) -> None:
        super().__init__(event_type=event_type)
        self._event_type = event_type

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Return the events followed by the summary; an empty list for no events.

        It may run more than once for a stream. Therefore the id of the summary is derived from
        values that stay the same, and no clock is read. If the handler has external effects, queue
        them with `env["outbox"].put(...)` and perform them in `deliver`, or perform them in
        `commit`.
        """
        if not events:
            return events
        times = [event["timestamp"] for event in events]
        summary = {
            "message_id": str(uuid5(IDS, f"{env['stream_id']} {events[0]['message_id']}")),
            "event_type": self._event_type,
            "timestamp": max(times),
            "stream_name": env["stream_name"],
            "reason": env["reason"],
            "event_count": len(events),
            "duration_seconds": (max(times) - min(times)).total_seconds(),
        }
        return [*events, summary]
