"""A transaction of ingest is bounded by the bytes of its messages as well as by their number."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from oracle import MemoryStore
from winchester_core.clock import ClockKind, StreamClock
from winchester_core.errors import DatabaseUnavailable
from winchester_core.ingest import Ingester, batching
from winchester_core.ingest.decoding import Decoder
from winchester_core.ingest.ingester import IngestConfiguration
from winchester_core.ingest.pump import SourcePump
from winchester_core.interfaces import EventSource
from winchester_core.model.message import Message, MessageKind
from winchester_core.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.storage.records import IngestResult, MatchedEvent


class RecordingSource(EventSource):
    """Records the numbers of the messages that are settled, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.acked: list[list[int]] = []
        self.released: list[int] = []

    def ack(self, messages: Sequence[Message]) -> None:
        self.acked.append([number_of(each) for each in messages])

    def release(self, messages: Sequence[Message]) -> None:
        self.released += [number_of(each) for each in messages]


class FailingStore(MemoryStore):
    """Fails at the event with this number."""

    fails_at: int | None = None

    def record(self, events: Sequence[MatchedEvent], policy: Any) -> IngestResult:
        if any(each.event["message_id"] == str(self.fails_at) for each in events):
            raise DatabaseUnavailable("gone")
        return super().record(events, policy)


def number_of(message: Message) -> int:
    return int(json.loads(message.body)["message_id"])


def message(number: int, size: int) -> Message:
    body = {
        "message_id": str(number),
        "event_type": "test",
        "timestamp": "2015-01-20T10:00:00Z",
        "text": "x" * size,
    }
    return Message(json.dumps(body).encode(), MessageKind.EVENT)


@pytest.fixture
def source() -> RecordingSource:
    return RecordingSource()


@pytest.fixture
def store() -> FailingStore:
    return FailingStore(FakeClock())


@pytest.fixture
def pumping(
    store: FailingStore, source: RecordingSource, monkeypatch: pytest.MonkeyPatch
) -> SourcePump:
    monkeypatch.setattr(batching, "MAX_BATCH_BYTES", 3_000)
    ingester = Ingester(
        store=store,
        stream_clock=StreamClock(ClockKind.SYSTEM, store, FakeClock()),
        configuration=IngestConfiguration([], Decoder(None)),
        conditions={},
    )
    return SourcePump("web", source, ingester, batch_size=100, stop=threading.Event())


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [
        ([10] * 5, [[0, 1, 2, 3, 4]]),
        ([1_300] * 5, [[0, 1], [2, 3], [4]]),
        ([10, 9_000, 10, 10], [[0], [1], [2, 3]]),
        ([9_000, 9_000], [[0], [1]]),
    ],
)
def test_messages_are_stored_in_parts_of_bounded_bytes(
    pumping: SourcePump, source: RecordingSource, sizes: list[int], parts: list[list[int]]
) -> None:
    messages = [message(number, size) for number, size in enumerate(sizes)]
    assert pumping.ingest(messages) is True
    assert source.acked == parts
    assert source.released == []
    assert pumping.totals.stored == len(sizes)


def test_what_follows_a_part_that_is_not_stored_is_released(
    pumping: SourcePump, source: RecordingSource, store: FailingStore
) -> None:
    store.fails_at = 2
    pumping._stop.set()  # no second attempt
    assert pumping.ingest([message(number, 1_300) for number in range(6)]) is False
    assert source.acked == [[0, 1]]
    assert sorted(source.released) == [2, 3, 4, 5]


def test_a_body_that_has_been_parsed_counts_as_empty(
    pumping: SourcePump, source: RecordingSource
) -> None:
    parsed = [Message(json.loads(message(n, 2_000).body), MessageKind.EVENT) for n in range(3)]
    source.ack = lambda messages: source.acked.append([len(messages)])  # type: ignore[method-assign]
    assert pumping.ingest(parsed) is True
    assert source.acked == [[3]]


def test_bodies_that_a_mapping_may_split_count_as_larger() -> None:
    messages = [replace(message(number, 1_000), mappings=("m",)) for number in range(1_000)]
    parts = list(batching.parts_by_bytes(messages))
    assert len(parts) > 1
    assert all(part.stop - part.start < 500 for part in parts)
