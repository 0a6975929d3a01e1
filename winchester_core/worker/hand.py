"""The streams that a worker has in hand: which it has begun, and which it may still give back."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winchester_core.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winchester_core.pipelines import Step
    from winchester_core.storage.records import Claim
    from winchester_core.worker.stream_run import StreamRun


@dataclass(frozen=True, slots=True)
class Surrendered:
    """What was in hand when a worker gave up, and what it was at."""

    unseen: list[Claim]
    """Nothing of these can be seen outside: not begun, or not committed."""
    committed: list[Claim]
    """The handlers of these have begun to commit."""
    current: Claim | None
    current_seconds: float
    step: Step | None


class Hand:
    """Shared by the thread that works and the threads that keep the leases or end the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[int, Claim] = {}
        self._begun: dict[int, Claim] = {}
        self._current: Claim | None = None
        self._current_since = 0.0
        self._run: StreamRun | None = None
        self._committed: set[int] = set()
        self._is_surrendered = False

    def take(self, claims: Iterable[Claim]) -> None:
        """Add claims that have not been begun."""
        with self._lock:
            self._waiting.update((claim.stream_id, claim) for claim in claims)

    def begin(self, claim: Claim) -> bool:
        """Begin to work on a claim; False when it has been given back meanwhile."""
        with self._lock:
            if self._is_surrendered or self._waiting.pop(claim.stream_id, None) is None:
                return False
            self._begun[claim.stream_id] = claim
            self._current, self._current_since = claim, monotonic()
            return True

    def follow(self, run: StreamRun) -> None:
        """This is the run of the current claim."""
        with self._lock:
            self._run = run

    def begin_commit(self, claim: Claim) -> bool:
        """The handlers may commit; False once everything was surrendered."""
        with self._lock:
            if not self._is_surrendered:
                self._committed.add(claim.stream_id)
            return not self._is_surrendered

    def end_run(self) -> None:
        """The pipeline of the current claim has run; its completion may still be to come."""
        with self._lock:
            self._current = self._run = None

    def drop(self, claims: Iterable[Claim]) -> None:
        """These claims are finished, one way or the other."""
        with self._lock:
            for claim in claims:
                self._begun.pop(claim.stream_id, None)
                self._committed.discard(claim.stream_id)

    def forget(self) -> None:
        """Let go of everything: what is left was interrupted, and its leases will run out."""
        with self._lock:
            self._waiting.clear()
            self._begun.clear()
            self._committed.clear()
            self._current = self._run = None

    def give_back(self) -> list[Claim]:
        """Take out and return every claim that has not been begun."""
        with self._lock:
            waiting, self._waiting = list(self._waiting.values()), {}
            return waiting

    def surrender(self) -> Surrendered:
        """Take out and return everything: from now on nothing is begun, renewed or committed."""
        with self._lock:
            self._is_surrendered = True
            held = {**self._waiting, **self._begun}
            left = Surrendered(
                unseen=[held[each] for each in held if each not in self._committed],
                committed=[held[each] for each in held if each in self._committed],
                current=self._current,
                current_seconds=self._seconds(),
                step=self._run.step if self._run is not None else None,
            )
            self._waiting, self._begun = {}, {}
            return left

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
            return self._seconds()

    def _seconds(self) -> float:
        return monotonic() - self._current_since if self._current is not None else 0.0
