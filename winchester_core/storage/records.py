"""What goes into a store and what comes out of it: plain values, no SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from winchester_core.model.stream import StateChange, StreamState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import timedelta

    from winchester_core.model.effect import QueuedEffect
    from winchester_core.model.event import Event
    from winchester_core.model.stream import Reason
    from winchester_core.telemetry.debug import DebugGroup
    from winchester_core.triggers.matcher import Match


@dataclass(frozen=True, slots=True)
class MatchedEvent:
    """A clean event on its way in, and the streams that it belongs to.

    `stamp` is the time that it moves the event clock to (its timestamp, unless a replay says
    otherwise).
    """

    event: Event
    matches: tuple[Match, ...]
    stamp: datetime


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What became of a batch of arrivals.

    `stored[i]` tells whether arrival `i` was stored (else it is a duplicate); `fire_times_set`
    streams met their fire criteria; `refused_jumps` are the indexes of events too far ahead to
    move the event clock.
    """

    stored: tuple[bool, ...]
    streams_opened: int = 0
    streams_opened_expired: int = 0
    fire_times_set: int = 0
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
    def lease_token(self) -> tuple[int, int, str]:
        """What a stream in this worker's hands must still show: its id, serial and worker."""
        return self.stream_id, self.serial, self.worker


@dataclass(frozen=True, slots=True)
class Completion:
    """A run that succeeded: what its stream leaves behind.

    `commit_error` describes the failure of a handler's commit; such a stream is kept.
    `effects` go to the
    outbox in this order.
    """

    claim: Claim
    matched_events: tuple[MatchedEvent, ...] = ()
    effects: tuple[QueuedEffect, ...] = ()
    purge: bool = True
    commit_error: str | None = None


@dataclass(frozen=True, slots=True)
class CompletionResult:
    """What completing a batch of runs came to.

    `stream_ids` are those whose claims held; `new_events` those of their events that were stored
    (one whose id was known is not), in order; `streams_opened` and `fire_times_set` as for any
    batch of events.
    """

    stream_ids: frozenset[int]
    new_events: tuple[Event, ...] = ()
    streams_opened: int = 0
    fire_times_set: int = 0

    @classmethod
    def from_ingest(
        cls,
        valid: Sequence[Completion],
        matched_events: Sequence[MatchedEvent],
        result: IngestResult,
    ) -> CompletionResult:
        """From the completions that won, their events, and what became of those."""
        pairs = zip(matched_events, result.stored, strict=True)
        return cls(
            stream_ids=frozenset(each.claim.stream_id for each in valid),
            new_events=tuple(matched_event.event for matched_event, stored in pairs if stored),
            streams_opened=result.streams_opened,
            fire_times_set=result.fire_times_set,
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
class TrimResult:
    """What one batch of trimming did: `kept` events it looked at and left.

    `more` says whether it is worth going on past `cursor`.
    """

    removed: int
    kept: int = 0
    cursor: TrimCursor | None = None
    more: bool = False


MAX_COUNTED = 100
"""How far a workload is counted; whoever waits asks only whether there is any."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for workers; of each kind, the first hundred are counted.

    `claimed` are claimed by some worker; `lease_expired` are those whose lease has expired. Before
    the stream time `next_due` no active stream is due; one whose expiry an event has moved may be
    due later. `next_retry_seconds` is real time from now; None: no retry waits.
    `oldest_effect_seconds` is how long the effect that has waited longest has waited; None: none
    waits.
    """

    ready: int
    claimed: int
    retrying: int
    next_retry_seconds: float | None = None
    next_due: datetime | None = None
    lease_expired: int = 0
    oldest_effect_seconds: float | None = None

    def may_be_due(self, now: datetime | None) -> bool:
        """Whether an active stream may be due at the stream time `now`: a claim will tell."""
        return now is not None and self.next_due is not None and self.next_due <= now

    @property
    def is_idle(self) -> bool:
        """Nothing is ready, in hand, or waiting for another try."""
        return not (self.ready or self.claimed or self.retrying)


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
    def from_group(cls, group: DebugGroup, *, since: datetime, counted_at: datetime) -> DebugRecord:
        """From all that was counted."""
        reasons = dict(sorted(group.reasons.items(), key=lambda each: (-each[1], each[0])))
        return cls(group.matched, group.mismatched, reasons, since, counted_at)


ANY_EVENT = EventFilter()
ANY_STREAM = StreamFilter()
ANY_REJECTED = RejectedFilter()


# The history of a stream's states, as one text beside it: a line for each change, cut at a bound.
#
# It is written by the statements that change the state anyway, and costs none of its own.

MAX_HISTORY_LENGTH: Final = 4000
"""How many characters are kept, the latest: some thirty attempts."""

_HISTORY_LINE: Final = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}) (?P<state>[a-z_]+)(?: (?P<worker>.+))?"
)


def history_time(at: datetime) -> str:
    """How a line begins: the time in UTC, without an offset."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def history_line_end(state: StreamState, worker: str | None = None) -> str:
    """What stands in a line after the time."""
    return f" {state.value} {' '.join(worker.split())}\n" if worker else f" {state.value}\n"


def append_history(
    history: str, at: datetime, state: StreamState, worker: str | None = None
) -> str:
    """The history with one more line; the oldest characters are cut off."""
    return (history + history_time(at) + history_line_end(state, worker))[-MAX_HISTORY_LENGTH:]


def parse_history(text: str | None) -> tuple[StateChange, ...]:
    """The changes, the oldest first; a line that was cut is left out."""
    return tuple(_parse_lines(text or ""))


def _parse_lines(text: str) -> Iterator[StateChange]:
    for line in text.splitlines():
        if parts := _HISTORY_LINE.fullmatch(line):
            at = datetime.fromisoformat(parts["at"]).replace(tzinfo=UTC)
            yield StateChange(at, StreamState(parts["state"]), parts["worker"])


def worker_died_error(attempts: int) -> str:
    """For a stream of which no attempt ended otherwise."""
    return f"worker died {attempts} times"


def worker_died_error_prefix(attempts: int) -> str:
    """What stands before the error of an earlier attempt, which is kept."""
    return f"worker died in attempt {attempts}; before that: "
