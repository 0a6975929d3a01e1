"""What a memory store holds: events, streams, effects, rejected messages, counts, the clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from winchester_core.errors import UnknownRejectedMessage, UnknownStream
from winchester_core.model.stream import StreamRecord, StreamState, check_transition
from winchester_core.storage.history import appended, read_history
from winchester_core.storage.memory.outbox import HeldOutbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from winchester_core.model.event import Event
    from winchester_core.storage.memory.debug_store import HeldDebug
    from winchester_core.storage.memory.transaction import Transaction
    from winchester_core.storage.records import RejectedMessage
    from winchester_core.triggers.grouping import Group
    from winchester_core.triggers.progress import StreamProgress


@dataclass(frozen=True, slots=True)
class HeldEvent:
    """An event, and the real time at which it was stored."""

    event: Event
    stored_at: datetime


@dataclass(slots=True, eq=False)
class HeldStream:
    """A stream; `members` are message ids in order of arrival."""

    id: int
    name: str
    group: Group
    facts: StreamProgress
    members: list[str] = field(default_factory=list)
    state: StreamState = StreamState.ACTIVE
    serial: int = 0
    is_open: bool = True
    attempts: int = 0
    worker: str | None = None
    lease_until: datetime | None = None
    retry_at: datetime | None = None
    last_error: str | None = None
    history: str = ""

    def become(self, state: StreamState, at: datetime, worker: str | None = None) -> None:
        """Change the state at this real time and bump the serial. Raises `IllegalTransition`.

        `worker` is told of a claim.
        """
        check_transition(self.state, state)
        self.state = state
        self.serial += 1
        self.history = appended(self.history, at, state, worker)

    def record(self) -> StreamRecord:
        """The stream as callers see it."""
        return StreamRecord(
            id=self.id,
            name=self.name,
            state=self.state,
            state_serial_no=self.serial,
            distinguished_by=dict(self.group.values),
            first_event=self.facts.first_event,
            last_event=self.facts.last_event,
            expire_timestamp=self.facts.expire_timestamp,
            fire_timestamp=self.facts.fire_timestamp,
            event_count=self.facts.event_count,
            progress=tuple(self.facts.counts),
            fingerprint=self.facts.fingerprint,
            is_open=self.is_open,
            attempts=self.attempts,
            worker=self.worker,
            lease_until=self.lease_until,
            retry_at=self.retry_at,
            last_error=self.last_error,
            history=read_history(self.history),
        )


class HeldMembers:
    """Copies of the events of streams. See `Members`."""

    def __init__(self, events: dict[int, list[Event]]) -> None:
        self._events = events

    def take(self, stream_id: int) -> list[Event]:
        """See `Members.take`."""
        return self._events.pop(stream_id)


class Holdings:
    """Everything a memory store holds; `events` are in the order of their arrival."""

    def __init__(self) -> None:
        self.events: dict[str, HeldEvent] = {}
        self.streams: dict[int, HeldStream] = {}
        self.open_streams: dict[bytes, HeldStream] = {}
        self.rejected: dict[tuple[str, bytes], RejectedMessage] = {}
        self.outbox = HeldOutbox()
        self.debug: dict[str, HeldDebug] = {}
        self.event_clock: datetime | None = None
        self.stream_ids: Iterator[int] = count(1)
        self.rejected_ids: Iterator[int] = count(1)

    def stream(self, stream_id: int) -> HeldStream:
        """The stream with this id. Raises `UnknownStream`."""
        try:
            return self.streams[stream_id]
        except KeyError:
            raise UnknownStream(stream_id) from None

    def rejected_key(self, rejected_id: int) -> tuple[str, bytes]:
        """Where the rejected message with this id is held. Raises `UnknownRejectedMessage`."""
        for key, message in self.rejected.items():
            if message.id == rejected_id:
                return key
        raise UnknownRejectedMessage(rejected_id)

    def close(self, stream: HeldStream, transaction: Transaction) -> None:
        """Take its group's key from an open stream, for good."""
        key = stream.group.key
        stream.is_open = False
        del self.open_streams[key]
        transaction.on_failure(partial(self.open_streams.__setitem__, key, stream))

    def remove(self, stream: HeldStream, transaction: Transaction) -> None:
        """Remove a stream; its events stay."""
        if stream.is_open:
            self.close(stream, transaction)
        del self.streams[stream.id]
        transaction.on_failure(partial(self.streams.__setitem__, stream.id, stream))

    def events_of(self, stream: HeldStream) -> list[Event]:
        """Copies of a stream's events, by timestamp, ties in order of arrival."""
        members = [dict(self.events[message_id].event) for message_id in stream.members]
        return sorted(members, key=lambda event: event["timestamp"])
