"""Clocks: the host's clock, the client of the `time_sync` service, and stream time.

No other module reads the time, except sources, which import only public names. Stream time (fire
and expire times, `$timestamp`, trimming) and real time (leases, backoff) never mix; see the
explanation of time in the docs. The database keeps the event clock.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias

from winchester_core.errors import ClockError
from winchester_core.masking import mask_url

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from datetime import timedelta

logger = logging.getLogger(__name__)

_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)

SYNC_INTERVAL_SECONDS = 20.0
SYNC_TIMEOUT_SECONDS = 5.0


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


def boottime() -> float:
    """Return seconds of a clock that also counts suspension of the host, where there is one."""
    if _BOOTTIME is None:
        return time.monotonic()
    return time.clock_gettime(_BOOTTIME)


def unix_time_ns() -> int:
    """Return the host's time in nanoseconds since 1970, for the start of a span."""
    return time.time_ns()


def sleep(seconds: float) -> None:
    """Sleep, for backoff only: code that must stop promptly waits on an event instead."""
    time.sleep(seconds)


class TimeSyncClock:
    """Client of a `time_sync` service, which gives the processes of a replay the same time.

    `GET {endpoint}/time` returns the time as text; before the first publication it is empty or
    ``None``. Ingest publishes the time with POST. Requests are sent at most every 20 seconds. If no
    time has been published, there is no stream time; the host's clock is never used instead. Safe
    to share between threads.
    """

    def __init__(self, endpoint: str) -> None:
        import urllib.parse

        self._url = endpoint.rstrip("/") + "/time"
        self._request_lock = threading.Lock()
        if urllib.parse.urlsplit(self._url).scheme not in ("http", "https"):
            raise ClockError(f"time_sync_endpoint {endpoint!r}: must be an http or https URL")
        self._lock = threading.Lock()
        self._heard: datetime | None = None
        """Latest time that the service has returned or accepted."""
        self._received: datetime | None = None
        """Latest time of the messages of this process."""
        self._stored: datetime | None = None
        """Time to publish: the latest time of messages that have been committed."""
        self._has_unpublished = False
        self._asked_at: float | None = None
        self._published_at: float | None = None
        self._timer: threading.Timer | None = None
        self._is_closed = False
        self._is_available = True

    def now(self) -> datetime | None:
        """Return the latest published time, aware UTC; None before the first publication."""
        with self._lock:
            now = monotonic()
            is_due = self._asked_at is None or now - self._asked_at >= SYNC_INTERVAL_SECONDS
            if is_due:
                self._asked_at = now
        if is_due:
            self._exchange(None)
        return self._heard

    def receive(self, timestamps: Sequence[datetime], max_jump: timedelta | None) -> BatchTimes:
        """Return the times at which messages with these timestamps arrive, in this order.

        An arrival time is the latest of the published time and the timestamps up to and including
        the message's own. Only the first call waits for the service.
        """
        if self._asked_at is None:
            self.now()
        with self._lock:
            start = _latest(self._heard, self._received)
            times = compute_batch_times(EventTime(max_jump), start, timestamps)
            self._received = times.end
        return times

    def publish(self, instant: datetime) -> None:
        """Publish `instant` in the background, within 20 seconds. The time never goes back."""
        with self._lock:
            self._stored = _latest(self._stored, instant)
            if self._heard is None or instant > self._heard:
                self._has_unpublished = True
                self._schedule()

    def close(self) -> None:
        """Publish the latest time, if this process has published any."""
        with self._lock:
            timer, self._timer, self._is_closed = self._timer, None, True
        if timer is not None:
            timer.cancel()
            timer.join()
        if self._stored is not None:
            self._exchange(self._stored)
            self._stored = None

    def _schedule(self) -> None:
        """Start the timer of the next publication, if one is needed. The lock must be held."""
        if self._has_unpublished and self._timer is None and not self._is_closed:
            due_at = monotonic()
            if self._published_at is not None:
                due_at = max(due_at, self._published_at + SYNC_INTERVAL_SECONDS)
            self._timer = threading.Timer(due_at - monotonic(), self._publish_stored)
            self._timer.daemon = True
            self._timer.start()

    def _publish_stored(self) -> None:
        with self._lock:
            self._has_unpublished = False
            latest = self._stored
        is_published = self._exchange(latest)
        with self._lock:
            self._timer, self._published_at = None, monotonic()
            self._asked_at = self._published_at
            self._has_unpublished |= not is_published
            self._schedule()

    def _exchange(self, latest: datetime | None) -> bool:
        """Get the time of the service, and publish `latest` if it is later.

        Return whether the service responded. Log the beginning and the end of an outage.
        """
        try:
            answer = self._fetch()
            published = _latest(latest, None if latest is None else self._heard)
            if published is not None and (answer is None or answer < published):
                self._request(published.replace(tzinfo=None).isoformat(" ").encode())
                answer = published
        except ClockError as error:
            if self._is_available:
                logger.warning("time_sync service unavailable, retrying: error=%s", error)
            self._is_available = False
            return False
        if not self._is_available:
            logger.warning("time_sync service available again: endpoint=%s", mask_url(self._url))
        self._is_available = True
        with self._lock:
            self._heard = _latest(self._heard, answer)
        return True

    def _fetch(self) -> datetime | None:
        text = self._request(None).decode("ascii", "replace").strip()
        if text in ("", "None"):
            return None
        try:
            instant = datetime.fromisoformat(text)
            if instant.year < 1000:
                raise ValueError
            return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
        except (ValueError, OverflowError) as error:
            url = mask_url(self._url)
            raise ClockError(f"{url} returned {text[:40]!r}, which is not a time") from error

    def _request(self, body: bytes | None) -> bytes:
        """Return the response, of at most 1024 bytes.

        A thread bounds the duration of the whole request: the timeout of urllib bounds each read,
        so a service that sends a byte from time to time would never time out. There is at most one
        such thread.
        """
        from concurrent.futures import Future

        if not self._request_lock.acquire(timeout=SYNC_TIMEOUT_SECONDS):
            raise ClockError(f"{mask_url(self._url)} has not completed an earlier response")
        response: Future[bytes] = Future()
        threading.Thread(target=self._send, args=(body, response), daemon=True).start()
        try:
            return response.result(SYNC_TIMEOUT_SECONDS)
        except Exception as error:
            reason = str(error) or "timed out"
            raise ClockError(f"{mask_url(self._url)} does not respond: {reason}") from error
        finally:
            del response  # the traceback of its exception refers to this frame

    def _send(self, body: bytes | None, response: Future[bytes]) -> None:
        """Set `response`, and release the lock of requests."""
        import urllib.request

        try:
            request = urllib.request.Request(self._url, data=body)  # noqa: S310 - scheme checked
            with urllib.request.urlopen(  # noqa: S310 - scheme checked
                request, timeout=SYNC_TIMEOUT_SECONDS
            ) as answer:
                content: bytes = answer.read(1024)
        except Exception as error:  # noqa: BLE001 - raised by _request
            self._request_lock.release()
            response.set_exception(error)
        else:
            self._request_lock.release()
            response.set_result(content)
        del response  # as in _request


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (one, other) if each is not None), default=None)


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
    """The event clock, stored in the database: the latest timestamp of all ingested events.

    Events that are more than `max_jump` ahead do not advance it (None: no limit). If `advances` is
    False, it is only read, because events that handlers add must not advance time.
    """

    max_jump: timedelta | None = None
    advances: bool = True


