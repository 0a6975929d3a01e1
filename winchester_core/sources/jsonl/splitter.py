"""Splitting of an input into records: lines, a JSON text sequence, or elements of a JSON array."""

from __future__ import annotations

import re
from dataclasses import dataclass

BLANKS_AND_BYTE_ORDER_MARK = b" \t\r\n\xef\xbb\xbf"


class RecordSplitter:
    """Splits an input, fed in pieces of any size, into records.

    If an input begins with ``[``, it is a JSON array, or a concatenation of arrays, such as the
    output of several commands. If it begins with a record separator (0x1E), it is a JSON text
    sequence (RFC 7464). Any other input has one JSON text per line.
    """

    def __init__(self) -> None:
        self._line = 1
        self._splitter: LineSplitter | SequenceSplitter | ArraySplitter | None = None

    @property
    def is_inside_array(self) -> bool:
        """Return whether an array is not closed. At the end of an input, it was then truncated."""
        return isinstance(self._splitter, ArraySplitter)

    def feed(self, data: bytes) -> list[Record]:
        """Return the records that `data` completes."""
        records: list[Record] = []
        while data:
            if self._splitter is None:
                data = self._skip_blanks(data)
                if not data:
                    break
                self._splitter = SPLITTERS.get(data[:1], LineSplitter)(self._line)
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
    """Splits lines into records; skips blank lines. The last line needs no line end."""

    def __init__(self, line: int) -> None:
        self._line = line
        self._buffer = RecordBuffer()

    def feed(self, data: bytes, records: list[Record]) -> bytes:
        """Append the records that `data` completes to `records`; return b"", as all is consumed."""
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._buffer.add(end)
            record = self._buffer.take(self._line)
            if record:
                records.append(record)
            self._line += 1
        self._buffer.add(rest)
        return b""

    def finish(self) -> Record | None:
        """Return the last line, if it had no line end."""
        return self._buffer.take(self._line)


# Incremental splitting of JSON texts, which tracks only strings and brackets: texts are parsed
# later, and may turn out to be invalid.

CUT_OFF = "the input ends inside this element of the JSON array"

_SEPARATORS = re.compile(rb"[ \t\r\n,]*+")
_REST_OF_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
# Complete strings, and other text without brackets; ends before an incomplete string.
_NESTED = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)

_QUOTE = ord('"')


class TextScanner:
    """Finds the end of a JSON text: one of `ends`, outside of strings and brackets."""

    def __init__(self, ends: bytes) -> None:
        self._ends = ends
        self._top_level = re.compile(
            rb'(?:[^"{}\[\]%b]++|"(?:[^"\\]++|\\.)*+")*+' % re.escape(ends), re.DOTALL
        )
        self.reset()

    def reset(self) -> None:
        """Begin a text."""
        self._depth = 0
        self._is_in_string = False
        self._is_escaped = False

    def scan(self, data: bytes, position: int) -> tuple[int, bool]:
        """Return where the text ends and True, or the end of `data` and False."""
        while position < len(data):
            if self._is_in_string:
                position = self._scan_string(data, position)
                continue
            match = (_NESTED if self._depth else self._top_level).match(data, position)
            position = match.end() if match else position
            if position == len(data):
                break
            if not self._depth and data[position] in self._ends:
                return position, True
            self._enter_or_leave(data[position])
            position += 1
        return position, False

    def _scan_string(self, data: bytes, position: int) -> int:
        if self._is_escaped:
            self._is_escaped = False
            return position + 1
        match = _REST_OF_STRING.match(data, position)
        position = match.end() if match else position
        if position < len(data):  # at the closing quote, or at a backslash at the end of `data`
            self._is_in_string = data[position] != _QUOTE
            self._is_escaped = self._is_in_string
            position += 1
        return position

    def _enter_or_leave(self, byte: int) -> None:
        if byte == _QUOTE:
            self._is_in_string = True
        elif byte in b"{[":
            self._depth += 1
        else:
            self._depth = max(self._depth - 1, 0)


