"""A file that is being written to, read as it grows, until another takes its place.

What rotates logs either renames the file and makes a new one, or copies it and truncates it. Both
end this input, and the next one begins at its start.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

from winchester_core.errors import SourceError
from winchester_core.sources.jsonl.byte_input import CHUNK_BYTES, why
from winchester_core.sources.jsonl.gunzip import MAGIC

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
"""How often a file that does not grow is looked at."""

FINGERPRINT_BYTES = 256
"""By how much of its beginning a file is known again; tells a truncation that was outgrown."""


class FollowedFile:
    """Reads the file at `path`, which need not be there yet, as `ByteInput` reads one.

    The old file is left once it is at its end and the new one holds something: until then its
    writer may still have it open. All failures are `SourceError`s that name the file.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        self._path = path
        self._descriptor: int | None = None
        self._identity: tuple[int, int] | None = None
        self._position = 0
        self._beginning = b""
        self.is_over = False
        """Whether another file has taken its place; what was truncated begins anew instead."""

    def open(self) -> None:
        """Open the file, if it is there; where it was rotated meanwhile, the one it has become."""
        if self._descriptor is not None or self.is_over:
            return
        try:
            self._descriptor = self._open_known() if self._identity else self._open_first()
        except (OSError, ValueError) as error:
            raise SourceError(self.name, why(error)) from error

    def close(self) -> None:
        """Close the file. Idempotent; the position stays."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def read(self, timeout_seconds: float) -> bytes | None:
        """Return some bytes: b"" when another file has taken the place, None when none came."""
        try:
            data = self._read_on()
            if data is None and timeout_seconds > 0:
                time.sleep(min(timeout_seconds, LOOK_SECONDS))
                data = self._read_on()
        except OSError as error:
            raise SourceError(self.name, why(error)) from error
        return data

    def _read_on(self) -> bytes | None:
        self.open()
        if self._descriptor is None:
            return b"" if self.is_over else None
        has_successor = self._has_successor()  # looked at first: all written before is read now
        data = os.read(self._descriptor, CHUNK_BYTES)
        if not self._begins_as_before():
            self._position, self._beginning = 0, b""
            return b""
        if not data and has_successor:
            self.is_over = True
            return b""
        self._position += len(data)
        self._beginning += data[: FINGERPRINT_BYTES - len(self._beginning)]
        if self._beginning.startswith(MAGIC):
            raise SourceError(self.name, "is gzip data, and that cannot be followed")
        return data or None

    def _open_first(self) -> int | None:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            os.close(descriptor)
            raise ValueError("is no regular file: only such a one is followed")
        self._identity = state.st_dev, state.st_ino
        return descriptor

    def _open_known(self) -> int | None:
        """Open the file that was being read, wherever in its directory it lies by now."""
        directory = Path(self._path).parent
        others = sorted(directory.iterdir()) if directory.is_dir() else []
        for path in (Path(self._path), *others):
            if _identity(path) == self._identity:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
                os.lseek(descriptor, self._position, os.SEEK_SET)
                return descriptor
        log.warning(
            "%s: the file that was read up to byte %d is gone; what followed there is lost to us",
            self.name,
            self._position,
        )
        self.is_over = True
        return None

    def _has_successor(self) -> bool:
        try:
            state = Path(self._path).stat()
        except FileNotFoundError:
            return False
        return (state.st_dev, state.st_ino) != self._identity and state.st_size > 0

    def _begins_as_before(self) -> bool:
        """Tell whether the file still is what was read so far: it was not truncated."""
        if self._descriptor is None or os.fstat(self._descriptor).st_size < self._position:
            return False
        beginning = os.pread(self._descriptor, len(self._beginning), 0)
        return beginning == self._beginning


def followed_files(path: str) -> Iterator[FollowedFile]:
    """The files that lie at `path` one after another, without end."""
    file = FollowedFile(path)
    while True:
        yield file
        if file.is_over:
            file = FollowedFile(path)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except FileNotFoundError:
        return None
    return state.st_dev, state.st_ino
