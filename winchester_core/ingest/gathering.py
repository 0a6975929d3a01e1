"""Gathers what comes from a source into batches, by number or time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.clock import monotonic

if TYPE_CHECKING:
    import threading

    from winchester_core.interfaces import EventSource
    from winchester_core.model.message import Message

RECEIVE_TIMEOUT_SECONDS = 1.0


class BatchGatherer:
    """Takes batches of up to `size` messages from a source that is open.

    What comes alone is handed on at once. As soon as messages follow each other, the first of a
    batch waits up to `wait_seconds` for others, for a transaction costs nearly the same for one
    message and for a hundred. A source whose senders wait for an answer is never waited for.
    """

    def __init__(
        self, source: EventSource, *, size: int, wait_seconds: float, stop: threading.Event
    ) -> None:
        self._source = source
        self._size = size
        self._wait_seconds = 0.0 if source.replies_to_sender else wait_seconds
        self._stop = stop
        self._is_busy = False

    def gather(self) -> list[Message]:
        """The next batch; empty when nothing came for a second.

        Raises what the source raises; what had come before is released then.
        """
        messages = list(self._source.receive(self._size, RECEIVE_TIMEOUT_SECONDS))
        if messages and self._is_busy:
            self._add_others(messages)
        self._is_busy = len(messages) > 1
        return messages

    def _add_others(self, messages: list[Message]) -> None:
        until = monotonic() + self._wait_seconds
        try:
            while len(messages) < self._size and not self._is_over():
                remaining = until - monotonic()
                if remaining <= 0:
                    return
                messages += self._source.receive(self._size - len(messages), remaining)
        except BaseException:
            self._source.release(messages)
            raise

    def _is_over(self) -> bool:
        return self._stop.is_set() or self._source.exhausted
