"""The streams that a worker has in hand: which it has begun, and which it may still give back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from winchester_core.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winchester_core.storage.records import Claim


class Hand:
    """Shared by the thread that works and the thread that keeps the leases."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[int, Claim] = {}
        self._begun: dict[int, Claim] = {}
        self._current: Claim | None = None
        self._current_since = 0.0

    def take(self, claims: Iterable[Claim]) -> None:
        """Add claims that have not been begun."""
        with self._lock:
            self._waiting.update((claim.stream_id, claim) for claim in claims)

    def begin(self, claim: Claim) -> bool:
        """Begin to work on a claim; False when it has been given back meanwhile."""
        with self._lock:
            if self._waiting.pop(claim.stream_id, None) is None:
                return False
            self._begun[claim.stream_id] = claim
            self._current, self._current_since = claim, monotonic()
            return True

    def end_run(self) -> None:
        """The pipeline of the current claim has run; its completion may still be to come."""
        with self._lock:
            self._current = None

    def drop(self, claims: Iterable[Claim]) -> None:
        """These claims are finished, one way or the other."""
        with self._lock:
            for claim in claims:
                self._begun.pop(claim.stream_id, None)

    def forget(self) -> None:
        """Let go of everything: what is left was interrupted, and its leases will run out."""
        with self._lock:
            self._waiting.clear()
            self._begun.clear()
            self._current = None

    def give_back(self) -> list[Claim]:
        """Take out and return every claim that has not been begun."""
        with self._lock:
            waiting, self._waiting = list(self._waiting.values()), {}
            return waiting

    def to_renew(self, timeout_seconds: float | None) -> list[Claim]:
        """Every claim whose lease is to be renewed: not one that has run past the timeout."""
        with self._lock:
            claims = {**self._waiting, **self._begun}
            if (
                self._current is not None
                and timeout_seconds is not None
                and monotonic() - self._current_since > timeout_seconds
            ):
                claims.pop(self._current.stream_id, None)
            return list(claims.values())

    def current_seconds(self) -> float:
        """How long the current run has lasted; 0 when none does."""
        with self._lock:
            return monotonic() - self._current_since if self._current is not None else 0.0
