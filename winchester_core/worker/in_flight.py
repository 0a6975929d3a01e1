"""The streams that a worker has in hand: which it has begun, and which it may still give back."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from winchester_core.clock import monotonic
from winchester_core.errors import StorageError
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.telemetry.retry import TRANSIENT_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from winchester_core.pipelines import Step
    from winchester_core.storage.interface import WorkStore
    from winchester_core.storage.records import Claim
    from winchester_core.telemetry.retry import OutageState
    from winchester_core.worker.options import WorkerOptions
    from winchester_core.worker.stream_run import StreamRun


@dataclass(frozen=True, slots=True)
class ShutdownSnapshot:
    """What was in hand when a worker gave up, and what it was at."""

    unseen: list[Claim]
    """Nothing of these can be seen outside: not begun, or not committed."""
    committed: list[Claim]
    """The handlers of these have begun to commit."""
    current: Claim | None
    current_seconds: float
    step: Step | None


class InFlightClaims:
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

    def surrender(self) -> ShutdownSnapshot:
        """Take out and return everything: from now on nothing is begun, renewed or committed."""
        with self._lock:
            self._is_surrendered = True
            held = {**self._waiting, **self._begun}
            left = ShutdownSnapshot(
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


# Renews a worker's leases while it works, and gives back what it does not get to.


logger = logging.getLogger(__name__)


class LeaseRenewer:
    """A thread that runs while streams are in hand; a context manager around the work.

    It renews three times a lease. When one run lasts longer than a lease, the streams that wait
    behind it are released for other workers.
    """

    def __init__(
        self,
        store: WorkStore,
        hand: InFlightClaims,
        options: WorkerOptions,
        counters: Counters,
        outage: OutageState,
    ) -> None:
        self._store = store
        self._hand = hand
        self._options = options
        self._counters = counters
        self._outage = outage
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        self._done.clear()
        self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        interval_seconds = self._options.lease.total_seconds() / 3
        while not self._done.wait(interval_seconds):
            try:
                self.keep()
            except TRANSIENT_ERRORS as error:
                self._outage.noticed(error)
            except StorageError as error:
                logger.warning("leases could not be renewed: %s", error)

    def keep(self) -> None:
        """Renew once, and release what waits behind a long run."""
        if self._hand.current_seconds() > self._options.lease.total_seconds():
            self.release_waiting()
        claims = self._hand.to_renew(self._options.pipeline_timeout_seconds)
        if claims:
            self._store.renew(claims, self._options.lease)
            self._outage.over()

    def release_waiting(self) -> None:
        """Give every claim back that has not been begun."""
        waiting = self._hand.give_back()
        if waiting:
            released = self._store.release(waiting)
            self._counters.add(Count.STREAMS_RELEASED, released)
            logger.info("released %d claimed streams", released)


# Gives everything in hand to other workers, the run that does not end included.
#
# For a process that ends right afterwards, whatever its threads are at.


def release_in_flight(store: WorkStore, hand: InFlightClaims, counters: Counters) -> None:
    """Let no more commits begin, release the claims, and say which run is cut short.

    A release does not count as an attempt. Where handlers have begun to commit, the attempt
    counts, so that `env["attempt"]` tells them of the second time: the lease ends now, and the
    next worker takes the stream as that of a dead one.
    """
    left = hand.surrender()
    _log_snapshot(left)
    if left.unseen:
        _release_safely(lambda: counters.add(Count.STREAMS_RELEASED, store.release(left.unseen)))
    if left.committed:
        _release_safely(lambda: store.renew(left.committed, timedelta(0)))


def _log_snapshot(left: ShutdownSnapshot) -> None:
    if left.current is not None:
        logger.warning(
            "stream %d of trigger %s is cut short after %.1f seconds, %s: %s",
            left.current.stream_id,
            left.current.name,
            left.current_seconds,
            f"in {left.step.phase} of handler {left.step.handler}"
            if left.step
            else "in no handler",
            "the handlers have begun to commit, and will again in another worker"
            if left.current in left.committed
            else "another worker runs it anew",
        )
    others = len(left.unseen) + len(left.committed) - (left.current is not None)
    if others > 0:
        logger.warning("%d more claimed streams go to other workers", others)


def _release_safely(give_back: Callable[[], object]) -> None:
    try:
        give_back()
    except StorageError as error:
        logger.warning("claims could not be given back, their leases will run out: %s", error)
