"""The event source `csv_file`: each row of a CSV file is an event."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import All, In, Invalid, Length, Optional, Required, Schema

from winchester_core.errors import SourceError
from winchester_core.interfaces import EventSource, json_schema
from winchester_core.model import Message, MessageKind
from winchester_example.csv_table import CsvTable
from winchester_example.row_event import CONVERTERS, RowReader, UnusableRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_example.csv_table import Row

DELIMITERS = (",", ";", "\t", "|")
_text = All(str, Length(min=1))


@json_schema(type="string", minLength=1, title="text encoding")
def text_encoding(name: Any) -> str:
    """Accept the name of a text encoding that Python knows. Raises `voluptuous.Invalid`."""
    if isinstance(name, str):
        with suppress(LookupError, ValueError):
            "".encode(name)
            return name
    raise Invalid(f"{name!r:.60} is no text encoding, such as utf-8 or cp1252")


class CsvFileSource(EventSource):
    """The rows of a CSV file as events, from its header to its end; it does not wait for more.

    An event needs `event_type` and `timestamp` (ISO 8601, UTC without an offset); its
    `message_id` is derived from the row where the file has none. A row that cannot be used is
    delivered with its `fault`, for which it is kept as a rejected message. A file that cannot be
    read on raises `SourceError`, after all that was read before has been delivered.

    The file is not changed, and what was read of it is not remembered beyond the process: read
    again, its rows are duplicates, which the ids tell. Within the process, messages released or
    not settled at `close` are delivered again, and `open` goes on where reading stopped.
    """

    example: ClassVar[str] = """
        doors:
          source: csv_file
          params:
            path: doors.csv
            columns: {event_type: what, timestamp: time}
            types: {floor: int}
    """
    config_schema: ClassVar[Schema] = Schema(
        {
            Required(
                "path", description="the file; a relative one starts at the working directory"
            ): _text,
            Optional(
                "columns",
                default=dict,
                description="a map of trait to column, where their names differ",
            ): {_text: _text},
            Optional(
                "types",
                default=dict,
                description="a map of trait to what its texts are; `text` where it is not named",
            ): {_text: In(list(CONVERTERS))},
            Optional("delimiter", default=",", description="what stands between two cells"): In(
                DELIMITERS
            ),
            Optional(
                "encoding",
                default="utf-8-sig",
                description="of the file; the default is UTF-8 with or without a byte order mark",
            ): text_encoding,
        }
    )

    def __init__(self, **params: Any) -> None:
        super().__init__(**self.config_schema(params))
        columns = self.params["columns"]
        self._table = CsvTable(
            self.params["path"],
            delimiter=self.params["delimiter"],
            encoding=self.params["encoding"],
            columns=columns.values(),
        )
        self._reader = RowReader(columns, self.params["types"])
        self._rows_read = 0
        self._at_end = False
        self._failure: SourceError | None = None
        self._unsettled: dict[int, Message] = {}
        self._released: deque[Message] = deque()

    def open(self) -> None:
        """Open the file, and pass over the rows that were read before. Raises `SourceError`."""
        self._failure, self._at_end = None, False
        self._table.open()
        for _ in range(self._rows_read):
            self._table.next_row()
        self._note_end()

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return the next rows. Raises `SourceError` once all before the failure are out."""
        batch: list[Message] = []
        while len(batch) < max_messages and (message := self._next()) is not None:
            batch.append(message)
        self._unsettled.update((message.token, message) for message in batch)
        self._note_end()
        if self._failure and not batch:
            raise self._failure
        return batch

    def ack(self, messages: Sequence[Message]) -> None:
        """Forget the messages."""
        for message in messages:
            self._unsettled.pop(message.token, None)

    def release(self, messages: Sequence[Message]) -> None:
        """Deliver the messages again, before others, in the order they had."""
        back = [self._unsettled.pop(m.token) for m in messages if m.token in self._unsettled]
        waiting = [*self._released, *(replace(message, redelivered=True) for message in back)]
        self._released = deque(sorted(waiting, key=lambda message: message.token))
        self._note_end()

    def reject(self, message: Message, reason: str) -> None:
        """Forget the message: there is nobody to tell."""
        self.ack([message])

    def close(self) -> None:
        """Close the file; what is not settled is released."""
        self.release(list(self._unsettled.values()))
        self._table.close()

    def _next(self) -> Message | None:
        if self._released:
            return self._released.popleft()
        if self._failure or self._at_end:
            return None
        try:
            row = self._table.next_row()
        except SourceError as error:
            self._failure = error
            return None
        if row is None:
            self._at_end = True
            return None
        self._rows_read += 1
        return self._message(row)

    def _message(self, row: Row) -> Message:
        body, fault = dict(row.cells), row.fault
        if fault is None:
            try:
                body = self._reader.event(row.cells)
            except UnusableRow as unusable:
                fault = str(unusable)
        return Message(
            body=body,
            kind=MessageKind.EVENT,
            token=self._rows_read,
            received_from=f"{self.params['path']}:{row.line}",
            fault=fault,
        )

    def _note_end(self) -> None:
        self.exhausted = self._at_end and not self._released
