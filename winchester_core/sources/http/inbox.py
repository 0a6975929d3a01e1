"""Hands messages from the server's thread to the pump's."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winchester_core.model import Message
    from winchester_core.sources.http.submission import Submission


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

    def withdraw(self, submission: Submission) -> None:
        """Take back what still waits of a request."""
        with self._changed:
            self._waiting = deque(
                each for each in self._waiting if each.token.submission is not submission
            )
