"""Queue of the messages of requests, and the wait for their results."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from winchester_core.sources.http.responses import ItemResult, ItemState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from winchester_core.model import Message

UNAVAILABLE_RESULT = ItemResult(
    ItemState.UNAVAILABLE, reason="not known to be stored; send it again with the same id"
)


class PendingRequest:
    """Results of the items of one request.

    The pump's thread settles the items one by one; the server's thread awaits them.
    """

    def __init__(self, number: int, on_settled: Callable[[], None]) -> None:
        """Expect `number` results; call `on_settled` when all are set."""
        self._results: list[ItemResult | None] = [None] * number
        self._unsettled = number
        self._on_settled = on_settled

    def settle(self, position: int, result: ItemResult) -> None:
        """Set the result of an item, unless it is set."""
        if self._results[position] is None:
            self._results[position] = result
            self._unsettled -= 1
            if not self._unsettled:
                self._on_settled()

    def results(self) -> list[ItemResult]:
        """Return the results in the order of the request; missing ones are `UNAVAILABLE_RESULT`."""
        return [UNAVAILABLE_RESULT if result is None else result for result in self._results]


class RequestItem(NamedTuple):
    """Token of a message: its request, and its position there."""

    request: PendingRequest
    position: int

    def settle(self, result: ItemResult) -> None:
        """Set the result of the item, unless it is set."""
        self.request.settle(self.position, result)


class Inbox:
    """Thread-safe queue of messages with `RequestItem` tokens, bounded by `max_requests`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Message] = deque()
        self._is_open = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_open(self) -> bool:
        """Return whether messages are accepted."""
        return self._is_open

    def open(self) -> None:
        """Accept messages."""
        with self._changed:
            self._is_open = True

    def close(self) -> list[Message]:
        """Accept no more messages; remove and return the messages in the queue."""
        with self._changed:
            self._is_open = False
            waiting, self._waiting = self._waiting, deque()
            return list(waiting)

    def put(self, messages: Iterable[Message]) -> bool:
        """Add messages; return False when the inbox is closed."""
        with self._changed:
            if self._is_open:
                self._waiting.extend(messages)
                self._changed.notify()
            return self._is_open

    def take(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Remove and return up to `max_messages`; wait while there are none."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting, timeout_seconds)
            number = min(max_messages, len(self._waiting))
            return [self._waiting.popleft() for _ in range(number)]

    def withdraw(self, request: PendingRequest) -> None:
        """Remove the messages of a request that are still in the queue."""
        with self._changed:
            self._waiting = deque(
                each for each in self._waiting if each.token.request is not request
            )
