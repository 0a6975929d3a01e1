"""The events of a database as a source: what has been ingested comes again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.errors import StorageError
from winchester_core.interfaces import EventSource
from winchester_core.model.message import Message, MessageKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.storage.interface import ReadStore
    from winchester_core.storage.records import EventFilter


class StoredEvents(EventSource):
    """The events that `wanted` finds in `store`, in the order of their storing. It only reads.

    Opened again, it comes to its end after as many as the first time: a second replay does not
    get what was ingested meanwhile.
    """

    def __init__(self, store: ReadStore, wanted: EventFilter) -> None:
        super().__init__()
        self.exhausted = False
        self._store = store
        self._wanted = wanted
        self._cursor: str | None = None
        self._read = 0
        self._most: int | None = None

    def open(self) -> None:
        """Begin anew."""
        self.exhausted = False
        self._cursor, self._read = None, 0

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """The next of them. Raises `StorageError` where a worker trims faster than this reads."""
        del timeout_seconds  # what is stored is there
        left = max_messages if self._most is None else min(max_messages, self._most - self._read)
        page = (
            self._store.find_events(self._wanted, cursor=self._cursor, limit=left) if left else []
        )
        self._read += len(page)
        if left and not page and self._cursor is not None:
            self._check_cursor(self._cursor)
        if page:
            self._cursor = page[-1]["message_id"]
        if len(page) < max_messages:
            self.exhausted = True
            self._most = self._read
        return [Message(event, MessageKind.EVENT) for event in page]

    def ack(self, messages: Sequence[Message]) -> None:
        """Nothing is to be told: the events stay."""

    def release(self, messages: Sequence[Message]) -> None:
        """Nothing is to be given back."""

    def reject(self, message: Message, reason: str) -> None:
        """Nothing is to be told: the event stays."""

    def close(self) -> None:
        """Nothing is open."""

    def _check_cursor(self, cursor: str) -> None:
        """Tell the end of the events from one that was trimmed meanwhile: nothing is past it."""
        if self._store.get_event_by_message_id(cursor) is None:
            raise StorageError(
                f"event {cursor} was trimmed while the events were read: begin later (--since)"
            )