@dataclass(frozen=True, slots=True)
class StampedTime:
    """Each event has its own arrival time, because stream time is not stored in the database."""


TimePolicy: TypeAlias = FixedTime | EventTime | StampedTime


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
        clock: Clock | TimeSyncClock,
        *,
        max_jump: timedelta | None = None,
    ) -> None:
        self.kind = kind
        self._store = store
        self._clock = clock
        self._max_jump = max_jump

    def now(self) -> datetime | None:
        """Return the stream time, aware UTC.

        None until the event clock is first set, or the first time of `time_sync` is published.
        """
        if self.kind is ClockKind.EVENT:
            return self._store.event_clock()
        return self._clock.now()

    def ingest_policy(self) -> TimePolicy:
        """Return the time policy for events that arrive now."""
        if self.kind is ClockKind.EVENT:
            return EventTime(self._max_jump)
        if isinstance(self._clock, TimeSyncClock):
            return StampedTime()
        return FixedTime(self._clock.now())

    def completion_policy(self) -> TimePolicy:
        """Return the time policy for events from handlers, which never advance the clock."""
        if self.kind is ClockKind.EVENT:
            return EventTime(advances=False)
        return self._fixed_time()

    def _fixed_time(self) -> TimePolicy:
        now = self._clock.now()
        return StampedTime() if now is None else FixedTime(now)

    def receive(self, timestamps: Sequence[datetime]) -> BatchTimes | None:
        """Return the arrival times of messages by the `time_sync` clock; None for other clocks.

        Other clocks determine the times in the transaction that stores the messages.
        """
        if not isinstance(self._clock, TimeSyncClock):
            return None
        return self._clock.receive(timestamps, self._max_jump)

    def publish(self, instant: datetime | None) -> None:
        """Publish the time of stored messages to the `time_sync` service, if there is one."""
        if isinstance(self._clock, TimeSyncClock) and instant is not None:
            self._clock.publish(instant)

    def close(self) -> None:
        """Publish the latest time to the `time_sync` service, if there is one."""
        if isinstance(self._clock, TimeSyncClock):
            self._clock.close()


@dataclass(frozen=True, slots=True)
class BatchTimes:
    """Arrival time of each event in stream time.

    `end` is the event clock after the batch. `refused` contains the indexes of events that are too
    far ahead to advance the clock.
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
    if isinstance(policy, StampedTime):
        return BatchTimes(tuple(timestamps), clock)
    if not policy.advances:
        return BatchTimes(tuple(clock or timestamp for timestamp in timestamps), clock)
    arrival_times: list[datetime] = []
    refused: list[int] = []
    for index, timestamp in enumerate(timestamps):
        if clock is None or (
            timestamp > clock and (policy.max_jump is None or timestamp - clock <= policy.max_jump)
        ):
            clock = timestamp
        elif timestamp > clock:
            refused.append(index)
        arrival_times.append(clock)
    return BatchTimes(tuple(arrival_times), clock, tuple(refused))
