"""Arguments and results of a store: plain values, no SQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from winchester_core.model.stream import Decision, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from winchester_core.model.effect import QueuedEffect
    from winchester_core.model.event import Event
    from winchester_core.telemetry.debug_counts import DebugGroup
    from winchester_core.triggers.matcher import Match


class MatchedEvent(NamedTuple):
    """A clean event to be stored, and the triggers and groups that it matches.

    `stamp` is the time to which it advances the event clock. It is the timestamp of the event
    unless a replay sets another time.
    """

    event: Event
    matches: tuple[Match, ...]
    stamp: datetime


@dataclass(frozen=True, slots=True)
class IngestResult:
    """The result of storing a batch of events.

    `stored[i]` is False if event `i` is a duplicate. `fire_times_set` is the number of streams that
    met their fire criteria. `refused_jumps` contains the indexes of events that are too far ahead
    to advance the event clock. `streams_recounted` is the number of recounts because of late
    events, `events_held` the number of events that wait for a stream, and `held_dropped` the number
    of waiting events that were dropped because too many wait in a group.
    """

    stored: tuple[bool, ...]
    opened_by_trigger: Mapping[str, int] = field(default_factory=dict)
    streams_opened_expired: int = 0
    fire_times_set: int = 0
    refused_jumps: tuple[int, ...] = ()
    streams_recounted: int = 0
    events_held: int = 0
    held_dropped: int = 0

    @property
    def streams_opened(self) -> int:
        """Number of opened streams."""
        return sum(self.opened_by_trigger.values())


@dataclass(frozen=True, slots=True)
class Rejection:
    """A message that could not be converted to an event. `body` is at most its first 1 MiB.

    `context` is JSON: the names of the message's `mappings`, and the `headers` and `properties`
    that they read, without secrets; None without mappings. `digest` is of the whole body and the
    context.
    """

    source: str
    kind: str
    reason: str
    body: bytes
    body_length: int
    digest: bytes
    context: str | None = None


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """A stored rejection; `received_at` is the database server's time."""

    id: int
    source: str
    kind: str
    reason: str
    received_at: datetime
    body: bytes
    body_length: int
    digest: bytes
    context: str | None = None


class Claim(NamedTuple):  # a frozen dataclass takes four times as long to create
    """A stream claimed by a worker; valid while the row has the same `serial` and `worker`.

    `stream_time` is the stream's fire time, or if it has none its expiry time, aware UTC. It is the
    same for every attempt. If the stream was cancelled, the reason is `CANCEL`. If its `decision`
    is `SUPPRESSED`, it must be completed without a run.
    """

    stream_id: int
    name: str
    serial: int
    worker: str
    reason: Reason
    attempt: int
    distinguished_by: Mapping[str, Any]
    event_count: int
    stream_time: datetime
    failures: int = 0
    """Number of failures before this claim. It does not change while the claim is valid."""

    decision: Decision | None = None

    @property
    def is_suppressed(self) -> bool:
        """Return whether the stream must be completed without a run."""
        return self.decision is Decision.SUPPRESSED and self.reason is Reason.FIRE

    @property
    def lease_token(self) -> tuple[int, int, str]:
        """Id, serial and worker. The stream's row has these values while the claim is valid."""
        return self.stream_id, self.serial, self.worker


class Completion(NamedTuple):  # as `Claim`
    """A successful run and its output.

    `effects` are recorded in the outbox in this order; if there is a `discard_reason`, they are
    recorded as discarded. `commit_error` describes the failure of a handler's commit; the stream is
    then kept.
    """

    claim: Claim
    matched_events: tuple[MatchedEvent, ...] = ()
    effects: tuple[QueuedEffect, ...] = ()
    purge: bool = True
    commit_error: str | None = None
    discard_reason: str | None = None


