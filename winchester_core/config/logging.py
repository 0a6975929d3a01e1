"""Setting up the standard library's logging as the configuration says."""

from __future__ import annotations

import logging
import logging.config
import logging.handlers
import os
import time
from typing import TYPE_CHECKING, Any

from winchester_core.config.json_records import JsonFormatter
from winchester_core.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from winchester_core.config.settings import LogFormat, Settings

FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"
DATE_FORMAT = "%Y-%m-%dT%H:%M:%S"
FILE_MODE = 0o640


class LogFile(logging.handlers.WatchedFileHandler):
    """A log file that others cannot read, opened anew after it was rotated away."""

    def _open(self) -> Any:
        return open(self.baseFilename, self.mode, encoding=self.encoding, opener=_create)


def configure_logging(settings: Settings, proc_name: str) -> None:
    """Send the process's log records where `settings` says, in place of where they went before.

    `logging_config` names a file for `logging.config.fileConfig` and decides alone when set;
    else records of `log_level` and above go to `log_file`, or to standard error, as text in UTC or
    as JSON (`log_format`). `proc_name` replaces `%(proc_name)s` in either.

    Raises `ConfigurationError`; records then go where they went.
    """
    if settings.logging_config is not None:
        before = _Arrangement()
        try:
            _configure_from(settings.logging_config, proc_name)
        except ConfigurationError:
            before.restore()
            raise
        return
    handler = _handler(settings.log_file, proc_name)
    handler.setFormatter(_formatter(settings.log_format, proc_name))
    logging.basicConfig(handlers=[handler], level=settings.log_level, force=True)


def _formatter(log_format: LogFormat, proc_name: str) -> logging.Formatter:
    if log_format == "json":
        return JsonFormatter(program=proc_name)
    formatter = logging.Formatter(FORMAT, DATE_FORMAT)
    formatter.converter = time.gmtime
    return formatter


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
    except Exception as error:  # the file's own expressions may raise anything
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        reason = f"{path}: logging_config cannot be used: {cause}"
        raise ConfigurationError([reason]) from error


class _Arrangement:
    """Where the records of every logger go, to be put back: `fileConfig` may fail half-way.

    It has then closed the handlers, which open again by themselves with the next record.
    """

    def __init__(self) -> None:
        root = logging.getLogger()
        named = [logging.getLogger(name) for name in root.manager.loggerDict]
        self._loggers = [
            (each, list(each.handlers), each.level, each.propagate, each.disabled)
            for each in (root, *named)
        ]

    def restore(self) -> None:
        for each, handlers, level, propagates, disabled in self._loggers:
            each.handlers[:] = handlers
            each.setLevel(level)
            each.propagate, each.disabled = propagates, disabled


def _create(path: str, flags: int) -> int:
    return os.open(path, flags, FILE_MODE)
