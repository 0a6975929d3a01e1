"""Atomic creation of a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE_MODE, DIRECTORY_MODE = 0o640, 0o750


class ReportFile:
    """A file that is written under a temporary name, then renamed.

    `write` performs all steps that may fail for lack of space or permissions. The temporary name
    contains `attempt`, so a worker that has not noticed yet that it lost the stream does not
    interfere with the next worker.
    """

    def __init__(self, path: Path, attempt: int) -> None:
        self.path = path
        self._attempt = attempt

    def write(self, text: str) -> None:
        """Write `text` to the temporary file and sync it to disk. Raises `OSError`."""
        self.path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        descriptor = os.open(self._temporary_path(self._attempt), flags, FILE_MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)

    def publish(self) -> None:
        """Rename the file, replacing an earlier one, and remove files left by dead workers.

        Idempotent. Raises `OSError`.
        """
        self._temporary_path(self._attempt).replace(self.path)
        for attempt in range(1, self._attempt):
            self._temporary_path(attempt).unlink(missing_ok=True)
        _sync_directory(self.path.parent)

    def discard(self) -> None:
        """Remove the temporary file, if there is one. Raises `OSError`."""
        self._temporary_path(self._attempt).unlink(missing_ok=True)

    def _temporary_path(self, attempt: int) -> Path:
        return self.path.with_name(f".{self.path.name}.{attempt}.part")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
