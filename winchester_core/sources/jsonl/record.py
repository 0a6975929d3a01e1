"""One JSON text found in an input, gathered piece by piece without exhausting memory."""

from __future__ import annotations

from dataclasses import dataclass

MAX_RECORD_BYTES = 16 * 1024 * 1024
KEPT_BYTES = 1024 * 1024
"""How much is kept of a record that is too long: what a rejected message keeps, too."""


@dataclass(frozen=True, slots=True)
class Record:
    """A JSON text as bytes, blanks around it removed, and the line (from 1) where it begins.

    `fault` says why it cannot be a message; `body` is then only the beginning of what was there.
    """

    body: bytes
    line: int
    fault: str | None = None


class RecordBody:
    """The bytes of the record being read."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._length = 0

    def add(self, piece: bytes) -> None:
        """Append `piece`; of a record that gets too long only the beginning stays."""
        self._length += len(piece)
        if self._length <= MAX_RECORD_BYTES:
            self._kept += piece
        elif len(self._kept) != KEPT_BYTES:
            self._kept += piece
            del self._kept[KEPT_BYTES:]

    def take(self, line: int, fault: str | None = None) -> Record | None:
        """Return what was gathered as a record, None if it is blank, and begin anew."""
        body, length = bytes(self._kept).strip(), self._length
        self._kept, self._length = bytearray(), 0
        if length > MAX_RECORD_BYTES:
            fault = f"{length} bytes long; at most {MAX_RECORD_BYTES} are read"
        return Record(body, line, fault) if body or fault else None
