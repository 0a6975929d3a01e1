"""Claims in flight: those of a worker that are pending or being processed."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from winchester_core.clock import monotonic
from winchester_core.errors import StorageError
from winchester_core.pipelines import describe_error
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.telemetry.retry import TRANSIENT_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from winchester_core.pipelines import Step
    from winchester_core.storage.interface import WorkStore
    from winchester_core.storage.records import Claim
    from winchester_core.telemetry.retry import OutageState
    from winchester_core.worker.options import WorkerOptions
    from winchester_core.worker.stream_run import StreamRun


@dataclass(frozen=True, slots=True)
class ShutdownSnapshot:
    """Claims in flight at a forced shutdown, and the handler call in progress."""

    uncommitted: list[Claim]
    """Claims without side effects: pending, or started and not committed."""
    committed: list[Claim]
    """Claims whose handlers have started to commit."""
    current: Claim | None
    current_seconds: float
    step: Step | None


class InFlightClaims:
    """Claims in flight, shared by the threads that process, renew and release them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[int, Claim] = {}
        self._started: dict[int, Claim] = {}
        self._current: Claim | None = None
        self._current_since = 0.0
        self._run: StreamRun | None = None
        self._committed: set[int] = set()
        self._is_shut_down = False

    def add(self, claims: Iterable[Claim]) -> None:
        """Add pending claims."""
        with self._lock:
            self._pending.update((claim.stream_id, claim) for claim in claims)

    def start(self, claim: Claim) -> bool:
        """Start to process a pending claim; False when it has been released meanwhile."""
        with self._lock:
            if self._is_shut_down or self._pending.pop(claim.stream_id, None) is None:
                return False
            self._started[claim.stream_id] = claim
            self._current, self._current_since = claim, monotonic()
            return True

    def set_run(self, run: StreamRun) -> None:
        """Set the run of the current claim."""
        with self._lock:
            self._run = run

    def start_commit(self, claim: Claim) -> bool:
        """Permit the handlers to commit; False after a forced shutdown."""
        with self._lock:
            if not self._is_shut_down:
                self._committed.add(claim.stream_id)
            return not self._is_shut_down

    def finish_run(self) -> None:
        """End the run of the current claim, which stays in flight until its completion."""
        with self._lock:
            self._current = self._run = None

    def remove(self, claims: Iterable[Claim]) -> None:
        """Remove claims that are completed, failed or lost."""
        with self._lock:
            for claim in claims:
                self._started.pop(claim.stream_id, None)
                self._committed.discard(claim.stream_id)

    def clear(self) -> None:
        """Remove all claims; the leases of interrupted ones will expire."""
        with self._lock:
            self._pending.clear()
            self._started.clear()
            self._committed.clear()
            self._current = self._run = None

    def pop_pending(self) -> list[Claim]:
        """Remove and return all pending claims."""
        with self._lock:
            pending, self._pending = list(self._pending.values()), {}
            return pending

    def shut_down(self) -> ShutdownSnapshot:
        """Remove and return all claims: from now on none is started, renewed or committed."""
        with self._lock:
            self._is_shut_down = True
            claims = {**self._pending, **self._started}
            snapshot = ShutdownSnapshot(
                uncommitted=[claims[each] for each in claims if each not in self._committed],
                committed=[claims[each] for each in claims if each in self._committed],
                current=self._current,
                current_seconds=self._seconds(),
                step=self._run.step if self._run is not None else None,
            )
            self._pending, self._started = {}, {}
            return snapshot

    def renewable(self, timeout_seconds: float | None) -> list[Claim]:
        """Return all claims to renew: all but a run that has exceeded the timeout."""
        with self._lock:
            claims = {**self._pending, **self._started}
            if (
                self._current is not None
                and timeout_seconds is not None
                and monotonic() - self._current_since > timeout_seconds
            ):
                claims.pop(self._current.stream_id, None)
            return list(claims.values())

    def current_seconds(self) -> float:
        """Return the duration of the current run so far; 0 without one."""
        with self._lock:
            return self._seconds()

    def _seconds(self) -> float:
        return monotonic() - self._current_since if self._current is not None else 0.0


