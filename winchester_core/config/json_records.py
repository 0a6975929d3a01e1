"""Log records as JSON, one object a line, for programs that read them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

from winchester_core.config.secrets import mask_url
from winchester_core.telemetry.scope import present_facts
from winchester_core.telemetry.tracing import identifiers

if TYPE_CHECKING:
    from collections.abc import Mapping

FACTS: Final = (
    *("event", "stream_id", "trigger", "reason", "attempt", "pipeline", "handler", "phase"),
    *("source", "worker"),
)
"""What a record may be about: of its scope, or given with it as `extra`."""


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object on one line.

    Always there: `time` (UTC, ISO 8601 with microseconds), `level`, `logger`, `message`; `program`
    where it is known, `exception` (a traceback) where there is one, `FACTS` where they are known,
    `trace_id` and `span_id` within a span. The passwords of URLs are masked.
    """

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
        *,
        defaults: Mapping[str, Any] | None = None,
        program: str | None = None,
    ) -> None:
        """All but `program` are what a logging.config file passes, and change nothing."""
        super().__init__(fmt, datefmt, style, defaults=defaults)
        self._program = program

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        content = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": mask_url(record.getMessage()),
        }
        if self._program is not None:
            content["program"] = self._program
        content |= self._facts(record)
        content |= identifiers()
        exception = self._exception(record)
        if exception:
            content["exception"] = mask_url(exception)
        return _line(content)

    def _facts(self, record: logging.LogRecord) -> dict[str, Any]:
        known = {**present_facts(), **record.__dict__}
        return {key: known[key] for key in FACTS if known.get(key) is not None}

    def _exception(self, record: logging.LogRecord) -> str:
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        stack = self.formatStack(record.stack_info) if record.stack_info else ""
        return "\n".join(part for part in (record.exc_text, stack) if part)


def _line(content: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(content, default=str).decode()
    except TypeError:  # a lone surrogate, an integer beyond 64 bits
        return orjson.dumps({key: _told(value) for key, value in content.items()}).decode()


def _told(value: Any) -> str:
    return str(value).encode("utf-8", "backslashreplace").decode()
