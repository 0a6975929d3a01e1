"""The `logger` handler: logs the streams and events of a pipeline."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import All, In, Optional, Schema, Upper

from winchester_core.interfaces import PipelineHandler, case_insensitive_enum, json_schema

if TYPE_CHECKING:
    from winchester_core.model import Event

log = logging.getLogger(__name__)

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_LEVEL = Schema(All(str, Upper, In(LEVELS)))


@json_schema(**case_insensitive_enum(*LEVELS))
def level(value: Any) -> str:
    """Return the name of a log level in capitals. Raises `voluptuous.Invalid`."""
    name: str = _LEVEL(value)
    return name


class LoggerHandler(PipelineHandler):
    """Logs the stream with its number of events, then each event's type and id.

    Returns the events unchanged.
    """

    example: ClassVar[str] = """
        - name: logger
          params: {level: WARNING}
    """
    config_schema: ClassVar[Schema] = Schema(
        {Optional("level", default="INFO", description="log level, case-insensitive"): level}
    )

    def __init__(self, level: str = "INFO") -> None:
        super().__init__(level=level)
        self._level = logging.getLevelNamesMapping()[level]

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        """Log one record for the stream and one for each event, at the configured level."""
        if log.isEnabledFor(self._level):
            stream_id = env["stream_id"]
            log.log(
                self._level,
                "pipeline run: stream=%s reason=%s events=%d trigger=%s",
                stream_id,
                env["reason"],
                len(events),
                env["stream_name"],
            )
            for event in events:
                log.log(
                    self._level,
                    "event: stream=%s event_type=%s message_id=%s",
                    stream_id,
                    event["event_type"],
                    event["message_id"],
                )
        return events
