"""Outcome of each stream of a replay, in compact form; the events are read when needed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from winchester_core.model.stream import StreamState
from winchester_core.storage.paging import find_all
from winchester_core.storage.records import ANY_STREAM
from winchester_core.worker.batch import memory_batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.interface import Store


class OutcomeKind(StrEnum):
    """Outcome of a stream: what has become of it or is decided, or that nothing is decided.

    A stream that has met its fire criteria counts as fired or suppressed, even if it is still
    active. Handlers do not run in a backtest, so no stream fails.
    """

    FIRED = "fired"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPPRESSED = "suppressed"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class StreamOutcome:
    """A stream at the end of a replay.

    `at` is when it fires, expires or was cancelled, or would have fired if its group were not
    silent (stream time, aware UTC). `digest` identifies its events.
    """

    id: int
    trigger: str
    distinguished_by: Mapping[str, Any]
    kind: OutcomeKind
    at: datetime
    first_event: datetime
    event_count: int
    digest: bytes

    @property
    def group(self) -> str:
        """Text that identifies the group within its trigger; it includes the types of values."""
        return repr(sorted(self.distinguished_by.items()))


def read_outcomes(store: Store) -> list[StreamOutcome]:
    """Return the outcome of every stream of a store, by id."""
    return [
        _outcome(stream, members)
        for batch in memory_batches(find_all(store.find_streams, ANY_STREAM))
        for stream, members in _with_members(store, batch)
    ]


def read_members(store: Store, streams: Iterable[StreamOutcome]) -> dict[int, list[str]]:
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


def _outcome(stream: StreamRecord, members: Iterable[Event]) -> StreamOutcome:
    ids = sorted(event["message_id"] for event in members)
    return StreamOutcome(
        id=stream.id,
        trigger=stream.name,
        distinguished_by=stream.distinguished_by,
        kind=_outcome_kind(stream),
        at=stream.fire_timestamp or stream.expire_timestamp,
        first_event=stream.first_event,
        event_count=stream.event_count,
        digest=hashlib.sha256("\0".join(ids).encode()).digest(),
    )


def _outcome_kind(stream: StreamRecord) -> OutcomeKind:
    if stream.decision is not None:
        return OutcomeKind(stream.decision.value)
    if stream.fire_timestamp is not None:
        return OutcomeKind.FIRED
    return OutcomeKind.EXPIRED if stream.state is StreamState.COMPLETED else OutcomeKind.ACTIVE
