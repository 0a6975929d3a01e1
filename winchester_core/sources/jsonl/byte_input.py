"""One input as bytes: a file, a pipe or standard input, plain or compressed with gzip."""

from __future__ import annotations

import os
import select
import stat
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from winchester_core.errors import SourceError
from winchester_core.sources.jsonl.gunzip import Gunzip

if TYPE_CHECKING:
    from collections.abc import Iterator

STDIN = "-"
STDIN_NAME = "<stdin>"
CHUNK_BYTES = 64 * 1024


class ByteInput:
    """Reads the file at `path`, or standard input when that is ``-``, never waiting too long.

    `close` keeps the position, so that `open` goes on from there. All failures are
    `SourceError`s that name the input.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self.name = STDIN_NAME if path == STDIN else path
        self._descriptor: int | None = None
        self._position = 0
        self._gunzip = Gunzip()

    def open(self) -> None:
        """Open the input; without effect when it is open."""
        if self._descriptor is not None:
            return
        try:
            if self._path == STDIN:
                self._descriptor = sys.stdin.fileno()
            else:
                self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
                if self._position and stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                    os.lseek(self._descriptor, self._position, os.SEEK_SET)
        except (OSError, AttributeError) as error:  # AttributeError: a daemon has no sys.stdin
            raise SourceError(self.name, why(error)) from error

    def close(self) -> None:
        """Close the input, standard input excepted. Idempotent."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None and self._path != STDIN:
            os.close(descriptor)

    def read(self, timeout_seconds: float) -> bytes | None:
        """Return some bytes, decompressed: b"" at the end, None when none came in time."""
        while True:
            try:
                data = self._gunzip.more()
                if data:
                    return data
                chunk = self._read_chunk(timeout_seconds)
                if chunk is None:
                    return None
                if not chunk:
                    return self._gunzip.finish()
                self._gunzip.feed(chunk)
            except EOFError as error:
                raise self._damaged("ends too early, after", error) from error
            except zlib.error as error:
                raise self._damaged("is damaged before", error) from error
            timeout_seconds = 0

    def _read_chunk(self, timeout_seconds: float) -> bytes | None:
        if self._descriptor is None:
            raise SourceError(self.name, "is not open")
        try:
            # poll, not select, which refuses descriptors from 1024 on.
            poll = select.poll()
            poll.register(self._descriptor, select.POLLIN)
            if not poll.poll(max(0, timeout_seconds) * 1000):
                return None
            chunk = os.read(self._descriptor, CHUNK_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:
            raise SourceError(self.name, why(error)) from error
        self._position += len(chunk)
        return chunk

    def _damaged(self, what: str, error: Exception) -> SourceError:
        return SourceError(
            self.name, f"its gzip data {what} byte {self._position} of the file ({error})"
        )


def find_inputs(path: str) -> Iterator[ByteInput]:
    """Return the inputs that `path` means: one, or the files of a directory in name order.

    Hidden files and subdirectories are left out. Raises `SourceError` for what is not there.
    """
    if path == STDIN:
        return iter([ByteInput(path)])
    try:
        if not Path(path).is_dir():
            Path(path).stat()
            return iter([ByteInput(path)])
        files = [file for file in Path(path).iterdir() if file.is_file()]
    except (OSError, ValueError) as error:
        raise SourceError(path, why(error)) from error
    names = sorted(file.name for file in files if not file.name.startswith("."))
    return iter([ByteInput(str(Path(path) / name)) for name in names])


def why(error: Exception) -> str:
    """What went wrong with an input, without its name."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