@dataclass(frozen=True, slots=True)
class CompletionResult:
    """The result of completing a batch of runs.

    `stream_ids` are the streams with valid claims. `new_events` are their stored events in order,
    without duplicates. The counts are as in `IngestResult`.
    """

    stream_ids: frozenset[int]
    new_events: tuple[Event, ...] = ()
    opened_by_trigger: Mapping[str, int] = field(default_factory=dict)
    fire_times_set: int = 0
    streams_recounted: int = 0
    events_held: int = 0
    held_dropped: int = 0

    @property
    def streams_opened(self) -> int:
        """Number of opened streams."""
        return sum(self.opened_by_trigger.values())

    @classmethod
    def from_ingest(
        cls,
        valid: Sequence[Completion],
        matched_events: Sequence[MatchedEvent],
        result: IngestResult,
    ) -> CompletionResult:
        """Return the result for the completions with `valid` claims and their events."""
        pairs = zip(matched_events, result.stored, strict=True)
        return cls(
            stream_ids=frozenset(each.claim.stream_id for each in valid),
            new_events=tuple(matched_event.event for matched_event, stored in pairs if stored),
            opened_by_trigger=result.opened_by_trigger,
            fire_times_set=result.fire_times_set,
            streams_recounted=result.streams_recounted,
            events_held=result.events_held,
            held_dropped=result.held_dropped,
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed run. `final` moves the stream to its error state without a retry."""

    claim: Claim
    error: str
    retry_delay: timedelta
    final: bool = False


def no_backoff(failures: int) -> timedelta:
    """Return no delay for any number of failures."""
    del failures
    return timedelta(0)


@dataclass(frozen=True, slots=True)
class TrimCursor:
    """The last event that trimming checked: its time, and its row id to break ties."""

    timestamp: datetime
    row_id: int


@dataclass(frozen=True, slots=True)
class TrimResult:
    """The result of one batch of trimming. `kept` is the number of checked events that stay.

    `more` is True if there may be events to delete after `cursor`.
    """

    removed: int
    kept: int = 0
    cursor: TrimCursor | None = None
    more: bool = False


@dataclass(slots=True)
class TriggerScope:
    """The triggers that a worker knows, and the unknown triggers that it has found.

    Mutable, and owned by the worker. If a claim finds ready streams of triggers that are not
    `known`, it adds all stored names of unknown triggers to `skipped`, and the id of the first
    ready stream of each to `first_ready`. Queues are then read without the streams of `skipped`
    triggers. `floors` are times before which a queue had no other streams.
    """

    known: AbstractSet[str]
    skipped: frozenset[str] = frozenset()
    first_ready: dict[str, int] = field(default_factory=dict)
    floors: dict[str, datetime] = field(default_factory=dict)

    def clear(self) -> None:
        """Remove the unknown triggers."""
        self.skipped = frozenset()
        self.first_ready, self.floors = {}, {}


MAX_COUNTED = 100
"""Maximum of each count in a backlog, because callers only need to know whether it is 0."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Pending work of workers. Each count stops at `MAX_COUNTED`.

    `ready` and `retrying` count streams that need not be tried alone; `next_trial_seconds` is the
    real time until the first of the others is due, or None. `claimed` counts the streams claimed by
    any worker, and `lease_expired` those with an expired lease. No active stream is due before the
    stream time `next_due`; if its expiry was postponed, it may be due later. `next_retry_seconds`
    is real time from now, or None if there are no retries. `oldest_effect_seconds` is the age of
    the oldest pending effect, or None if there are no effects.
    """

    ready: int
    claimed: int
    retrying: int
    next_retry_seconds: float | None = None
    next_due: datetime | None = None
    lease_expired: int = 0
    oldest_effect_seconds: float | None = None
    next_trial_seconds: float | None = None

    @property
    def has_trials(self) -> bool:
        """Return whether a stream that must be tried alone is ready."""
        return self.next_trial_seconds is not None and self.next_trial_seconds <= 0

    def may_be_due(self, now: datetime | None) -> bool:
        """Return whether an active stream may be due at the stream time `now`."""
        return now is not None and self.next_due is not None and self.next_due <= now

    @property
    def is_idle(self) -> bool:
        """Return whether no stream is ready, claimed or waiting for a retry."""
        is_tried = self.next_trial_seconds is not None
        return not (self.ready or is_tried or self.claimed or self.retrying)


@dataclass(frozen=True, slots=True)
class StreamVersion:
    """The version of a stream when it was read. Every change of its state increments `serial`."""

    stream_id: int
    serial: int


@dataclass(frozen=True, slots=True)
class SilentGroup:
    """A group that is silent from `fire_timestamp` (stream time, aware UTC).

    `stream_id` is the stream that was decided to fire then. It may not be stored any more.
    """

    fire_timestamp: datetime
    stream_id: int


@dataclass(frozen=True, slots=True)
class DebugRecord:
    """The debug counts of a trigger, summed over all processes from `since` to `counted_at`.

    `reasons` counts the reasons for mismatches, the most frequent first; only with `debug_level` 2.
    `since` and `counted_at` are the database server's time, aware UTC.
    """

    matched: int
    mismatched: int
    reasons: Mapping[str, int]
    since: datetime
    counted_at: datetime

    @classmethod
    def from_group(cls, group: DebugGroup, *, since: datetime, counted_at: datetime) -> DebugRecord:
        """Return the record of a group, its reasons sorted by frequency."""
        reasons = dict(sorted(group.reasons.items(), key=lambda each: (-each[1], each[0])))
        return cls(group.matched, group.mismatched, reasons, since, counted_at)


def worker_died_error(failures: int) -> str:
    """Return the error of a stream for which all failures were deaths of its worker."""
    return f"worker died {failures} time{'' if failures == 1 else 's'}"


def worker_died_error_prefix(attempts: int) -> str:
    """Return the prefix that is added to the previous error of a stream if its worker died."""
    return f"worker died in attempt {attempts}; before that: "
