"""Setting up what a program writes to its terminal, before any configuration is known."""

from __future__ import annotations

import io
import logging
import sys


def prepare_console(program: str) -> None:
    """Print warnings as plain lines, and never fail on a character the terminal cannot show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler()
    handler.setFormatter(_PlainLines(f"{program}: %(level)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # tells of every look at the schema


class _PlainLines(logging.Formatter):
    """Writes levels in small letters, as programs do."""

    def format(self, record: logging.LogRecord) -> str:
        record.level = record.levelname.lower()
        return super().format(record)
