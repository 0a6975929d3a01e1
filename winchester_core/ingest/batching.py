"""Batches of a source's messages, and the parts of a batch that are stored in one transaction."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from winchester_core.clock import monotonic

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence

    from winchester_core.interfaces import EventSource
    from winchester_core.model.message import Message

RECEIVE_TIMEOUT_SECONDS = 1.0


class MessageBatcher:
    """Collects messages of an open source into batches of up to `size`.

    A single message is returned immediately. If the source is busy (the last batch had more than
    one message), a batch waits up to `wait_seconds` for more messages, because a transaction with
    one message costs nearly as much as one with a hundred. If senders wait for a reply, the batch
    never waits.

    Errors of the source propagate, after the messages collected so far have been released.
    """

    def __init__(
        self, source: EventSource, *, size: int, wait_seconds: float, stop: threading.Event
    ) -> None:
        self._source = source
        self._size = size
        self._wait_seconds = 0.0 if source.replies_to_sender else wait_seconds
        self._stop = stop
        self._is_busy = False
        self._collected: list[Message] = []

    def __len__(self) -> int:
        """Return the number of messages that are collected for the next batch."""
        return len(self._collected)

    def is_full(self, batch: Sequence[Message]) -> bool:
        """Return whether `batch` has the maximum size, so that more messages probably wait."""
        return len(batch) >= self._size

    def collect_available(self, is_done: Callable[[], bool]) -> bool:
        """Collect messages for the next batch without waiting; return whether it is full.

        Ends when no more messages are available, or `is_done` returns true.
        """
        with self._releasing_after_error():
            while self._wants_more() and not is_done():
                messages = self._receive(0.0)
                if not messages:
                    break
                self._collected += messages
        return self.is_full(self._collected)

    def next_batch(self) -> list[Message]:
        """Return the next batch. It is empty if no message arrives within a second."""
        if self._collected:
            self.collect_available(is_done=lambda: False)
        else:
            self._collected += self._receive(RECEIVE_TIMEOUT_SECONDS)
        if self._collected and self._is_busy:
            self._fill()
        batch, self._collected = self._collected, []
        self._is_busy = len(batch) > 1
        return batch

    def release(self) -> None:
        """Release the messages that are collected for the next batch."""
        released, self._collected = self._collected, []
        if released:
            self._source.release(released)

    def _fill(self) -> None:
        timeout_at = monotonic() + self._wait_seconds
        with self._releasing_after_error():
            while self._wants_more():
                remaining = timeout_at - monotonic()
                if remaining <= 0:
                    return
                self._collected += self._receive(remaining)

    def _wants_more(self) -> bool:
        return not (self.is_full(self._collected) or self._stop.is_set() or self._source.exhausted)

    def _receive(self, timeout_seconds: float) -> list[Message]:
        return self._source.receive(self._size - len(self._collected), timeout_seconds)

    @contextmanager
    def _releasing_after_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.release()
            raise


MAX_BATCH_BYTES = 8 * 1024 * 1024
"""Maximum size of message bodies per transaction. MariaDB accepts 16 MiB per statement."""

MAPPED_FACTOR = 16
"""Factor of the size of a body with a mapping, which may make an event of a few of its bytes."""


def parts_by_bytes(messages: Sequence[Message]) -> Iterator[slice]:
    """Divide messages into consecutive parts of at most `MAX_BATCH_BYTES` or one message.

    If a body is already parsed, its size is unknown and counts as 0.
    """
    begin = size = 0
    for index, message in enumerate(messages):
        length = len(message.body) if isinstance(message.body, bytes) else 0
        length *= MAPPED_FACTOR if message.mappings else 1
        if index > begin and size + length > MAX_BATCH_BYTES:
            yield slice(begin, index)
            begin, size = index, 0
        size += length
    yield slice(begin, len(messages))
