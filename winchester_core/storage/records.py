"""What goes into a store and what comes out of it: plain values, no SQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from winchester_core.model.effect import QueuedEffect
    from winchester_core.model.event import Event
    from winchester_core.model.stream import Reason, StreamState
    from winchester_core.telemetry.debug import DebugGroup
    from winchester_core.triggers.matcher import Match


@dataclass(frozen=True, slots=True)
class Arrival:
    """A clean event on its way in, and the streams that it belongs to.

    `stamp` is the time that it moves the event clock to (its timestamp, unless a replay says
    otherwise).
    """

    event: Event
    matches: tuple[Match, ...]
    stamp: datetime


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch of arrivals.

    `stored[i]` tells whether arrival `i` was stored (else it is a duplicate); `streams_decided`
    streams met their fire criteria; `refused_jumps` are the indexes of events too far ahead to
    move the event clock.
    """

    stored: tuple[bool, ...]
    streams_opened: int = 0
    streams_opened_expired: int = 0
    streams_decided: int = 0
    refused_jumps: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejection:
    """A message that could not become an event. `body` is what is kept of it, at most 1 MiB."""

    source: str
    kind: str
    reason: str
    body: bytes
    body_length: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """A rejection as it is stored; `received_at` is the database server's time."""

    id: int
    source: str
    kind: str
    reason: str
    received_at: datetime
    body: bytes
    body_length: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A stream that a worker holds: `serial` and `worker` prove it."""

    stream_id: int
    name: str
    serial: int
    worker: str
    reason: Reason
    attempt: int
    distinguished_by: Mapping[str, Any]
    event_count: int

    @property
    def proof(self) -> tuple[int, int, str]:
        """What a stream in this worker's hands must still show: its id, serial and worker."""
        return self.stream_id, self.serial, self.worker


@dataclass(frozen=True, slots=True)
class Completion:
    """A run that succeeded: what its stream leaves behind.

    `fault` is what went wrong in the handlers' commit; such a stream is kept. `effects` go to the
    outbox in this order.
    """

    claim: Claim
    arrivals: tuple[Arrival, ...] = ()
    effects: tuple[QueuedEffect, ...] = ()
    purge: bool = True
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    """What completing a batch of runs came to.

    `stream_ids` are those whose claims held; `new_events` those of their events that were stored
    (one whose id was known is not), in order; `streams_opened` and `streams_decided` as for any
    batch of events.
    """

    stream_ids: frozenset[int]
    new_events: tuple[Event, ...] = ()
    streams_opened: int = 0
    streams_decided: int = 0

    @classmethod
    def of(
        cls, won: Sequence[Completion], arrivals: Sequence[Arrival], recorded: Recorded
    ) -> Completed:
        """From the completions that won, their events, and what became of those."""
        pairs = zip(arrivals, recorded.stored, strict=True)
        return cls(
            stream_ids=frozenset(each.claim.stream_id for each in won),
            new_events=tuple(arrival.event for arrival, stored in pairs if stored),
            streams_opened=recorded.streams_opened,
            streams_decided=recorded.streams_decided,
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that failed. `final` sends the stream to its error state at once."""

    claim: Claim
    error: str
    retry_delay: timedelta
    final: bool = False


@dataclass(frozen=True, slots=True)
class TrimCursor:
    """How far trimming has looked: the time of an event, and its row among those of that time."""

    timestamp: datetime
    row_id: int


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What one batch of trimming did: `kept` events it looked at and left.

    `more` says whether it is worth going on past `cursor`.
    """

    removed: int
    kept: int = 0
    cursor: TrimCursor | None = None
    more: bool = False


MOST_COUNTED = 100
"""How far a workload is counted; whoever waits asks only whether there is any."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What waits for workers; of each kind, the first hundred are counted.

    `working` are in some worker's hands; `abandoned` those of them whose lease has run out. Before
    the stream time `next_due` no active stream is due; one whose expiry an event has moved may be
    due later. `next_retry_seconds` is real time from now; None: no retry waits.
    `oldest_effect_seconds` is how long the effect that has waited longest has waited; None: none
    waits.
    """

    ready: int
    working: int
    retrying: int
    next_retry_seconds: float | None = None
    next_due: datetime | None = None
    abandoned: int = 0
    oldest_effect_seconds: float | None = None

    def may_be_due(self, now: datetime | None) -> bool:
        """Whether an active stream may be due at the stream time `now`: a claim will tell."""
        return now is not None and self.next_due is not None and self.next_due <= now

    @property
    def is_idle(self) -> bool:
        """Nothing is ready, in hand, or waiting for another try."""
        return not (self.ready or self.working or self.retrying)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to find; None asks for anything. Times are aware UTC, `until` is excluded."""

    event_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    traits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamFilter:
    """Which streams to find; None asks for anything.

    `older_than` and `younger_than` compare the time of the first event; `event_type` is a glob
    over the types of the stream's events; `message_id` is the id of one of them; `is_open` tells
    whether the stream takes events still; `error_text` is a part of its last error, to the letter.
    """

    name: str | None = None
    states: tuple[StreamState, ...] = ()
    is_open: bool | None = None
    error_text: str | None = None
    traits: Mapping[str, Any] = field(default_factory=dict)
    older_than: datetime | None = None
    younger_than: datetime | None = None
    event_type: str | None = None
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class StreamVersion:
    """A stream as it was when it was read: whatever changes its state changes the serial."""

    stream_id: int
    serial: int


@dataclass(frozen=True, slots=True)
class RejectedFilter:
    """Which rejected messages to find; None asks for anything.

    `older_than` and `younger_than` compare the time at which it was kept, real time in UTC.
    """

    source: str | None = None
    kind: str | None = None
    older_than: datetime | None = None
    younger_than: datetime | None = None


@dataclass(frozen=True, slots=True)
class DebugRecord:
    """What was counted at a trigger, by all processes together since `since`.

    `reasons` tells why events did not match, the most frequent first; it is only counted at
    `debug_level` 2. `since` and `counted_at`, the last time that something was added, are the
    database server's time, aware UTC.
    """

    matched: int
    mismatched: int
    reasons: Mapping[str, int]
    since: datetime
    counted_at: datetime

    @classmethod
    def of(cls, group: DebugGroup, *, since: datetime, counted_at: datetime) -> DebugRecord:
        """From all that was counted."""
        reasons = dict(sorted(group.reasons.items(), key=lambda each: (-each[1], each[0])))
        return cls(group.matched, group.mismatched, reasons, since, counted_at)


ANY_EVENT = EventFilter()
ANY_STREAM = StreamFilter()
ANY_REJECTED = RejectedFilter()
