"""Partitions assigned to a consumer, and their offsets that are not settled."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int


class Token(NamedTuple):
    """Place of a message, and the number of the assignment in which it was received."""

    assignment: int
    partition: Partition
    offset: int


class Assignment:
    """The assigned partitions, with their received offsets.

    Invariants:

    1. The position of a partition is the offset to commit: all messages received before it are
       settled, in whatever order that happened.
    2. Each assignment of a partition has a number of its own. A message that was received before
       its partition was revoked is not held, even if the partition has been assigned again: its
       offset may have been committed by another process.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self._partitions: dict[Partition, _ReceivedOffsets] = {}

    def __iter__(self) -> Iterator[Partition]:
        return iter(self._partitions)

    def add(self, partitions: Iterable[Partition]) -> None:
        """Add newly assigned partitions."""
        for partition in partitions:
            self._partitions[partition] = _ReceivedOffsets(next(self._numbers))

    def remove(self, partitions: Iterable[Partition]) -> None:
        """Remove revoked partitions, with all their messages."""
        for partition in partitions:
            self._partitions.pop(partition, None)

    def receive(self, partition: Partition, offset: int) -> Token | None:
        """Register a received message. Return None if the partition is not assigned."""
        offsets = self._partitions.get(partition)
        if offsets is None:
            return None
        offsets.unsettled[offset] = None
        offsets.next_offset = offset + 1
        return Token(offsets.number, partition, offset)

    def holds(self, token: Token) -> bool:
        """Return whether a message is unsettled and its partition still assigned."""
        offsets = self._partitions.get(token.partition)
        return (
            offsets is not None
            and offsets.number == token.assignment
            and token.offset in offsets.unsettled
        )

    def settle(self, tokens: Iterable[Token]) -> dict[Partition, int]:
        """Settle the messages that are held; return the new positions of their partitions."""
        settled = [token for token in tokens if self.holds(token)]
        for token in settled:
            self._partitions[token.partition].unsettled.pop(token.offset, None)
        partitions = {token.partition for token in settled}
        return {partition: self._partitions[partition].position for partition in partitions}

    def next_offsets(self) -> dict[Partition, int]:
        """Return the offset after the last received one, for partitions with a received message."""
        return {
            partition: offsets.next_offset
            for partition, offsets in self._partitions.items()
            if offsets.next_offset
        }


class _ReceivedOffsets:
    """Offsets of one partition, in the order in which they were received."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.unsettled: dict[int, None] = {}
        self.next_offset = 0

    @property
    def position(self) -> int:
        return next(iter(self.unsettled), self.next_offset)
