"""Counts and log records of requests that are not authenticated."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from winchester_core.sources.http.authentication import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

LOG_INTERVAL_SECONDS: Final = 60.0


class Refusals:
    """Counts refused requests, and logs at most one a minute for each path and reason.

    `add` is called in the server's thread, `counts` in any.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._counts = dict.fromkeys((each.value for each in Refusal), 0)
        self._unlogged: dict[tuple[str, Refusal], int] = {}
        self._next_log_at: dict[tuple[str, Refusal], float] = {}

    def add(self, path: str, refusal: Refusal, client: str) -> None:
        """Count a request for one of the server's paths. Nothing of its content is logged."""
        self._counts[refusal.value] += 1
        key = path, refusal
        number = self._unlogged.get(key, 0) + 1
        now = self._monotonic()
        if now < self._next_log_at.get(key, now):
            self._unlogged[key] = number
            return
        self._unlogged[key] = 0
        self._next_log_at[key] = now + LOG_INTERVAL_SECONDS
        log.warning(
            "requests not authenticated: path=%s reason=%s client=%s requests=%d",
            path,
            refusal.value,
            client,
            number,
        )

    def counts(self) -> dict[str, int]:
        """Return the numbers of refused requests by reason."""
        return dict(self._counts)
