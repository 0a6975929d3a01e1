"""Detection of another client with the same client id, which takes the session over.

Two such clients would end each other's connection without end. So after a takeover, the source
does not connect for a while. MQTT 5 has a reason code for a takeover, but MQTT 3.1.1 has none, and
some brokers do not send it. Several short connections in a row therefore count as a takeover.
"""

from __future__ import annotations

import time
from enum import Enum
from typing import Final

from winchester_core.errors import SourceError

PAUSE_SECONDS: Final = 10.0
"""Time without a connection after a takeover."""
SHORT_SECONDS: Final = 5.0
"""A connection is short if it ends within this time."""
MAX_SHORT_CONNECTIONS: Final = 4
"""Number of short connections in a row that count as a takeover."""


class ConnectionEnd(Enum):
    """How a connection ended."""

    WITH_REASON = "the broker or the client has given a reason"
    WITHOUT_REASON = "the connection broke or was closed"
    TAKEN_OVER = "the broker has reported another client with the same id"


class TakeoverDetector:
    """Ends of the connections of one source."""

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id
        self._short_connections = 0
        self._paused_until = 0.0
        self._error: SourceError | None = None

    def check(self) -> None:
        """Raise `SourceError` if a takeover was detected less than `PAUSE_SECONDS` ago."""
        if self._error is not None and time.monotonic() < self._paused_until:
            raise SourceError(self._error.source, self._error.reason)
        self._error = None

    def record_end(
        self, failure: SourceError, end: ConnectionEnd, lasted_seconds: float
    ) -> SourceError:
        """Record the end of a connection. Return its error, which names a detected takeover."""
        if end is ConnectionEnd.TAKEN_OVER:
            return self._pause(
                SourceError(
                    failure.source,
                    f"another client has connected with the client id {self._client_id!r}; "
                    "each ingest process needs its own",
                )
            )
        if end is ConnectionEnd.WITH_REASON or lasted_seconds >= SHORT_SECONDS:
            self._short_connections = 0
            return failure
        self._short_connections += 1
        if self._short_connections < MAX_SHORT_CONNECTIONS:
            return failure
        return self._pause(
            SourceError(
                failure.source,
                f"{failure.reason}: {MAX_SHORT_CONNECTIONS} connections in a row have ended "
                f"within {SHORT_SECONDS:g} seconds. Another client may have the client id "
                f"{self._client_id!r}; each ingest process needs its own",
            )
        )

    def _pause(self, error: SourceError) -> SourceError:
        self._short_connections = 0
        self._paused_until = time.monotonic() + PAUSE_SECONDS
        self._error = error
        return error
