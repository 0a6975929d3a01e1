"""The contents of a memory store: events, streams, effects, rejected messages, counts, clock."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from oracle.outbox import MemoryOutbox
from winchester_core.errors import UnknownRejectedMessage, UnknownStream
from winchester_core.model.action import ActionRecord
from winchester_core.model.stream import (
    MAX_HISTORY_LENGTH,
    StreamRecord,
    StreamState,
    Trial,
    check_transition,
    history_line_end,
    history_time,
    parse_history,
)
from winchester_core.telemetry.debug_counts import DebugGroup

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from oracle.pattern_members import Member
    from oracle.transaction import Transaction
    from winchester_core.model.action import Action
    from winchester_core.model.activity import ActivityCounts, ActivityKey
    from winchester_core.model.event import Event
    from winchester_core.model.process import ProcessRecord
    from winchester_core.model.stream import Decision
    from winchester_core.storage.records import RejectedMessage
    from winchester_core.triggers.grouping import Group
    from winchester_core.triggers.progress import StreamProgress


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MemoryEvent:
    """An event, the real time at which it was stored, and its number in the order of storage."""

    event: Event
    stored_at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class Silence:
    """The stream that silences its group, with its trigger and its fire time."""

    name: str
    fires_at: datetime
    stream_id: int


@dataclass(slots=True)
class IngestCounts:
    """Counts of the changes of a batch to streams."""

    opened: Counter[str] = field(default_factory=Counter)
    opened_expired: int = 0
    fire_times_set: int = 0
    cancelled: int = 0
    held: int = 0
    held_dropped: int = 0


@dataclass(slots=True, eq=False)
class MemoryStream:
    """A stream; `members` are message ids in order of arrival.

    `pattern` contains all members that it has ever had, if its trigger is not plain or suppresses.
    Members older than `oldest_kept` count no more. `timed_at` is the stream time at which its
    expire time was last moved by a member that counts. `cancelled_at` is the stream time at which
    it was cancelled. `is_final` is whether an event came too late to cancel it.
    """

    id: int
    name: str
    group: Group
    progress: StreamProgress
    members: list[str] = field(default_factory=list)
    state: StreamState = StreamState.ACTIVE
    serial: int = 0
    is_open: bool = True
    attempts: int = 0
    failures: int = 0
    trial: Trial | None = None
    worker: str | None = None
    lease_until: datetime | None = None
    retry_at: datetime | None = None
    last_error: str | None = None
    history: str = ""
    decision: Decision | None = None
    pattern: list[Member] | None = None
    oldest_kept: datetime | None = None
    timed_at: datetime | None = None
    cancelled_at: datetime | None = None
    is_final: bool = False

    def add(self, member: Member) -> None:
        """Add a member to a stream with a pattern."""
        assert self.pattern is not None
        self.pattern.append(member)
        self.members.append(member.message_id)
        self.progress.event_count += 1

    def change_state(self, state: StreamState, at: datetime, worker: str | None = None) -> None:
        """Change the state at this real time and increment the serial.

        `worker` is the worker of a claim, or the operator of a reset. Raises `IllegalTransition`.
        """
        check_transition(self.state, state)
        self.state = state
        self.serial += 1
        line = history_time(at) + history_line_end(state, worker)
        self.history = (self.history + line)[-MAX_HISTORY_LENGTH:]

    def save(self, transaction: Transaction) -> None:
        """Restore the current state on rollback. Until then, `members` may only grow."""
        stream_progress = replace(self.progress, counts=list(self.progress.counts))
        pattern = None if self.pattern is None else list(self.pattern)
        before = replace(self, progress=stream_progress, pattern=pattern)
        transaction.on_rollback(partial(_restore, self, before, len(self.members)))

    def record(self) -> StreamRecord:
        """Return the stream's public record."""
        return StreamRecord(
            id=self.id,
            name=self.name,
            state=self.state,
            state_serial_no=self.serial,
            distinguished_by=dict(self.group.values),
            first_event=self.progress.first_event,
            last_event=self.progress.last_event,
            expire_timestamp=self.progress.expire_timestamp,
            fire_timestamp=self.progress.fire_timestamp,
            event_count=self.progress.event_count,
            progress=tuple(self.progress.counts),
            fingerprint=self.progress.fingerprint,
            is_open=self.is_open,
            attempts=self.attempts,
            failures=self.failures,
            trial=self.trial,
            worker=self.worker,
            lease_until=self.lease_until,
            retry_at=self.retry_at,
            last_error=self.last_error,
            history=parse_history(self.history),
            decision=self.decision,
        )


