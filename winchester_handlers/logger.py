"""The `logger` handler: says in the log what passes through a pipeline."""

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
    """The name of a level, brought into capitals. Raises `voluptuous.Invalid`."""
    name: str = _LEVEL(value)
    return name


class LoggerHandler(PipelineHandler):
    """Logs how many events came, and for each its type and id; passes them on unchanged."""

    example: ClassVar[str] = """
        - name: logger
          params: {level: WARNING}
    """
    config_schema: ClassVar[Schema] = Schema(
        {Optional("level", default="INFO", description="of the records, in capitals or not"): level}
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
                "stream %s (%s) %ss with %d events",
                stream_id,
                env["stream_name"],
                env["reason"],
                len(events),
            )
            for event in events:
                log.log(
                    self._level,
                    "stream %s: %s %s",
                    stream_id,
                    event["event_type"],
                    event["message_id"],
                )
        return events
