"""Event source that reads JSON from files, directories or standard input."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import Invalid, Optional, Required, Schema

from winchester_core.errors import SourceError
from winchester_core.interfaces import EventSource
from winchester_core.interfaces.params import TEXT, CheckedSchema
from winchester_core.model import Message
from winchester_core.sources.jsonl.input import STDIN, find_inputs, followed_files
from winchester_core.sources.jsonl.splitter import RecordSplitter
from winchester_core.sources.params import MESSAGE_PARAMETERS, message_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from winchester_core.sources.jsonl.input import ByteInput, FollowedFile
    from winchester_core.sources.jsonl.splitter import Record

log = logging.getLogger(__name__)

NO_PROPERTIES: Mapping[str, Any] = MappingProxyType({})


def _check_follow(params: Mapping[str, Any]) -> None:
    if params["follow"] and params["path"] == STDIN:
        raise Invalid("follow requires a file: standard input is read until it ends", ["follow"])


class JsonlSource(EventSource):
    """Reads events or notifications as JSON: lines, an array, or a sequence (RFC 7464).

    A line of a followed file is delivered when its line end is written or the file is rotated.

    The `body` of a message is the unparsed bytes. If it cannot be used (longer than 16 MiB, or cut
    off at the end of an array), `fault` is the reason and `body` is only the beginning.

    A mapping can use the properties `file` and `line`.

    Messages that are released, or not settled at `close`, are delivered again. After `close`,
    `open` continues where reading stopped. A new process reads a followed file from its start, and
    duplicates are recognized. If an input cannot be read, `SourceError` is raised after all
    messages read before have been delivered.
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
                    "a file, a directory (its files in order of name) or `-` for standard input; "
                    "gzip compression is detected from the content"
                ),
            ): TEXT,
            **MESSAGE_PARAMETERS,
            Optional(
                "follow",
                default=False,
                description=(
                    "whether to continue with appended data, across rotations, until stopped; the "
                    "file may be created later, and must be a regular file, not a directory, pipe "
                    "or gzip data"
                ),
            ): bool,
        },
        _check_follow,
    )
    allows_prefetch: ClassVar[bool] = True

    def __init__(self, **params: Any) -> None:
        super().__init__(**self.config_schema(params))
        self._message_fields = message_fields(self.params)
        self._inputs: Iterator[ByteInput | FollowedFile] | None = None
        self._input: ByteInput | FollowedFile | None = None
        self._splitter = RecordSplitter()
        self._records: deque[Record] = deque()
        self._records_origin = ""
        self._failure: SourceError | None = None
        self._next_token = 0
        self._unsettled: dict[int, Message] = {}
        self._released: deque[Message] = deque()

    def open(self) -> None:
        """Find the inputs and open the first, or reopen the current one."""
        self._failure = None
        if self._inputs is None:
            self._inputs = self._find_inputs()
            self._open_next_input()
        elif self._input is not None:
            self._input.open()
        self._update_exhausted()

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return up to `max_messages` available messages; wait only while there are none."""
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
        self._update_exhausted()
        if self._failure and not batch:
            raise self._failure
        return batch

    def ack(self, messages: Sequence[Message]) -> None:
        """Settle the messages. Messages that `close` released meanwhile are still redelivered."""
        for message in messages:
            self._unsettled.pop(message.token, None)

    def release(self, messages: Sequence[Message]) -> None:
        """Redeliver the messages, before other messages and in their original order."""
        unsettled = [self._unsettled.pop(m.token) for m in messages if m.token in self._unsettled]
        released = [*self._released, *(replace(each, redelivered=True) for each in unsettled)]
        self._released = deque(sorted(released, key=lambda message: message.token))
        self._update_exhausted()

    def reject(self, message: Message, reason: str) -> None:
        """Settle the message; the file is not changed."""
        del reason
        self.ack([message])

    def close(self) -> None:
        """Close the input; release unsettled messages."""
        self.release(list(self._unsettled.values()))
        if self._input is not None:
            self._input.close()

    def _find_inputs(self) -> Iterator[ByteInput | FollowedFile]:
        path = self.params["path"]
        return followed_files(path) if self.params["follow"] else find_inputs(path)

    def _read(self, timeout_seconds: float) -> bool:
        """Read more data; return False after a timeout, a failure, or the last input."""
        if self._input is None:
            return False
        self._records_origin = self._input.name
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
            log.warning("JSON array not closed, input may be truncated: input=%s", finished.name)
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
            token=token,
            received_from=f"{self._records_origin}:{record.line}",
            fault=record.fault,
            properties=self._properties(record),
            **self._message_fields,
        )

    def _properties(self, record: Record) -> Mapping[str, Any]:
        if not self._message_fields["mappings"]:
            return NO_PROPERTIES
        return {"file": self._records_origin, "line": record.line}

    def _update_exhausted(self) -> None:
        self.exhausted = (
            self._inputs is not None
            and self._input is None
            and not (self._records or self._released or self._failure)
        )