class MemoryMembers:
    """Copies of the events of streams. See `Members`."""

    def __init__(self, events: dict[int, list[Event]]) -> None:
        self._events = events

    def take(self, stream_id: int) -> list[Event]:
        """See `Members.take`."""
        return self._events.pop(stream_id)


class MemoryState:
    """The contents of a memory store; `events` are in the order of arrival."""

    def __init__(self) -> None:
        self.events: dict[str, MemoryEvent] = {}
        self.event_ids: Iterator[int] = count(1)
        self.streams: dict[int, MemoryStream] = {}
        self.open_streams: dict[bytes, MemoryStream] = {}
        self.waiting: dict[bytes, list[Member]] = {}
        self.silences: dict[bytes, Silence] = {}
        self.rejected: dict[tuple[str, bytes], RejectedMessage] = {}
        self.outbox = MemoryOutbox()
        self.debug: dict[str, MemoryDebugCounts] = {}
        self.processes: dict[str, ProcessRecord] = {}
        self.activity: dict[tuple[int, int, ActivityKey], ActivityCounts] = {}
        self.actions: dict[int, ActionRecord] = {}
        self.action_ids: Iterator[int] = count(1)
        self.event_clock: datetime | None = None
        self.stream_ids: Iterator[int] = count(1)
        self.rejected_ids: Iterator[int] = count(1)

    def stream(self, stream_id: int) -> MemoryStream:
        """Return the stream with this id. Raises `UnknownStream`."""
        try:
            return self.streams[stream_id]
        except KeyError:
            raise UnknownStream(stream_id) from None

    def record_action(self, transaction: Transaction, action: Action, real_now: datetime) -> None:
        """Store an action."""
        row_id = next(self.action_ids)
        self.actions[row_id] = ActionRecord(id=row_id, performed_at=real_now, **asdict(action))
        transaction.on_rollback(partial(self.actions.pop, row_id))

    def rejected_key(self, rejected_id: int) -> tuple[str, bytes]:
        """Return the key of the rejected message with this id. Raises `UnknownRejectedMessage`."""
        for key, message in self.rejected.items():
            if message.id == rejected_id:
                return key
        raise UnknownRejectedMessage(rejected_id)

    def close(self, stream: MemoryStream, transaction: Transaction) -> None:
        """Close an open stream: release its group key."""
        key = stream.group.key
        stream.is_open = False
        del self.open_streams[key]
        transaction.on_rollback(partial(self.open_streams.__setitem__, key, stream))

    def remove_rejected(self, transaction: Transaction, rejected_id: int) -> None:
        """Remove a rejected message. Raises `UnknownRejectedMessage`."""
        key = self.rejected_key(rejected_id)
        message = self.rejected.pop(key)
        transaction.on_rollback(partial(self.rejected.__setitem__, key, message))

    def set_waiting(self, key: bytes, members: list[Member], transaction: Transaction) -> None:
        """Replace the members that wait in a group."""
        _set(self.waiting, key, members or None, transaction)

    def set_silence(self, key: bytes, silence: Silence | None, transaction: Transaction) -> None:
        """Silence a group, or end its silence."""
        _set(self.silences, key, silence, transaction)

    def remove(self, stream: MemoryStream, transaction: Transaction) -> None:
        """Remove a stream; its events stay."""
        if stream.is_open:
            self.close(stream, transaction)
        del self.streams[stream.id]
        transaction.on_rollback(partial(self.streams.__setitem__, stream.id, stream))

    def events_of(self, stream: MemoryStream) -> list[Event]:
        """Return copies of a stream's events, by timestamp, ties in order of arrival."""
        members = [dict(self.events[message_id].event) for message_id in stream.members]
        kept = [
            each
            for each in members
            if stream.oldest_kept is None or each["timestamp"] >= stream.oldest_kept
        ]
        return sorted(kept, key=lambda event: event["timestamp"])


@dataclass(slots=True)
class MemoryDebugCounts:
    """The debug counts of a trigger."""

    since: datetime
    counted_at: datetime
    group: DebugGroup = field(default_factory=DebugGroup)


def _set(table: dict[bytes, T], key: bytes, row: T | None, transaction: Transaction) -> None:
    transaction.on_rollback(partial(_put, table, key, table.get(key)))
    _put(table, key, row)


def _put(table: dict[bytes, T], key: bytes, row: T | None) -> None:
    if row is None:
        table.pop(key, None)
    else:
        table[key] = row


def _restore(stream: MemoryStream, before: MemoryStream, member_count: int) -> None:
    for each in fields(MemoryStream):
        setattr(stream, each.name, getattr(before, each.name))
    del stream.members[member_count:]
