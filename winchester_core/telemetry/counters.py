"""Counters and duration histograms of a process. Safe to share between threads."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class Count(StrEnum):
    """Names of the counters."""

    MESSAGES_RECEIVED = "messages_received"
    EVENTS_STORED = "events_stored"
    EVENTS_DUPLICATE = "events_duplicate"
    EVENTS_INVALID = "events_invalid"
    MESSAGES_REJECTED = "messages_rejected"
    NOTIFICATIONS_DROPPED = "notifications_dropped"
    TRAITS_DROPPED = "traits_dropped"
    STREAMS_OPENED = "streams_opened"
    STREAMS_OPENED_EXPIRED = "streams_opened_expired"
    STREAMS_RECOUNTED = "streams_recounted"
    EVENTS_HELD = "events_held"
    HELD_DROPPED = "held_dropped"
    CLOCK_JUMPS_REFUSED = "clock_jumps_refused"
    STREAMS_CLAIMED = "streams_claimed"
    STREAMS_FIRED = "streams_fired"
    STREAMS_EXPIRED = "streams_expired"
    STREAMS_CANCELLED = "streams_cancelled"
    STREAMS_SUPPRESSED = "streams_suppressed"
    STREAMS_FAILED = "streams_failed"
    STREAMS_IN_ERROR = "streams_in_error"
    STREAMS_RELEASED = "streams_released"
    STREAMS_RESCUED = "streams_rescued"
    STREAMS_RECALCULATED = "streams_recalculated"
    LEASES_LOST = "leases_lost"
    RUNS_HUNG = "runs_hung"
    HANDLER_COMMIT_ERRORS = "handler_commit_errors"
    HANDLER_COMMITS_SKIPPED = "handler_commits_skipped"
    EVENTS_CREATED = "events_created"
    EVENTS_TRIMMED = "events_trimmed"
    EFFECTS_RECORDED = "effects_recorded"
    EFFECTS_DISCARDED = "effects_discarded"
    EFFECTS_DELIVERED = "effects_delivered"
    EFFECTS_RETRIED = "effects_retried"
    EFFECTS_DEAD = "effects_dead"
    TRANSACTIONS_RETRIED = "transactions_retried"
    OUTAGES = "outages"
    COMPLETIONS_UNKNOWN = "completions_unknown"


class IngestCounts(Protocol):
    """Counts of the streams of stored events: `storage.records.IngestResult` and the like."""

    @property
    def opened_by_trigger(self) -> Mapping[str, int]:
        """Number of opened streams by the trigger's name."""

    @property
    def streams_recounted(self) -> int:
        """Number of times that the members of a stream were counted again."""

    @property
    def events_held(self) -> int:
        """Number of events that began to wait for a stream."""

    @property
    def held_dropped(self) -> int:
        """Number of waiting events that were dropped."""


MAX_LABELS = 1000
OVERFLOW_LABEL = "(other)"


class Counters:
    """Totals by `Count`, some of them also by a label (an event type, a trigger, a pipeline).

    `run_seconds` holds the durations of runs by pipeline.
    """

    def __init__(self) -> None:
        self.run_seconds = Histogram()
        self._lock = threading.Lock()
        self._totals: Counter[Count] = Counter()
        self._by_label: dict[Count, Counter[str]] = {}

    def add(self, count: Count, number: int = 1, *, label: str | None = None) -> None:
        """Add `number`. After the first `MAX_LABELS` labels, others count as `OVERFLOW_LABEL`."""
        if not number:
            return
        with self._lock:
            self._totals[count] += number
            if label is not None:
                labels = self._by_label.setdefault(count, Counter())
                known = label in labels or len(labels) < MAX_LABELS
                labels[label if known else OVERFLOW_LABEL] += number

    def add_by_label(self, count: Count, numbers: Mapping[str, int]) -> None:
        """Add numbers by label."""
        for label, number in numbers.items():
            self.add(count, number, label=label)

    def add_ingest(self, result: IngestCounts) -> None:
        """Add the counts of a transaction that stored events."""
        self.add_by_label(Count.STREAMS_OPENED, result.opened_by_trigger)
        self.add(Count.STREAMS_RECOUNTED, result.streams_recounted)
        self.add(Count.EVENTS_HELD, result.events_held)
        self.add(Count.HELD_DROPPED, result.held_dropped)

    def __getitem__(self, count: Count) -> int:
        with self._lock:
            return self._totals[count]

    def snapshot(self) -> dict[str, int]:
        """Return all nonzero totals by name."""
        with self._lock:
            return {count.value: number for count, number in self._totals.items()}

    def labels(self, count: Count) -> dict[str, int]:
        """Return the totals of `count` by label."""
        with self._lock:
            return dict(self._by_label.get(count, {}))


BOUNDS_SECONDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0),
)
"""Upper bounds of histogram buckets, for handlers that take from milliseconds to an hour."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Snapshot of a histogram: cumulative counts by `BOUNDS_SECONDS`, total count, and sum."""

    cumulative: tuple[int, ...]
    number: int
    seconds: float


EMPTY_DISTRIBUTION: Final = Distribution((0,) * len(BOUNDS_SECONDS), 0, 0.0)


class Histogram:
    """Duration histograms by label. The caller limits the number of labels."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def observe(self, label: str, seconds: float) -> None:
        """Add one duration."""
        bucket = bisect_left(BOUNDS_SECONDS, seconds)
        with self._lock:
            numbers = self._numbers.get(label)
            if numbers is None:
                numbers = self._numbers[label] = [0] * (len(BOUNDS_SECONDS) + 1)
            numbers[bucket] += 1
            self._seconds[label] = self._seconds.get(label, 0.0) + seconds

    def snapshot(self) -> Mapping[str, Distribution]:
        """Return the distributions by label."""
        with self._lock:
            return {label: self._distribution(label) for label in self._numbers}

    def _distribution(self, label: str) -> Distribution:
        *cumulative, number = accumulate(self._numbers[label])
        return Distribution(tuple(cumulative), number, self._seconds[label])
