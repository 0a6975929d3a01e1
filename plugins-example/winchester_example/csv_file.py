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
from winchester_example.row_event import CONVERTERS, InvalidRow, RowConverter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_example.csv_table import Row

DELIMITERS = (",", ";", "\t", "|")
_text = All(str, Length(min=1))


@json_schema(type="string", minLength=1, title="text encoding")
def text_encoding(name: Any) -> str:
    """Validate the name of a text encoding of Python. Raises `voluptuous.Invalid`."""
    if isinstance(name, str):
        with suppress(LookupError, ValueError):
            "".encode(name)
            return name
    raise Invalid(f"expected a text encoding, such as utf-8 or cp1252, not {name!r:.60}")


class CsvFileSource(EventSource):
    """Reads each row of a CSV file as an event, once from the header to the end.

    An event needs `event_type` and `timestamp` (ISO 8601, in UTC if it has no offset). If there is
    no `message_id`, it is derived from the row. An invalid row is delivered with a `fault` and
    stored as a rejected message. If reading fails, `SourceError` is raised after all previously
    read rows have been delivered.

    The file is not changed, and no position is stored. If another process reads the file again, the
    ids identify its rows as duplicates. Within a process, messages are redelivered if they are
    released or not acknowledged at `close`, and `open` resumes where reading stopped.
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
            Required("path", description="the file; relative to the working directory"): _text,
            Optional(
                "columns",
                default=dict,
                description="a map of traits to columns, if their names differ",
            ): {_text: _text},
            Optional(
                "types",
                default=dict,
                description="a map of traits to the types of their values; default: `text`",
            ): {_text: In(list(CONVERTERS))},
            Optional("delimiter", default=",", description="separator between cells"): In(
                DELIMITERS
            ),
            Optional(
                "encoding",
                default="utf-8-sig",
                description="encoding of the file; default: UTF-8, byte order mark optional",
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
        self._converter = RowConverter(columns, self.params["types"])
        self._rows_read = 0
        self._at_end = False
        self._failure: SourceError | None = None
        self._unacknowledged: dict[int, Message] = {}
        self._released: deque[Message] = deque()

    def open(self) -> None:
        """Open the file and skip the rows already read. Raises `SourceError`."""
        self._failure, self._at_end = None, False
        self._table.open()
        for _ in range(self._rows_read):
            self._table.next_row()
        self._update_exhausted()

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return the next rows. Raises `SourceError` after all rows before a failure."""
        batch: list[Message] = []
        while len(batch) < max_messages and (message := self._next_message()) is not None:
            batch.append(message)
        self._unacknowledged.update((message.token, message) for message in batch)
        self._update_exhausted()
        if self._failure and not batch:
            raise self._failure
        return batch

    def ack(self, messages: Sequence[Message]) -> None:
        """Delete the messages, because their events are stored."""
        for message in messages:
            self._unacknowledged.pop(message.token, None)

    def release(self, messages: Sequence[Message]) -> None:
        """Queue the messages for redelivery, before new ones and in their original order."""
        held = self._unacknowledged
        released = [
            replace(held.pop(message.token), redelivered=True)
            for message in messages
            if message.token in held
        ]
        queue = [*self._released, *released]
        self._released = deque(sorted(queue, key=lambda message: message.token))
        self._update_exhausted()

    def reject(self, message: Message, reason: str) -> None:
        """Delete the message. A file has no sender to notify."""
        self.ack([message])

    def close(self) -> None:
        """Close the file, and release the messages that are not acknowledged."""
        self.release(list(self._unacknowledged.values()))
        self._table.close()

    def _next_message(self) -> Message | None:
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
        return self._to_message(row)

    def _to_message(self, row: Row) -> Message:
        body, fault = dict(row.cells), row.fault
        if fault is None:
            try:
                body = self._converter.to_event(row.cells)
            except InvalidRow as invalid:
                fault = str(invalid)
        return Message(
            body=body,
            kind=MessageKind.EVENT,
            token=self._rows_read,
            received_from=f"{self.params['path']}:{row.line}",
            fault=fault,
        )

    def _update_exhausted(self) -> None:
        self.exhausted = self._at_end and not self._released
