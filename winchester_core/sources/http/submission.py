"""The messages of one request, and what became of each."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


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


UNAVAILABLE = ItemResult(
    ItemState.UNAVAILABLE, reason="not known to be stored; send it again, with the same id"
)


class Submission:
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
        return [UNAVAILABLE if result is None else result for result in self._results]


class Ticket(NamedTuple):
    """A message's token: which of which request it is."""

    submission: Submission
    position: int

    def settle(self, result: ItemResult) -> None:
        """Say what became of the message."""
        self.submission.settle(self.position, result)
