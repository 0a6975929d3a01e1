"""Byte inputs: files, pipes, standard input, gzip data, and followed files."""

from __future__ import annotations

import logging
import os
import select
import stat
import sys
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from winchester_core.errors import SourceError
from winchester_core.sources.compression import CHUNK_BYTES, Decompressor, gzip_member

if TYPE_CHECKING:
    from collections.abc import Iterator

STDIN = "-"
STDIN_NAME = "<stdin>"


class ByteInput:
    """Reads the file at `path`, or standard input if that is ``-``, with timeouts.

    `close` keeps the position for `open`. All errors are `SourceError`s that name the input.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self.name = STDIN_NAME if path == STDIN else path
        self._descriptor: int | None = None
        self._position = 0
        self._gunzip = GzipDetector()

    def open(self) -> None:
        """Open the input, if it is not open."""
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
            raise SourceError(self.name, error_reason(error)) from error

    def close(self) -> None:
        """Close the input, unless it is standard input. Idempotent."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None and self._path != STDIN:
            os.close(descriptor)

    def read(self, timeout_seconds: float) -> bytes | None:
        """Return decompressed bytes; b"" at the end, None after a timeout."""
        while True:
            try:
                data = self._gunzip.next_bytes()
                if data:
                    return data
                chunk = self._read_chunk(timeout_seconds)
                if chunk is None:
                    return None
                if not chunk:
                    return self._gunzip.finish()
                self._gunzip.feed(chunk)
            except EOFError as error:
                raise self._gzip_error("is truncated after", error) from error
            except zlib.error as error:
                raise self._gzip_error("is damaged before", error) from error
            timeout_seconds = 0

    def _read_chunk(self, timeout_seconds: float) -> bytes | None:
        if self._descriptor is None:
            raise SourceError(self.name, "is not open")
        try:
            # poll is used because select refuses descriptors above 1023
            poll = select.poll()
            poll.register(self._descriptor, select.POLLIN)
            if not poll.poll(max(0, timeout_seconds) * 1000):
                return None
            chunk = os.read(self._descriptor, CHUNK_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:
            raise SourceError(self.name, error_reason(error)) from error
        self._position += len(chunk)
        return chunk

    def _gzip_error(self, problem: str, error: Exception) -> SourceError:
        return SourceError(
            self.name, f"gzip data {problem} byte {self._position} of the file ({error})"
        )


def find_inputs(path: str) -> Iterator[ByteInput]:
    """Return the inputs at `path`: a single file, or the files of a directory in order of name.

    Hidden files and subdirectories are skipped. Raises `SourceError` if there is no input.
    """
    if path == STDIN:
        return iter([ByteInput(path)])
    try:
        if not Path(path).is_dir():
            Path(path).stat()
            return iter([ByteInput(path)])
        files = [file for file in Path(path).iterdir() if file.is_file()]
    except (OSError, ValueError) as error:
        raise SourceError(path, error_reason(error)) from error
    names = sorted(file.name for file in files if not file.name.startswith("."))
    return iter([ByteInput(str(Path(path) / name)) for name in names])


def error_reason(error: Exception) -> str:
    """Return the text of an input's error, without the name of the input."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


# Following a file while it is written, until it is replaced.
#
# Log rotation either renames the file and creates a new one, or copies and truncates it. Both end
# this input, and the next one begins at the start of the file.

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
"""Interval at which a file that does not grow is polled."""

FINGERPRINT_BYTES = 256
"""Length of the beginning that is compared to detect a truncation, even if the file has regrown."""


class FollowedFile:
    """Reads the file at `path`, with the interface of `ByteInput`. The file may be created later.

    After a rotation, the old file is read until its end is reached and the new file is not empty;
    before that, the program that writes it may still have it open. All errors are `SourceError`s
    that name the file.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        self._path = path
        self._descriptor: int | None = None
        self._identity: tuple[int, int] | None = None
        self._position = 0
        self._beginning = b""
        self.is_replaced = False
        """True after another file has replaced it. A file that is only truncated is read again."""

    def open(self) -> None:
        """Open the file if it exists; after a rotation, the file that was being read."""
        if self._descriptor is not None or self.is_replaced:
            return
        try:
            self._descriptor = self._open_known() if self._identity else self._open_first()
        except (OSError, ValueError) as error:
            raise SourceError(self.name, error_reason(error)) from error

    def close(self) -> None:
        """Close the file, and keep the position. Idempotent."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def read(self, timeout_seconds: float) -> bytes | None:
        """Return bytes; b"" if the file was replaced or truncated; None after a timeout."""
        try:
            data = self._read_available()
            if data is None and timeout_seconds > 0:
                time.sleep(min(timeout_seconds, POLL_SECONDS))
                data = self._read_available()
        except OSError as error:
            raise SourceError(self.name, error_reason(error)) from error
        return data

    def _read_available(self) -> bytes | None:
        self.open()
        if self._descriptor is None:
            return b"" if self.is_replaced else None
        has_successor = self._has_successor()  # first, so that the read gets all older data
        data = os.read(self._descriptor, CHUNK_BYTES)
        if not self._has_same_beginning():
            self._position, self._beginning = 0, b""
            return b""
        if not data and has_successor:
            self.is_replaced = True
            return b""
        self._position += len(data)
        self._beginning += data[: FINGERPRINT_BYTES - len(self._beginning)]
        if self._beginning.startswith(GZIP_MAGIC):
            raise SourceError(self.name, "gzip data cannot be followed")
        return data or None

    def _open_first(self) -> int | None:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            os.close(descriptor)
            raise ValueError("not a regular file, and cannot be followed")
        self._identity = state.st_dev, state.st_ino
        return descriptor

    def _open_known(self) -> int | None:
        """Open the file that was being read; it may have been renamed in its directory."""
        directory = Path(self._path).parent
        siblings = sorted(directory.iterdir()) if directory.is_dir() else []
        for path in (Path(self._path), *siblings):
            if _file_identity(path) == self._identity:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
                os.lseek(descriptor, self._position, os.SEEK_SET)
                return descriptor
        log.warning(
            "followed file is gone, unread data is lost: position=%d file=%s",
            self._position,
            self.name,
        )
        self.is_replaced = True
        return None

    def _has_successor(self) -> bool:
        try:
            state = Path(self._path).stat()
        except FileNotFoundError:
            return False
        return (state.st_dev, state.st_ino) != self._identity and state.st_size > 0

    def _has_same_beginning(self) -> bool:
        """Return whether the file still contains the data read, that is, was not truncated."""
        if self._descriptor is None or os.fstat(self._descriptor).st_size < self._position:
            return False
        beginning = os.pread(self._descriptor, len(self._beginning), 0)
        return beginning == self._beginning


def followed_files(path: str) -> Iterator[FollowedFile]:
    """Yield the files that replace each other at `path`, endlessly."""
    file = FollowedFile(path)
    while True:
        yield file
        if file.is_replaced:
            file = FollowedFile(path)


def _file_identity(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except FileNotFoundError:
        return None
    return state.st_dev, state.st_ino


GZIP_MAGIC = b"\x1f\x8b"
"""First bytes of every gzip file (RFC 1952, 2.3.1)."""


class GzipDetector:
    """Decompresses gzip data, detected by the first two bytes; passes other data through.

    Raises `zlib.error` for damaged data.
    """

    def __init__(self) -> None:
        self._beginning = b""
        self._is_gzip: bool | None = None
        self._decompressor = Decompressor(gzip_member)

    def feed(self, data: bytes) -> None:
        """Add input."""
        if self._is_gzip:
            self._decompressor.feed(data)
            return
        self._beginning += data
        if self._is_gzip is None and len(self._beginning) >= len(GZIP_MAGIC):
            self._is_gzip = self._beginning.startswith(GZIP_MAGIC)
            if self._is_gzip:
                self._decompressor.feed(self._take())

    def next_bytes(self) -> bytes:
        """Return output, at most 1 MiB at a time; b"" when more input is needed."""
        if self._is_gzip:
            return self._decompressor.next_bytes()
        return self._take() if self._is_gzip is False else b""

    def finish(self) -> bytes:
        """Return the remaining output at the end of the input. Raises `EOFError` if truncated."""
        if self._is_gzip:
            self._decompressor.finish()
        return self._take()

    def _take(self) -> bytes:
        buffered, self._beginning = self._beginning, b""
        return buffered
