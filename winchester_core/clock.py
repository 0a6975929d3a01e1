"""Clocks: the host's, the client of the `time_sync` service, and stream time.

No other module reads the time. Stream time (fire and expire times, `$timestamp`, trimming) and real
time (leases, backoff) never mix; see the explanation of time in the docs. The database keeps the
event clock.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias

from winchester_core.errors import ClockError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

logger = logging.getLogger(__name__)

SYNC_INTERVAL_SECONDS = 20.0
SYNC_TIMEOUT_SECONDS = 10.0


class Clock(Protocol):
    """A clock."""

    def now(self) -> datetime:
        """Return the time, aware UTC."""


class SystemClock:
    """The host's clock."""

    def now(self) -> datetime:
        """Return the time, aware UTC, with microseconds."""
        return datetime.now(UTC)


def monotonic() -> float:
    """Return seconds of the monotonic clock, for timeouts."""
    return time.monotonic()


def unix_time_ns() -> int:
    """Return the host's time in nanoseconds since 1970, for the start of a span."""
    return time.time_ns()


def sleep(seconds: float) -> None:
    """Sleep, for backoff only: code that must stop promptly waits on an event instead."""
    time.sleep(seconds)


class TimeSyncClock:
    """Client of a `time_sync` service, whose time the processes of a replay share.

    `GET {endpoint}/time` returns the time as text, or ``None`` before the first publication (then
    the host's clock is used); ingest publishes the time with POST. Requests of each kind are at
    least 20 seconds apart.
    """

    def __init__(self, endpoint: str, host: Clock | None = None) -> None:
        import urllib.parse

        self._url = endpoint.rstrip("/") + "/time"
        if urllib.parse.urlsplit(self._url).scheme not in ("http", "https"):
            raise ClockError(f"time_sync_endpoint {endpoint!r}: must be an http or https URL")
        self._host = host or SystemClock()
        self._last_time: datetime | None = None
        self._fetched_at: float | None = None
        self._published_at: float | None = None

    def now(self) -> datetime:
        """Return the last known time of the service.

        Raises `ClockError` when the service has never responded.
        """
        if self._is_due(self._fetched_at):
            try:
                self._last_time = self._fetch() or self._last_time
            except ClockError:
                if self._last_time is None:
                    raise
                logger.warning(
                    "time_sync request failed, using the last known time: time=%s",
                    self._last_time.isoformat(),
                    exc_info=True,
                )
            self._fetched_at = monotonic()
        return self._last_time or self._host.now()

    def publish(self, instant: datetime) -> None:
        """Publish stream time, unless it was published within the last 20 seconds."""
        self._last_time, self._fetched_at = instant, monotonic()
        if self._is_due(self._published_at):
            self._request(instant.replace(tzinfo=None).isoformat(" ").encode())
            self._published_at = monotonic()

    def _is_due(self, last: float | None) -> bool:
        return last is None or monotonic() - last >= SYNC_INTERVAL_SECONDS

    def _fetch(self) -> datetime | None:
        text = self._request(None).decode("ascii", "replace").strip()
        if text in ("", "None"):
            return None
        try:
            instant = datetime.fromisoformat(text)
        except ValueError as error:
            raise ClockError(f"{self._url} returned {text[:40]!r}, which is not a time") from error
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)

    def _request(self, body: bytes | None) -> bytes:
        import urllib.error
        import urllib.request

        request = urllib.request.Request(self._url, data=body)  # noqa: S310 - scheme checked
        try:
            with urllib.request.urlopen(  # noqa: S310 - scheme checked
                request, timeout=SYNC_TIMEOUT_SECONDS
            ) as response:
                content: bytes = response.read(1024)
                return content
        except (urllib.error.URLError, OSError) as error:
            raise ClockError(f"{self._url} does not respond: {error}") from error


# --- stream time ----------------------------------------------------------------------------------


class ClockKind(StrEnum):
    """The values of the setting `clock`."""

    SYSTEM = "system"
    EVENT = "event"
    TIME_SYNC = "time_sync"


@dataclass(frozen=True, slots=True)
class FixedTime:
    """Every event of the batch arrives at `now` (stream time, aware UTC)."""

    now: datetime


@dataclass(frozen=True, slots=True)
class EventTime:
    """The event clock, kept in the database: the greatest event timestamp ingested.

    An event more than `max_jump` ahead does not advance it (None: no limit). With `advances`
    False it is only read: events that handlers add must not advance time.
    """

    max_jump: timedelta | None = None
    advances: bool = True


TimePolicy: TypeAlias = FixedTime | EventTime


class EventClockStore(Protocol):
    """A store that keeps the event clock."""

    def event_clock(self) -> datetime | None:
        """Return the event clock, aware UTC; None until it is first set."""


class StreamClock:
    """Stream time, and the policy by which events advance it."""

    def __init__(
        self,
        kind: ClockKind,
        store: EventClockStore,
        clock: Clock,
        *,
        max_jump: timedelta | None = None,
    ) -> None:
        self.kind = kind
        self._store = store
        self._clock = clock
        self._max_jump = max_jump

    def now(self) -> datetime | None:
        """Return the stream time, aware UTC; None until the event clock is first set."""
        if self.kind is ClockKind.EVENT:
            return self._store.event_clock()
        return self._clock.now()

    def ingest_policy(self) -> TimePolicy:
        """Return the time policy for events that arrive now."""
        if self.kind is ClockKind.EVENT:
            return EventTime(self._max_jump)
        return FixedTime(self._clock.now())

    def completion_policy(self) -> TimePolicy:
        """Return the time policy for events from handlers, which never advance the clock."""
        if self.kind is ClockKind.EVENT:
            return EventTime(advances=False)
        return FixedTime(self._clock.now())

    def publish(self, timestamps: Sequence[datetime]) -> None:
        """Send the latest of the ingested `timestamps` to the `time_sync` service.

        Failures are only logged: the events are stored, and the next batch publishes again.
        """
        if isinstance(self._clock, TimeSyncClock) and timestamps:
            try:
                self._clock.publish(max(timestamps))
            except ClockError as error:
                logger.warning("stream time not published: error=%s", error)


@dataclass(frozen=True, slots=True)
class BatchTimes:
    """Arrival time of each event in stream time.

    `end` is the event clock after the batch, `refused` are the indexes of events that are too far
    ahead to advance it.
    """

    arrival_times: tuple[datetime, ...]
    end: datetime | None
    refused: tuple[int, ...] = ()


def compute_batch_times(
    policy: TimePolicy, clock: datetime | None, timestamps: Sequence[datetime]
) -> BatchTimes:
    """Advance `clock` (None: never set) by the events' `timestamps`, in order of arrival."""
    if isinstance(policy, FixedTime):
        return BatchTimes((policy.now,) * len(timestamps), clock)
    if not policy.advances:
        return BatchTimes(tuple(clock or timestamp for timestamp in timestamps), clock)
    arrival_times: list[datetime] = []
    refused: list[int] = []
    for index, timestamp in enumerate(timestamps):
        if clock is None or (
            timestamp > clock and _is_allowed_jump(policy.max_jump, clock, timestamp)
        ):
            clock = timestamp
        elif timestamp > clock:
            refused.append(index)
        arrival_times.append(clock)
    return BatchTimes(tuple(arrival_times), clock, tuple(refused))


def _is_allowed_jump(max_jump: timedelta | None, clock: datetime, timestamp: datetime) -> bool:
    return max_jump is None or timestamp - clock <= max_jump
