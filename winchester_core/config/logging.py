"""Configuration of the standard library's logging; JSON log records."""

from __future__ import annotations

import logging
import logging.config
import logging.handlers
import os
import re
import time
from collections.abc import Mapping
from copy import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

from winchester_core.errors import ConfigurationError
from winchester_core.masking import mask_url
from winchester_core.telemetry.log_context import MultilineText, context_fields, trace_ids

if TYPE_CHECKING:
    from pathlib import Path

    from winchester_core.config.settings import LogFormat, Settings

FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"
DATE_FORMAT = "%Y-%m-%dT%H:%M:%S"
FILE_MODE = 0o640
OWN_LOGGER = "winchester_core"
NO_OUTPUT = f"leaves the logger {OWN_LOGGER!r} without a handler: no record is written"


class LogFile(logging.handlers.WatchedFileHandler):
    """A log file that others cannot read; reopened after rotation."""

    def _open(self) -> Any:
        return open(
            self.baseFilename, self.mode, encoding=self.encoding, opener=_open_with_file_mode
        )


def configure_logging(settings: Settings, proc_name: str) -> None:
    """Configure the logging of the process according to `settings`.

    If `logging_config` is set, its file is passed to `logging.config.fileConfig`, and other
    settings are ignored. Otherwise records with `log_level` and above are written to `log_file` or
    standard error, as text in UTC or as JSON (`log_format`). `proc_name` replaces `%(proc_name)s`
    in both file names.

    Raises `ConfigurationError`; the previous logging configuration then stays in effect.
    """
    if settings.logging_config is not None:
        previous = _LoggingState()
        try:
            _configure_from(settings.logging_config, proc_name)
        except ConfigurationError:
            previous.restore()
            raise
        if not _has_output(logging.getLogger(OWN_LOGGER)):
            previous.warn(f"{settings.logging_config}: logging_config {NO_OUTPUT}")
        return
    handler = _handler(settings.log_file, proc_name)
    handler.setFormatter(_formatter(settings.log_format, proc_name))
    logging.basicConfig(handlers=[handler], level=settings.log_level, force=True)


def _formatter(log_format: LogFormat, proc_name: str) -> logging.Formatter:
    if log_format == "json":
        return JsonFormatter(program=proc_name)
    return TextFormatter(FORMAT, DATE_FORMAT)


def _handler(log_file: str | None, proc_name: str) -> logging.Handler:
    if log_file is None:
        return logging.StreamHandler()
    path = log_file % {"proc_name": proc_name}
    try:
        return LogFile(path, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            [f"{path}: log_file cannot be opened: {error.strerror}"]
        ) from error


def _configure_from(path: Path, proc_name: str) -> None:
    try:
        logging.config.fileConfig(
            path,
            defaults={"proc_name": proc_name.replace("%", "%%")},
            disable_existing_loggers=False,
            encoding="utf-8",
        )
    except Exception as error:  # expressions in the file may raise anything
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        reason = f"{path}: logging_config cannot be used: {cause}"
        raise ConfigurationError([reason]) from error


def _has_output(logger: logging.Logger) -> bool:
    """Return whether records of `logger` reach a handler that writes them."""
    each: logging.Logger | None = logger
    handlers: list[logging.Handler] = []
    while each is not None:
        handlers += each.handlers
        each = each.parent if each.propagate else None
    return not all(isinstance(handler, logging.NullHandler) for handler in handlers) or not handlers


