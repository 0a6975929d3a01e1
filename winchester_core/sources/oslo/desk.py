"""Where oslo.messaging hands notifications in, and waits until they are settled.

What it calls a dispatcher is called in threads of its own, with a batch; the batch is acknowledged
when the call has returned, but for those messages that the call returns, which are requeued.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Batch:
    """What was handed in by one call."""

    def __init__(self, incoming: Sequence[Any]) -> None:
        self._lock = threading.Lock()
        self._open = set(incoming)
        self._returned: set[Any] = set()
        self._settled = threading.Event()

    def settle(self, message: Any, *, requeue: bool) -> None:
        """A message is done with, or to be requeued; once settled, it stays as it is."""
        with self._lock:
            if message in self._open:
                self._open.discard(message)
                if requeue:
                    self._returned.add(message)
            if not self._open:
                self._settled.set()

    def give_up(self) -> None:
        """Whatever is not settled is to be requeued."""
        with self._lock:
            self._returned |= self._open
            self._open.clear()
            self._settled.set()

    def wait(self) -> set[Any]:
        """Wait until all are settled; return those to be requeued."""
        self._settled.wait()
        return self._returned


class Slip(NamedTuple):
    """A message, and by what it is settled."""

    batch: Batch
    message: Any

    def settle(self, *, requeue: bool = False) -> None:
        """Settle the message."""
        self.batch.settle(self.message, requeue=requeue)


class Desk:
    """The dispatcher of a notification listener: it takes all that comes."""

    def __init__(self, priorities: Sequence[str]) -> None:
        self.supported_priorities = priorities
        self._lock = threading.Lock()
        self._waiting: SimpleQueue[Slip] = SimpleQueue()
        self._batches: set[Batch] = set()
        self._is_closed = False

    def dispatch(self, incoming: Sequence[Any]) -> set[Any]:
        """Hand messages in; return, when all are settled, those to be requeued."""
        batch = Batch(incoming)
        with self._lock:
            if self._is_closed:
                return set(incoming)
            self._batches.add(batch)
        for message in incoming:
            self._waiting.put(Slip(batch, message))
        try:
            return batch.wait()
        finally:
            with self._lock:
                self._batches.discard(batch)

    def take(self, max_messages: int, timeout_seconds: float) -> list[Slip]:
        """Return what is there, waiting for the first."""
        slips: list[Slip] = []
        with suppress(Empty):
            while len(slips) < max_messages:
                slips.append(self._waiting.get(timeout=0 if slips else timeout_seconds))
        return slips

    def close(self) -> None:
        """Let nobody wait any more: what is not settled is requeued, and so is what comes."""
        with self._lock:
            self._is_closed = True
            batches = list(self._batches)
        for batch in batches:
            batch.give_up()
