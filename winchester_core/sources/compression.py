"""Decompression in bounded pieces."""

from __future__ import annotations

import bz2
import zlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK_BYTES: Final = 64 * 1024
MAX_PIECE_BYTES: Final = 1024 * 1024


def gzip_member() -> Any:
    """Return a decompressor of one gzip member (RFC 1952)."""
    return zlib.decompressobj(16 + zlib.MAX_WBITS)


def _raw_deflate() -> Any:
    return zlib.decompressobj(-zlib.MAX_WBITS)


FORMATS: Final[dict[str, Callable[[], Any]]] = {
    "gzip": gzip_member,
    "x-gzip": gzip_member,
    "deflate": zlib.decompressobj,
    "bzip2": bz2.BZ2Decompressor,
}
"""Decompressors by format; `deflate` is zlib's format (RFC 9110, 8.4.1.2)."""


class Decompressor:
    """Decompresses one member after another. `make` returns a decompressor of zlib or bz2.

    Feed it small pieces: for many small members, the time grows with the square of a piece's
    length. Raises `zlib.error` or `OSError` for damaged data.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._member = make()
        self._buffer = b""
        self._has_output = False

    def feed(self, data: bytes) -> None:
        """Add input."""
        self._buffer += data

    def next_bytes(self) -> bytes:
        """Return output, at most `MAX_PIECE_BYTES` at a time; b"" when more input is needed."""
        while self._buffer or self._has_output:
            if self._member.eof:
                self._member = self._make()
            buffered, self._buffer = self._buffer, b""
            piece: bytes = self._member.decompress(buffered, MAX_PIECE_BYTES)
            self._has_output = len(piece) == MAX_PIECE_BYTES and not self._member.eof
            # zeros after a member are padding (of tapes), which gzip also ignores
            rest = self._member.unused_data.lstrip(b"\0")
            self._buffer = getattr(self._member, "unconsumed_tail", b"") or rest
            if piece:
                return piece
        return b""

    def finish(self) -> None:
        """Raise `EOFError` when the end of the data is missing."""
        if not self._member.eof:
            raise EOFError("the end of the compressed data is missing")


class TooLarge(ValueError):  # noqa: N818 - a fact about the data
    """The decompressed data is larger than the limit."""


def decompress(data: bytes, format_name: str, max_bytes: int) -> bytes:
    """Decompress data in one of `FORMATS`; `deflate` data may lack the header of zlib.

    Raises `ValueError` if the data is damaged (the message continues "the body"), or `TooLarge`.
    """
    make = FORMATS[format_name]
    if format_name == "deflate" and not _has_zlib_header(data):
        make = _raw_deflate
    decompressor = Decompressor(make)
    output = bytearray()
    try:
        for begin in range(0, len(data), CHUNK_BYTES):
            decompressor.feed(data[begin : begin + CHUNK_BYTES])
            while piece := decompressor.next_bytes():
                output += piece
                if len(output) > max_bytes:
                    raise TooLarge(f"has more than {max_bytes} bytes when decompressed")
        decompressor.finish()
    except (zlib.error, OSError, EOFError):
        raise ValueError(f"is not valid {format_name} data") from None
    return bytes(output)


def _has_zlib_header(data: bytes) -> bool:
    """Return whether the data begins with the header of RFC 1950, 2.2."""
    return len(data) > 1 and data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
