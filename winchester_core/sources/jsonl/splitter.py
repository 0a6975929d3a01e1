"""Finds the records of an input: one in each line, or the elements of a JSON array."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.sources.jsonl.array_splitter import ArraySplitter
from winchester_core.sources.jsonl.record import RecordBody

if TYPE_CHECKING:
    from winchester_core.sources.jsonl.record import Record

BLANKS_AND_BYTE_ORDER_MARK = b" \t\r\n\xef\xbb\xbf"


class RecordSplitter:
    """Takes an input in pieces of any size and gives its records in order.

    An input that begins with ``[`` is a JSON array; arrays may follow one another, as when the
    output of several commands is put together. Any other holds one JSON text in each line.
    """

    def __init__(self) -> None:
        self._line = 1
        self._splitter: LineSplitter | ArraySplitter | None = None

    @property
    def is_inside_array(self) -> bool:
        """Whether an array has begun that has not ended: at the end of an input, it is cut off."""
        return isinstance(self._splitter, ArraySplitter)

    def feed(self, data: bytes) -> list[Record]:
        """Return the records that `data` completes."""
        records: list[Record] = []
        while data:
            if self._splitter is None:
                data = self._skip_blanks(data)
                if not data:
                    break
                is_array = data.startswith(b"[")
                self._splitter = (ArraySplitter if is_array else LineSplitter)(self._line)
            data = self._splitter.feed(data, records)
            if isinstance(self._splitter, ArraySplitter) and self._splitter.is_closed:
                self._line = self._splitter.line
                self._splitter = None
        return records

    def finish(self) -> list[Record]:
        """Return the record that the end of the input completes, if any."""
        record = self._splitter.finish() if self._splitter else None
        return [record] if record else []

    def _skip_blanks(self, data: bytes) -> bytes:
        rest = data.lstrip(BLANKS_AND_BYTE_ORDER_MARK)
        self._line += data.count(b"\n", 0, len(data) - len(rest))
        return rest


class LineSplitter:
    """Every line is a record; blank ones are skipped, and the last one needs no line end."""

    def __init__(self, line: int) -> None:
        self._line = line
        self._body = RecordBody()

    def feed(self, data: bytes, records: list[Record]) -> bytes:
        """Append the records that `data` completes to `records`; consumes all."""
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._body.add(end)
            record = self._body.take(self._line)
            if record:
                records.append(record)
            self._line += 1
        self._body.add(rest)
        return b""

    def finish(self) -> Record | None:
        """Return the last line, if it had no line end."""
        return self._body.take(self._line)
