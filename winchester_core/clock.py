"""Clocks: the host's, and the client of the `time_sync` service.

No other module reads the time. Stream time (fire and expire times, `$timestamp`, trimming) and real
time (leases, backoff) never mix; see the explanation of time in the docs. The event clock is in
`storage`, since it is kept in the database.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import Protocol

from winchester_core.errors import ClockError

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
