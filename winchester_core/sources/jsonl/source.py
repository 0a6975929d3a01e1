"""Delivers the records of files, directories or standard input as messages."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import All, In, Invalid, Length, Optional, Required, Schema

from winchester_core.errors import SourceError
from winchester_core.interfaces import EventSource
from winchester_core.interfaces.params import CheckedSchema
from winchester_core.model import Message, MessageKind
from winchester_core.sources.jsonl.input import STDIN, find_inputs, followed_files
from winchester_core.sources.jsonl.splitter import RecordSplitter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from winchester_core.sources.jsonl.input import ByteInput, FollowedFile
    from winchester_core.sources.jsonl.splitter import Record

log = logging.getLogger(__name__)


def _check_follow(params: Mapping[str, Any]) -> None:
    if params["follow"] and params["path"] == STDIN:
        raise Invalid("follow is for a file: standard input is read until it ends", ["follow"])


class JsonlSource(EventSource):
    """Events or notifications as JSON, one in each line or as the elements of an array.

    Of a file that is followed, a line is delivered once its line end is there, or the next file
    has begun.

    A message's `body` is the bytes as they stand in the input, not yet known to be JSON. One
    that cannot be used (longer than 16 MiB, or cut off at the end of an array) has the header
    `fault` with the reason, and only the beginning as its body.

    Messages that are released, or not yet settled at `close`, are delivered again. After
    `close`, `open` goes on where reading stopped; a process that starts anew begins at the start
    of a followed file, whose messages are then known by their ids. An input that cannot be read
    raises `SourceError`, after all that was read before it has been delivered.
    """

    example: ClassVar[str] = """
        incoming:
          source: jsonl
          params: {path: spool/events, format: event}
    """
    config_schema: ClassVar[Schema] = CheckedSchema(
        {
            Required(
                "path",
                description=(
                    "a file, a directory (its files in name order) or `-` for standard input; each"
                    " may be compressed with gzip, which is recognised by content"
                ),
            ): All(str, Length(min=1)),
            Optional("format", default="notification", description="what the JSON texts are"): In(
                [kind.value for kind in MessageKind]
            ),
            Optional(
                "follow",
                default=False,
                description=(
                    "whether to go on with what is appended, through rotation, until stopped; the "
                    "file need not be there yet, and only a plain file is followed, no directory, "
                    "pipe or gzip data"
                ),
            ): bool,
            Optional(
                "datetime_traits",
                default=list,
                description=(
                    "the traits of events that are datetimes; an event may also name them itself"
                ),
            ): [All(str, Length(min=1, max=255))],
        },
        _check_follow,
    )

    def __init__(self, **params: Any) -> None:
        super().__init__(**self.config_schema(params))
        self._kind = MessageKind(self.params["format"])
        self._datetime_traits = tuple(self.params["datetime_traits"])
        self._inputs: Iterator[ByteInput | FollowedFile] | None = None
        self._input: ByteInput | FollowedFile | None = None
        self._splitter = RecordSplitter()
        self._records: deque[Record] = deque()
        self._records_from = ""
        self._failure: SourceError | None = None
        self._next_token = 0
        self._unsettled: dict[int, Message] = {}
        self._released: deque[Message] = deque()

    def open(self) -> None:
        """Find the inputs and open the first, or the one that was being read."""
        self._failure = None
        if self._inputs is None:
            self._inputs = self._find_inputs()
            self._open_next_input()
        elif self._input is not None:
            self._input.open()
        self._note_end()

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return what is there, at most `max_messages`; wait only while there is nothing."""
        batch: list[Message] = []
        while len(batch) < max_messages:
            if self._released:
                batch.append(self._released.popleft())
            elif self._records:
                batch.append(self._message(self._records.popleft()))
            elif self._failure or not self._read(0 if batch else timeout_seconds):
                break
            else:
                timeout_seconds = 0
        self._unsettled.update((message.token, message) for message in batch)
        self._note_end()
        if self._failure and not batch:
            raise self._failure
        return batch

    def ack(self, messages: Sequence[Message]) -> None:
        """Forget the messages. One that came back through `close` meanwhile comes again."""
        for message in messages:
            self._unsettled.pop(message.token, None)

    def release(self, messages: Sequence[Message]) -> None:
        """Deliver the messages again, before others, in the order they had."""
        back = [self._unsettled.pop(m.token) for m in messages if m.token in self._unsettled]
        waiting = [*self._released, *(replace(message, redelivered=True) for message in back)]
        self._released = deque(sorted(waiting, key=lambda message: message.token))
        self._note_end()

    def reject(self, message: Message, reason: str) -> None:
        """Forget the message; the file stays as it is."""
        self.ack([message])

    def close(self) -> None:
        """Close the input; what is not settled is released."""
        self.release(list(self._unsettled.values()))
        if self._input is not None:
            self._input.close()

    def _find_inputs(self) -> Iterator[ByteInput | FollowedFile]:
        path = self.params["path"]
        return followed_files(path) if self.params["follow"] else find_inputs(path)

    def _read(self, timeout_seconds: float) -> bool:
        """Read on; False when nothing came in time, or nothing more can come."""
        if self._input is None:
            return False
        self._records_from = self._input.name
        try:
            data = self._input.read(timeout_seconds)
            if data:
                self._records.extend(self._splitter.feed(data))
            elif data is not None:
                self._finish_input(self._input)
        except SourceError as error:
            self._failure = error
            return False
        return data is not None

    def _finish_input(self, finished: ByteInput | FollowedFile) -> None:
        if self._splitter.is_inside_array:
            log.warning("%s: the JSON array has no end; the input may be cut off", finished.name)
        self._records.extend(self._splitter.finish())
        finished.close()
        self._open_next_input()

    def _open_next_input(self) -> None:
        self._splitter = RecordSplitter()
        self._input = next(self._inputs, None) if self._inputs else None
        if self._input is not None:
            self._input.open()

    def _message(self, record: Record) -> Message:
        token, self._next_token = self._next_token, self._next_token + 1
        return Message(
            body=record.body,
            kind=self._kind,
            token=token,
            received_from=f"{self._records_from}:{record.line}",
            datetime_traits=self._datetime_traits,
            fault=record.fault,
        )

    def _note_end(self) -> None:
        self.exhausted = (
            self._inputs is not None
            and self._input is None
            and not (self._records or self._released or self._failure)
        )
