"""Finds the elements of a JSON array as it is read.

Only strings and brackets are looked at; whether an element is JSON is for its reader to say.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from winchester_core.sources.jsonl.record import RecordBody

if TYPE_CHECKING:
    from winchester_core.sources.jsonl.record import Record

CUT_OFF = "the input ends inside this element of the JSON array"

_SEPARATORS = re.compile(rb"[ \t\r\n,]*+")
_REST_OF_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
# Whole strings and what is neither string nor bracket; a string that `data` cuts off ends both.
_NESTED = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_TOP_LEVEL = re.compile(rb'(?:[^"{}\[\],]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)

_QUOTE = ord('"')


class ArraySplitter:
    """Fed from the ``[`` on, gives each element as a record until the array's ``]``."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.is_closed = False
        self._body = RecordBody()
        self._is_open = False
        self._element_line: int | None = None
        self._depth = 0
        self._is_in_string = False
        self._is_escaped = False

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
        return self._body.take(self._element_line, CUT_OFF)

    def _skip_separators(self, data: bytes, position: int) -> int:
        match = _SEPARATORS.match(data, position)
        end = match.end() if match else position
        self.line += data.count(b"\n", position, end)
        return end

    def _read_element(self, data: bytes, position: int, records: list[Record]) -> int:
        end, is_whole = self._scan(data, position)
        self._body.add(data[position:end])
        self.line += data.count(b"\n", position, end)
        if is_whole and self._element_line is not None:
            record = self._body.take(self._element_line)
            if record:
                records.append(record)
            self._element_line = None
        return end

    def _scan(self, data: bytes, position: int) -> tuple[int, bool]:
        """Return where the element ends and True, or the end of `data` and False."""
        while position < len(data):
            if self._is_in_string:
                position = self._scan_string(data, position)
                continue
            match = (_NESTED if self._depth else _TOP_LEVEL).match(data, position)
            position = match.end() if match else position
            if position == len(data):
                break
            if not self._depth and data[position] in b",]":
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
        if position < len(data):  # at the closing quote, or at a backslash that `data` ends with
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
