"""The only place that reads the time.

Stream time (fire and expire times, `$timestamp`, trimming) and real time (leases, backoff) never
mix; see the explanation of time in the docs. The event clock lives in the database, hence in
`storage`; here are the host's clock and the `time_sync` service.
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
    """Something that tells the time."""

    def now(self) -> datetime:
        """The time, aware UTC."""


class SystemClock:
    """The host's clock."""

    def now(self) -> datetime:
        """The time, aware UTC, with microseconds."""
        return datetime.now(UTC)


def monotonic() -> float:
    """Seconds on a clock that never jumps; for timeouts."""
    return time.monotonic()


def unix_time_ns() -> int:
    """The host's clock as nanoseconds since 1970; for the begin of a span."""
    return time.time_ns()


def sleep(seconds: float) -> None:
    """Wait. Only for backoff between tries; whatever must stop promptly waits on an event."""
    time.sleep(seconds)


class TimeSyncClock:
    """The clock of a `time_sync` service, shared by the processes of a replay.

    `GET {endpoint}/time` answers the time as text, or ``None`` when nobody has published yet
    (then the host's clock serves); the ingesting side publishes with POST. The service is asked
    or told at most every 20 seconds.
    """

    def __init__(self, endpoint: str, host: Clock | None = None) -> None:
        import urllib.parse

        self._url = endpoint.rstrip("/") + "/time"
        if urllib.parse.urlsplit(self._url).scheme not in ("http", "https"):
            raise ClockError(f"time_sync_endpoint {endpoint!r}: an http or https URL is wanted")
        self._host = host or SystemClock()
        self._known: datetime | None = None
        self._asked_at: float | None = None
        self._told_at: float | None = None

    def now(self) -> datetime:
        """The service's time as last heard. Raises `ClockError` when it has never answered."""
        if self._is_due(self._asked_at):
            try:
                self._known = self._ask() or self._known
            except ClockError:
                if self._known is None:
                    raise
                logger.warning("going on with the time last heard: %s", self._known, exc_info=True)
            self._asked_at = monotonic()
        return self._known or self._host.now()

    def publish(self, moment: datetime) -> None:
        """Tell the service the time, unless it was told within 20 seconds."""
        self._known, self._asked_at = moment, monotonic()
        if self._is_due(self._told_at):
            self._send(moment.replace(tzinfo=None).isoformat(" ").encode())
            self._told_at = monotonic()

    def _is_due(self, last: float | None) -> bool:
        return last is None or monotonic() - last >= SYNC_INTERVAL_SECONDS

    def _ask(self) -> datetime | None:
        text = self._send(None).decode("ascii", "replace").strip()
        if text in ("", "None"):
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise ClockError(f"{self._url} answers {text[:40]!r}, which is no time") from error
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

    def _send(self, body: bytes | None) -> bytes:
        import urllib.error
        import urllib.request

        request = urllib.request.Request(self._url, data=body)  # noqa: S310 - scheme checked
        try:
            with urllib.request.urlopen(  # noqa: S310 - scheme checked
                request, timeout=SYNC_TIMEOUT_SECONDS
            ) as response:
                answer: bytes = response.read(1024)
                return answer
        except (urllib.error.URLError, OSError) as error:
            raise ClockError(f"{self._url} does not answer: {error}") from error
