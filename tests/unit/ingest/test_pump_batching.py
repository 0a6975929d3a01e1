"""Batching: at once when idle, by size or time when messages follow each other."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from winchester_core.ingest.batching import RECEIVE_TIMEOUT_SECONDS, MessageBatcher
from winchester_core.interfaces import EventSource
from winchester_core.model.message import Message, MessageKind

if TYPE_CHECKING:
    from collections.abc import Sequence

LONG_SECONDS = 3600.0


class ScriptedSource(EventSource):
    """Returns this many messages at each call, and records its arguments."""

    def __init__(self, *numbers: int | Exception) -> None:
        self.numbers = list(numbers)
        self.asked: list[tuple[int, float]] = []
        self.released: list[Message] = []

    def open(self) -> None:
        """Do nothing."""

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        self.asked.append((max_messages, timeout_seconds))
        number = self.numbers.pop(0)
        if isinstance(number, Exception):
            raise number
        return [Message(b"{}", MessageKind.EVENT) for _ in range(min(number, max_messages))]

    def ack(self, messages: Sequence[Message]) -> None:
        """Do nothing."""

    def release(self, messages: Sequence[Message]) -> None:
        self.released += messages

    def reject(self, message: Message, reason: str) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    @property
    def exhausted(self) -> bool:
        return not self.numbers


class WaitingSendersSource(ScriptedSource):
    """A source whose senders wait for a response."""

    replies_to_sender = True


def make_batcher(source: EventSource, wait_seconds: float = LONG_SECONDS) -> MessageBatcher:
    return MessageBatcher(source, size=10, wait_seconds=wait_seconds, stop=threading.Event())


def sizes(batches: MessageBatcher, number: int) -> list[int]:
    return [len(batches.next_batch()) for _ in range(number)]


def test_isolated_messages_are_forwarded_at_once() -> None:
    source = ScriptedSource(1, 0, 1, 1, 1)
    assert sizes(make_batcher(source), 4) == [1, 0, 1, 1]
    assert source.asked == [(10, RECEIVE_TIMEOUT_SECONDS)] * 4


def test_the_first_batch_after_a_silence_does_not_wait() -> None:
    source = ScriptedSource(3, 0, 3, 9)
    assert sizes(make_batcher(source, wait_seconds=LONG_SECONDS), 1) == [3]
    assert len(source.asked) == 1


def test_a_batch_fills_while_messages_keep_arriving() -> None:
    source = ScriptedSource(2, 3, 3, 9, 1)
    assert sizes(make_batcher(source), 2) == [2, 10]
    assert [number for number, _ in source.asked] == [10, 10, 7, 4]


def test_a_batch_waits_at_most_its_time_limit() -> None:
    source = ScriptedSource(2, 3, 3, 9, 1)
    assert sizes(make_batcher(source), 2) == [2, 10]
    assert all(timeout <= LONG_SECONDS for _, timeout in source.asked[2:])
    hasty = ScriptedSource(2, 3, 3, 9, 1)
    assert sizes(make_batcher(hasty, wait_seconds=0.0), 4) == [2, 3, 3, 9]


def test_received_messages_are_forwarded_when_the_source_ends() -> None:
    source = ScriptedSource(2, 3, 4)
    assert sizes(make_batcher(source), 2) == [2, 7]


def test_a_source_whose_senders_wait_is_not_delayed() -> None:
    source = WaitingSendersSource(2, 3, 3, 9)
    assert sizes(make_batcher(source), 3) == [2, 3, 3]


def test_received_messages_are_released_when_the_source_fails() -> None:
    source = ScriptedSource(2, 3, RuntimeError("gone"), 1)
    batches = make_batcher(source)
    assert len(batches.next_batch()) == 2
    with pytest.raises(RuntimeError, match="gone"):
        batches.next_batch()
    assert len(source.released) == 3
