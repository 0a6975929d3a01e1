"""A file that is there as a whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE_MODE, DIRECTORY_MODE = 0o640, 0o750


class ReportFile:
    """A file that is written aside, and appears under its name in one step.

    Whatever may fail for want of space or rights is done by `write`. `attempt` keeps two workers
    apart that write the same file, when one has lost the stream and does not know it yet.
    """

    def __init__(self, path: Path, attempt: int) -> None:
        self.path = path
        self._attempt = attempt

    def write(self, text: str) -> None:
        """Write `text` aside, on disk when this returns. Raises `OSError`."""
        self.path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        descriptor = os.open(self._aside(self._attempt), flags, FILE_MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)

    def publish(self) -> None:
        """Give the file its name, in place of an earlier one; clear away what dead workers left.

        Raises `OSError`.
        """
        self._aside(self._attempt).replace(self.path)
        for attempt in range(1, self._attempt):
            self._aside(attempt).unlink(missing_ok=True)
        _sync_directory(self.path.parent)

    def discard(self) -> None:
        """Remove what was written aside, if anything was. Raises `OSError`."""
        self._aside(self._attempt).unlink(missing_ok=True)

    def _aside(self, attempt: int) -> Path:
        return self.path.with_name(f".{self.path.name}.{attempt}.part")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