class _LoggingState:
    """Snapshot of all loggers, to restore them if `fileConfig` fails half-way.

    By then `fileConfig` has closed the handlers; they reopen with the next record.
    """

    def __init__(self) -> None:
        root = logging.getLogger()
        named = [logging.getLogger(name) for name in root.manager.loggerDict]
        self._loggers = [
            (logger, list(logger.handlers), logger.level, logger.propagate, logger.disabled)
            for logger in (root, *named)
        ]

    def restore(self) -> None:
        for logger, handlers, level, propagate, disabled in self._loggers:
            logger.handlers[:] = handlers
            logger.setLevel(level)
            logger.propagate, logger.disabled = propagate, disabled

    def warn(self, message: str) -> None:
        """Log a warning by the handlers that the root logger had."""
        record = logging.LogRecord(__name__, logging.WARNING, __file__, 0, message, None, None)
        for handler in self._loggers[0][1]:
            handler.handle(record)


def _open_with_file_mode(path: str, flags: int) -> int:
    return os.open(path, flags, FILE_MODE)


CONTEXT_KEYS: Final = (
    *("event", "stream_id", "trigger", "reason", "attempt", "pipeline", "handler", "phase"),
    *("source", "worker"),
)
"""Context of a record, from the log context or its `extra`."""


_CONTROL_CHARACTERS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
"""Control characters, line separators, and controls of the text direction."""


class TextFormatter(logging.Formatter):
    """Formats a record as text in UTC, on one line even if it contains text from outside.

    Control characters are escaped; in messages without arguments, line breaks are kept. Tracebacks
    and `MultilineText` have further lines. They are indented, so that they cannot look like
    records.
    """

    def __init__(self, fmt: str, datefmt: str) -> None:
        super().__init__(fmt, datefmt)
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """Format the record without changing it for other handlers."""
        shown = copy(record)
        shown.exc_text = None  # otherwise it may be the text of another formatter
        if isinstance(record.args, Mapping):
            shown.args = {key: _printable(value) for key, value in record.args.items()}
        elif record.args:
            shown.args = tuple(map(_printable, record.args))
        else:
            shown.msg = _escape(str(record.msg), keep="\n")
        return super().format(shown).replace("\n", "\n    ")

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the library's name
        """Format a traceback, without control characters."""
        return _escape(super().formatException(ei), keep="\n")


def _printable(value: Any) -> Any:
    """Return an argument of a record; if it has control characters, as text with escapes."""
    if isinstance(value, int | float) or value is None:
        return value
    if isinstance(value, MultilineText):
        return _escape(value, keep="\n")
    text = str(value)
    return _escape(text) if _CONTROL_CHARACTERS.search(text) else value


def _escape(text: str, keep: str = "") -> str:
    return _CONTROL_CHARACTERS.sub(
        lambda match: match[0] if match[0] in keep else ascii(match[0])[1:-1], text
    )


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object on one line.

    Required keys: `time` (UTC, ISO 8601 with microseconds), `level`, `logger`, `message`. Optional
    keys: `program`, `exception` (a traceback), `CONTEXT_KEYS`, and `trace_id` and `span_id` within
    a span. Passwords in URLs are masked.
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
        """Set `program`. The other parameters come from `logging.config` and have no effect."""
        super().__init__(fmt, datefmt, style, defaults=defaults)
        self._program = program

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON without a line end."""
        content = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": mask_url(record.getMessage()),
        }
        if self._program is not None:
            content["program"] = self._program
        content |= self._context(record)
        content |= trace_ids()
        exception = self._exception(record)
        if exception:
            content["exception"] = mask_url(exception)
        return _to_json(content)

    def _context(self, record: logging.LogRecord) -> dict[str, Any]:
        context = {**context_fields(), **record.__dict__}
        return {key: context[key] for key in CONTEXT_KEYS if context.get(key) is not None}

    def _exception(self, record: logging.LogRecord) -> str:
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        stack = self.formatStack(record.stack_info) if record.stack_info else ""
        return "\n".join(part for part in (record.exc_text, stack) if part)


def _to_json(content: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(content, default=str).decode()
    except TypeError:  # a lone surrogate, an integer beyond 64 bits
        texts = {
            key: str(value).encode("utf-8", "backslashreplace").decode()
            for key, value in content.items()
        }
        return orjson.dumps(texts).decode()
