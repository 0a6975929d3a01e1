"""How long a failed stream waits for its next try. Pure."""

from __future__ import annotations

from datetime import timedelta


def retry_delay(attempt: int, first: timedelta, longest: timedelta, fraction: float) -> timedelta:
    """The wait after `attempt` (from 1): `first`, doubled with each one more, up to `longest`.

    `fraction` (0 to 1, random) spreads the tries over the last fifth of that time, so that
    streams that failed together do not all come back together.
    """
    doublings = min(attempt - 1, 62)
    seconds = min(first.total_seconds() * 2**doublings, longest.total_seconds())
    return timedelta(seconds=seconds * (0.8 + 0.2 * fraction))
