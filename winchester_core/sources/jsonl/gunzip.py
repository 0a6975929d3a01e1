"""Bytes that may be compressed with gzip, decompressed as they come."""

from __future__ import annotations

import zlib

MAGIC = b"\x1f\x8b"
"""What every gzip file begins with (RFC 1952, 2.3.1)."""

GZIP_FORMAT = 16 + zlib.MAX_WBITS
MAX_PIECE_BYTES = 1024 * 1024


class Gunzip:
    """Passes bytes through, decompressed when the first two say that they are gzip data.

    A file may hold several gzip members one after another. Raises `zlib.error` for damaged data.
    """

    def __init__(self) -> None:
        self._waiting = b""
        self._is_gzip: bool | None = None
        self._has_output = False
        self._member = zlib.decompressobj(GZIP_FORMAT)

    def feed(self, data: bytes) -> None:
        """Take in the next bytes."""
        self._waiting += data
        if self._is_gzip is None and len(self._waiting) >= len(MAGIC):
            self._is_gzip = self._waiting.startswith(MAGIC)

    def more(self) -> bytes:
        """Return the next bytes, at most 1 MiB of them; b"" when more input is needed."""
        if not self._is_gzip:
            return self._take() if self._is_gzip is False else b""
        while self._waiting or self._has_output:
            if self._member.eof:
                self._member = zlib.decompressobj(GZIP_FORMAT)
            piece = self._member.decompress(self._take(), MAX_PIECE_BYTES)
            self._has_output = len(piece) == MAX_PIECE_BYTES and not self._member.eof
            self._waiting = self._member.unconsumed_tail or self._after_member()
            if piece:
                return piece
        return b""

    def finish(self) -> bytes:
        """Return what is left at the end of the input; raises `EOFError` if that came too early."""
        if self._is_gzip and not self._member.eof:
            raise EOFError("the end of the compressed data is missing")
        return self._take()

    def _after_member(self) -> bytes:
        # Zeros after a member are padding, as of tapes; gzip itself ignores them, too.
        return self._member.unused_data.lstrip(b"\0")

    def _take(self) -> bytes:
        waiting, self._waiting = self._waiting, b""
        return waiting
