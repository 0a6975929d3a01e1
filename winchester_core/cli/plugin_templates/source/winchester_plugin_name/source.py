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
    """Takes in each file `*.json` of a directory as an event; it is removed once it is stored.

    Parameters:

    - `directory` (required): where the files are. A relative one starts at the working directory.

    Write a file under another name, and rename it when it is complete. One process at a time may
    take files from a directory; where two do, Winchester knows the duplicates by their ids.
    """

    example: ClassVar[str] = """
        incoming:
          source: plugin_name
          params: {directory: incoming}
    """
    config_schema: ClassVar[Schema] = Schema(
        {Required("directory", description="where the files are"): All(str, Length(min=1))}
    )

    def __init__(self, directory: str) -> None:
        super().__init__(directory=directory)
        self._directory = Path(directory)
        self._in_hand: set[Path] = set()

    def open(self) -> None:
        """Look whether the directory is there. Raises `SourceError`."""
        if not self._directory.is_dir():
            raise SourceError(str(self._directory), "there is no such directory")

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return what is there, in the order of names; wait only while there is nothing.

        The files stay where they are until they are acknowledged: a process that ends before
        leaves them to the next. Raises `SourceError`.
        """
        deadline = time.monotonic() + timeout_seconds
        while not (paths := self._waiting()) and time.monotonic() < deadline:
            time.sleep(min(POLL_SECONDS, timeout_seconds))
        return [self._message(path) for path in paths[:max_messages]]

    def ack(self, messages: Sequence[Message]) -> None:
        """Remove the files: their events are stored. Raises `SourceError`."""
        for message in messages:
            try:
                message.token.unlink(missing_ok=True)
            except OSError as error:
                raise SourceError(str(message.token), str(error)) from error
            self._in_hand.discard(message.token)

    def release(self, messages: Sequence[Message]) -> None:
        """Let the files be received again."""
        self._in_hand.difference_update(message.token for message in messages)

    def reject(self, message: Message, reason: str) -> None:
        """Remove a bad file: Winchester has kept what was in it."""
        self.ack([message])

    def close(self) -> None:
        """Let what is not settled be received again. Idempotent."""
        self._in_hand.clear()

    def lag(self) -> int:
        """How many files wait."""
        return len(self._waiting())

    def _waiting(self) -> list[Path]:
        return sorted(path for path in self._directory.glob("*.json") if path not in self._in_hand)

    def _message(self, path: Path) -> Message:
        try:
            body = path.read_bytes()
        except OSError as error:
            raise SourceError(str(path), str(error)) from error
        self._in_hand.add(path)
        return Message(body=body, kind=MessageKind.EVENT, token=path, received_from=str(path))