class ArraySplitter:
    """Splits an array into its elements, from its ``[`` to its ``]``."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.is_closed = False
        self._buffer = RecordBuffer()
        self._scanner = TextScanner(b",]")
        self._is_open = False
        self._element_line: int | None = None

    def feed(self, data: bytes, records: list[Record]) -> bytes:
        """Append the elements that `data` completes to `records`; return what follows the array."""
        position = 0
        if not self._is_open:
            self._is_open, position = True, 1
        while position < len(data):
            if self._element_line is None:
                position = self._skip_separators(data, position)
                if data[position : position + 1] == b"]":
                    self.is_closed = True
                    return data[position + 1 :]
                self._element_line = self.line if position < len(data) else None
            else:
                position = self._read_element(data, position, records)
        return b""

    def finish(self) -> Record | None:
        """Return the element that the end of the input cut off, if any."""
        if self._element_line is None:
            return None
        return self._buffer.take(self._element_line, CUT_OFF)

    def _skip_separators(self, data: bytes, position: int) -> int:
        match = _SEPARATORS.match(data, position)
        end = match.end() if match else position
        self.line += data.count(b"\n", position, end)
        return end

    def _read_element(self, data: bytes, position: int, records: list[Record]) -> int:
        end, is_whole = self._scanner.scan(data, position)
        self._buffer.add(data[position:end])
        self.line += data.count(b"\n", position, end)
        if is_whole and self._element_line is not None:
            record = self._buffer.take(self._element_line)
            if record:
                records.append(record)
            self._element_line = None
        return end


class SequenceSplitter:
    """Splits a JSON text sequence: each text begins after a record separator.

    A text ends at a line end outside of strings and brackets, so the last text can be recognized as
    complete. If a text was cut off, it ends at the next separator.
    """

    def __init__(self, line: int) -> None:
        self._line = self._text_line = line
        self._buffer = RecordBuffer()
        self._scanner = TextScanner(b"\n")

    def feed(self, data: bytes, records: list[Record]) -> bytes:
        """Append the records that `data` completes to `records`; return b"", as all is consumed."""
        first, *others = data.split(RECORD_SEPARATOR)
        self._add(first, records)
        for piece in others:
            self._end_text(records)
            self._add(piece, records)
        return b""

    def finish(self) -> Record | None:
        """Return the last text, if it had no line end."""
        return self._buffer.take(self._text_line)

    def _add(self, piece: bytes, records: list[Record]) -> None:
        position = 0
        while position < len(piece):
            end, is_whole = self._scanner.scan(piece, position)
            self._buffer.add(piece[position:end])
            self._line += piece.count(b"\n", position, end) + is_whole
            if is_whole:
                self._end_text(records)
            position = end + is_whole

    def _end_text(self, records: list[Record]) -> None:
        record = self._buffer.take(self._text_line)
        if record:
            records.append(record)
        self._scanner.reset()
        self._text_line = self._line


RECORD_SEPARATOR = b"\x1e"

SPLITTERS: dict[bytes, type[ArraySplitter | SequenceSplitter]] = {
    b"[": ArraySplitter,
    RECORD_SEPARATOR: SequenceSplitter,
}
"""Splitters by the first byte of the input."""

MAX_RECORD_BYTES = 16 * 1024 * 1024
MAX_KEPT_BYTES = 1024 * 1024
"""Number of bytes kept of a record that is too long, as for a rejected message."""


@dataclass(frozen=True, slots=True)
class Record:
    """An unparsed JSON text, stripped of whitespace, and the line (from 1) where it begins.

    If it cannot be used, `fault` is the reason and `body` is only its beginning.
    """

    body: bytes
    line: int
    fault: str | None = None


class RecordBuffer:
    """Bytes of the current record."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._length = 0

    def add(self, piece: bytes) -> None:
        """Append `piece`. If the record is too long, keep only its beginning."""
        self._length += len(piece)
        if self._length <= MAX_RECORD_BYTES:
            self._kept += piece
        elif len(self._kept) != MAX_KEPT_BYTES:
            self._kept += piece
            del self._kept[MAX_KEPT_BYTES:]

    def take(self, line: int, fault: str | None = None) -> Record | None:
        """Return the buffered bytes as a record, None if blank, and reset the buffer."""
        body, length = bytes(self._kept).strip(), self._length
        self._kept, self._length = bytearray(), 0
        if length > MAX_RECORD_BYTES:
            fault = f"{length} bytes long; the maximum is {MAX_RECORD_BYTES}"
        return Record(body, line, fault) if body or fault else None
