"""Setting up what a program writes to its terminal, before any configuration is known."""

from __future__ import annotations

import io
import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def configure_terminal(program: str) -> None:
    """Print warnings as plain lines, and never fail on a character the terminal cannot show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler()
    handler.setFormatter(_LowercaseLevelFormatter(f"{program}: %(level)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # tells of every look at the schema


class _LowercaseLevelFormatter(logging.Formatter):
    """Writes levels in small letters, as programs do."""

    def format(self, record: logging.LogRecord) -> str:
        record.level = record.levelname.lower()
        return super().format(record)


# A progress bar for a person who watches, and nothing for a log or a pipe.


@contextmanager
def progress_bar(
    what: str, *, unit: str = "messages", total: int | None = None
) -> Iterator[Callable[[int], None]]:
    """Give a function that is told how many `unit`s are done by now.

    They show as a bar on standard error (with `total`, how many are left, too) while that is a
    terminal; log records are then printed above it.
    """
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    bar = tqdm(
        desc=what, unit=f" {unit}", unit_scale=True, total=total, file=sys.stderr, leave=False
    )
    with logging_redirect_tqdm(), bar:

        def show(done: int) -> None:
            bar.update(done - bar.n)

        yield show


# Keeping logs from the screen of a command that only tries something out.


@contextmanager
def logging_disabled(*, unless: bool = False) -> Iterator[None]:
    """Log nothing within the context."""
    before = logging.root.manager.disable
    if not unless:
        logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
