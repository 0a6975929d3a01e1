"""Streams of a replay in compact form; their events are read when needed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winchester_core.model.stream import StreamOutcome
from winchester_core.storage.filters import ANY_STREAM
from winchester_core.storage.paging import find_all, memory_batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.interface import Store


@dataclass(frozen=True, slots=True)
class ReplayedStream:
    """A stream at the end of a replay.

    If it has met its fire criteria, its outcome is fired or suppressed, even if the replay ended
    before its fire time. Handlers do not run in a backtest, so no stream fails. `at` is when it
    fires, expires or was cancelled, or would have fired if its group were not silent (stream time,
    aware UTC). `digest` identifies its events.
    """

    id: int
    trigger: str
    distinguished_by: Mapping[str, Any]
    outcome: StreamOutcome
    at: datetime
    first_event: datetime
    event_count: int
    digest: bytes

    @property
    def group(self) -> str:
        """Text that identifies the group within its trigger; it includes the types of values."""
        return repr(sorted(self.distinguished_by.items()))


def read_streams(store: Store) -> list[ReplayedStream]:
    """Return every stream of a store, by id."""
    return [
        _replayed(stream, members)
        for batch in memory_batches(find_all(store.find_streams, ANY_STREAM))
        for stream, members in _with_members(store, batch)
    ]


def read_members(store: Store, streams: Iterable[ReplayedStream]) -> dict[int, list[str]]:
    """Return the ids of each stream's events by timestamp, keyed by the stream's id."""
    return {
        stream.id: [event["message_id"] for event in members]
        for batch in memory_batches(streams)
        for stream, members in _with_members(store, batch)
    }


def _with_members(store: Store, streams: list[Any]) -> Iterator[tuple[Any, list[Event]]]:
    members = store.events_of([stream.id for stream in streams])
    for stream in streams:
        yield stream, members[stream.id]


def _replayed(stream: StreamRecord, members: Iterable[Event]) -> ReplayedStream:
    ids = sorted(event["message_id"] for event in members)
    return ReplayedStream(
        id=stream.id,
        trigger=stream.name,
        distinguished_by=stream.distinguished_by,
        outcome=_outcome(stream),
        at=stream.fire_timestamp or stream.expire_timestamp,
        first_event=stream.first_event,
        event_count=stream.event_count,
        digest=hashlib.sha256("\0".join(ids).encode()).digest(),
    )


def _outcome(stream: StreamRecord) -> StreamOutcome:
    is_to_fire = stream.decision is None and stream.fire_timestamp is not None
    return StreamOutcome.FIRED if is_to_fire else stream.outcome
