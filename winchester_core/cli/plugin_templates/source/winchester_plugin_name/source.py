"""The event source `plugin_name`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from voluptuous import All, Length, Required, Schema
from winchester_core.errors import SourceError
from winchester_core.interfaces import EventSource
from winchester_core.model import Message, MessageKind

if TYPE_CHECKING:
    from collections.abc import Sequence

POLL_SECONDS = 0.2


class PluginNameSource(EventSource):
    """Reads each file `*.json` of a directory as an event; the file is removed once it is stored.

    Parameters:

    - `directory` (required): the directory of the files, relative to the working directory.

    Write a file under a different name, and rename it when it is complete. Only one process at a
    time should read a directory; if two processes do, Winchester detects the duplicates by their
    ids.
    """

    example: ClassVar[str] = """
        incoming:
          source: plugin_name
          params: {directory: incoming}
    """
    config_schema: ClassVar[Schema] = Schema(
        {Required("directory", description="directory of the files"): All(str, Length(min=1))}
    )

    def __init__(self, directory: str) -> None:
        super().__init__(directory=directory)
        self._directory = Path(directory)
        self._claimed: set[Path] = set()

    def open(self) -> None:
        """Check that the directory exists. Raises `SourceError`."""
        if not self._directory.is_dir():
            raise SourceError(str(self._directory), "there is no such directory")

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return waiting files in the order of their names; wait only while there are none.

        The files stay in the directory until they are acknowledged, so after a crash the next
        process receives them. If a file cannot be read, the others are still returned. If no
        waiting file can be read, raises `SourceError`.
        """
        deadline = time.monotonic() + timeout_seconds
        while not (paths := self._waiting()) and time.monotonic() < deadline:
            time.sleep(min(POLL_SECONDS, timeout_seconds))
        messages: list[Message] = []
        problem: OSError | None = None
        for path in paths:
            try:
                messages.append(self._message(path))
            except OSError as error:
                problem = error
            if len(messages) == max_messages:
                break
        if problem is not None and not messages:
            raise SourceError(str(problem.filename), str(problem.strerror)) from problem
        return messages

    def ack(self, messages: Sequence[Message]) -> None:
        """Remove the files, because their events are stored. Raises `SourceError`."""
        for message in messages:
            try:
                message.token.unlink(missing_ok=True)
            except OSError as error:
                raise SourceError(str(message.token), str(error)) from error
            self._claimed.discard(message.token)

    def release(self, messages: Sequence[Message]) -> None:
        """Make the files available to `receive` again."""
        self._claimed.difference_update(message.token for message in messages)

    def reject(self, message: Message, reason: str) -> None:
        """Remove an invalid file: Winchester has stored its content as a rejected message."""
        self.ack([message])

    def close(self) -> None:
        """Make unsettled files available again. Idempotent."""
        self._claimed.clear()

    def lag(self) -> int:
        """Return the number of waiting files."""
        return len(self._waiting())

    def _waiting(self) -> list[Path]:
        return sorted(path for path in self._directory.glob("*.json") if path not in self._claimed)

    def _message(self, path: Path) -> Message:
        body = path.read_bytes()
        self._claimed.add(path)
        return Message(body=body, kind=MessageKind.EVENT, token=path, received_from=str(path))
