"""Pending requests with the results of their items, and the inbox between the threads."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from winchester_core.model import Message


class ItemState(StrEnum):
    """What a sender is told of an item: the outcomes of ingest, and that there was none."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    DROPPED = "dropped"
    INVALID = "invalid"
    UNAVAILABLE = "unavailable"


class ItemResult(NamedTuple):
    """What became of one item; `reason` says why it was not stored."""

    state: ItemState
    message_id: str | None = None
    reason: str | None = None


UNAVAILABLE_RESULT = ItemResult(
    ItemState.UNAVAILABLE, reason="not known to be stored; send it again, with the same id"
)


class PendingRequest:
    """Settled message by message in the pump's thread, awaited in the server's."""

    def __init__(self, number: int, on_settled: Callable[[], None]) -> None:
        """Wait for what becomes of `number` messages; call `on_settled` once all are settled."""
        self._results: list[ItemResult | None] = [None] * number
        self._unsettled = number
        self._on_settled = on_settled

    def settle(self, position: int, result: ItemResult) -> None:
        """Say what became of a message; what was said first holds."""
        if self._results[position] is None:
            self._results[position] = result
            self._unsettled -= 1
            if not self._unsettled:
                self._on_settled()

    def results(self) -> list[ItemResult]:
        """What is known now, in the order of the request."""
        return [UNAVAILABLE_RESULT if result is None else result for result in self._results]


class RequestItem(NamedTuple):
    """A message's token: which of which request it is."""

    request: PendingRequest
    position: int

    def settle(self, result: ItemResult) -> None:
        """Say what became of the message."""
        self.request.settle(self.position, result)


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What bounds a request, and how many are in hand at once."""

    max_body_bytes: int
    max_items: int
    max_requests: int
    timeout_seconds: float


class Inbox:
    """A queue of messages whose tokens are tickets. What bounds it is the number of requests."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Message] = deque()
        self._is_open = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_open(self) -> bool:
        """Whether messages are taken in."""
        return self._is_open

    def open(self) -> None:
        """Take messages in from now on."""
        with self._changed:
            self._is_open = True

    def close(self) -> list[Message]:
        """Take no more in; return those that nobody has taken out."""
        with self._changed:
            self._is_open = False
            waiting, self._waiting = self._waiting, deque()
            return list(waiting)

    def put(self, messages: Iterable[Message]) -> bool:
        """Add messages; False when they are no longer taken in."""
        with self._changed:
            if self._is_open:
                self._waiting.extend(messages)
                self._changed.notify()
            return self._is_open

    def take(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return what waits, at most `max_messages`; wait while there is nothing."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting, timeout_seconds)
            number = min(max_messages, len(self._waiting))
            return [self._waiting.popleft() for _ in range(number)]

    def withdraw(self, request: PendingRequest) -> None:
        """Take back what still waits of a request."""
        with self._changed:
            self._waiting = deque(
                each for each in self._waiting if each.token.request is not request
            )