# Renewal of leases, and release of claims that a worker does not get to.


logger = logging.getLogger(__name__)


class LeaseRenewer:
    """Thread that renews leases, three times per lease; a context manager around processing.

    When one run lasts longer than a lease, the pending claims behind it are released for other
    workers.
    """

    def __init__(
        self,
        store: WorkStore,
        in_flight: InFlightClaims,
        options: WorkerOptions,
        counters: Counters,
        outage: OutageState,
    ) -> None:
        self._store = store
        self._in_flight = in_flight
        self._options = options
        self._counters = counters
        self._outage = outage
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="lease-renewer", daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        interval_seconds = self._options.lease.total_seconds() / 3
        while not self._stop.wait(interval_seconds):
            try:
                self.renew()
            except TRANSIENT_ERRORS as error:
                self._outage.record_failure(error)
            except Exception as error:  # noqa: BLE001 - the next attempt may succeed
                claims = self._in_flight.renewable(None)
                logger.warning(
                    "lease renewal failed: streams=%s error=%s",
                    _stream_ids(claims),
                    describe_error(error),
                )

    def renew(self) -> None:
        """Renew all leases once, and release the claims that wait behind a long run."""
        if self._in_flight.current_seconds() > self._options.lease.total_seconds():
            self.release_pending()
        claims = self._in_flight.renewable(self._options.pipeline_timeout_seconds)
        if claims:
            self._store.renew(claims, self._options.lease)
            self._outage.record_success()

    def release_pending(self) -> None:
        """Release all pending claims."""
        pending = self._in_flight.pop_pending()
        if pending:
            released = self._store.release(pending)
            self._counters.add(Count.STREAMS_RELEASED, released)
            logger.info("claims released: streams=%d", released)


# Forced shutdown: release all claims, also of a run in progress, before the process exits.


def release_in_flight(store: WorkStore, in_flight: InFlightClaims, counters: Counters) -> None:
    """Prevent further commits, release all claims, and log the interrupted run.

    A release does not count as an attempt. If handlers have started to commit, the attempt counts,
    so that `env["attempt"]` shows the repetition: the lease is expired instead, and another worker
    rescues the stream.
    """
    snapshot = in_flight.shut_down()
    _log_snapshot(snapshot)
    uncommitted, committed = snapshot.uncommitted, snapshot.committed
    if uncommitted:
        _release_safely(
            uncommitted,
            lambda: counters.add(Count.STREAMS_RELEASED, store.release(uncommitted)),
        )
    if committed:
        _release_safely(committed, lambda: store.renew(committed, timedelta(0)))


def _log_snapshot(snapshot: ShutdownSnapshot) -> None:
    current, step = snapshot.current, snapshot.step
    if current is not None:
        logger.warning(
            "run interrupted by forced shutdown: stream=%d trigger=%s run_seconds=%.1f "
            "commit_started=%s handler=%s phase=%s",
            current.stream_id,
            current.name,
            snapshot.current_seconds,
            "yes" if current in snapshot.committed else "no",
            step.handler if step else "-",
            step.phase if step else "-",
        )
    others = len(snapshot.uncommitted) + len(snapshot.committed) - (current is not None)
    if others > 0:
        logger.warning("claims released by forced shutdown: streams=%d", others)


def _release_safely(claims: Sequence[Claim], release: Callable[[], object]) -> None:
    try:
        release()
    except StorageError as error:
        logger.warning(
            "claims not released, their leases will expire: streams=%s error=%s",
            _stream_ids(claims),
            error,
        )


MAX_LOGGED_IDS = 20


def _stream_ids(claims: Sequence[Claim]) -> str:
    ids = ",".join(str(claim.stream_id) for claim in claims[:MAX_LOGGED_IDS])
    return ids if len(claims) <= MAX_LOGGED_IDS else f"{ids},... ({len(claims)})"
