"""Claims in flight: a worker's claims that are pending or being processed."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winchester_core.clock import monotonic
from winchester_core.errors import StorageError
from winchester_core.pipelines import describe_error
from winchester_core.retry import TRANSIENT_ERRORS, Backoff
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.worker.stream_run import count_failure, make_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from winchester_core.pipelines import Step
    from winchester_core.retry import OutageState
    from winchester_core.storage.interface import WorkStore
    from winchester_core.storage.records import Claim, Failure
    from winchester_core.worker.options import WorkerOptions
    from winchester_core.worker.stream_run import StreamRun


@dataclass(frozen=True, slots=True)
class ShutdownSnapshot:
    """Claims in flight at a forced shutdown, and the handler call in progress."""

    uncommitted: list[Claim]
    """Claims without side effects: they are pending, or started but not committed."""
    committed: list[Claim]
    """Claims with handlers that have started to commit."""
    current: Claim | None
    current_seconds: float
    step: Step | None


@dataclass(frozen=True, slots=True)
class HungRun:
    """A run with handlers that take too long: the time so far, and the call in progress."""

    claim: Claim
    seconds: float
    step: Step | None


class InFlightClaims:
    """Claims in flight, shared by the threads that process, renew and release them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[int, Claim] = {}
        self._started: dict[int, Claim] = {}
        self._current: Claim | None = None
        self._current_since = 0.0
        self._handled_seconds = 0.0
        self._handlers_since: float | None = None
        self._is_hung = False
        self._run: StreamRun | None = None
        self._committed: set[int] = set()
        self._is_shut_down = False

    def add(self, claims: Iterable[Claim]) -> None:
        """Add pending claims."""
        with self._lock:
            self._pending.update((claim.stream_id, claim) for claim in claims)

    def start(self, claim: Claim) -> bool:
        """Start to process a pending claim. Return False if it has been released meanwhile."""
        with self._lock:
            if self._is_shut_down or self._pending.pop(claim.stream_id, None) is None:
                return False
            self._started[claim.stream_id] = claim
            self._current, self._current_since = claim, monotonic()
            self._handled_seconds, self._handlers_since, self._is_hung = 0.0, None, False
            return True

    def set_run(self, run: StreamRun) -> None:
        """Set the run of the current claim."""
        with self._lock:
            self._run = run

    def start_commit(self, claim: Claim) -> bool:
        """Permit the handlers to commit. Return False after their timeout or a forced shutdown."""
        with self._lock:
            may_commit = claim.stream_id in self._started
            if may_commit:
                self._committed.add(claim.stream_id)
            return may_commit

    def enter_handlers(self) -> None:
        """Start measuring the time that the current run spends in handlers."""
        with self._lock:
            self._handlers_since = monotonic()

    def leave_handlers(self) -> None:
        """Stop measuring this time, because the next steps may wait for the database."""
        with self._lock:  # else a reader might add the same time twice
            self._handled_seconds, self._handlers_since = self._handler_time(), None

    def handler_seconds(self) -> float:
        """Return the time in handlers of the current run so far."""
        with self._lock:
            return self._handler_time()

    def _handler_time(self) -> float:
        since = self._handlers_since
        return self._handled_seconds + (0.0 if since is None else monotonic() - since)

    def take_hung_run(self, limit_seconds: float, *, end: bool) -> HungRun | None:
        """Return the current run if its handlers have exceeded the limit, but only once.

        If `end` is true, its claim is no longer renewed, and its handlers must not begin to commit.
        """
        with self._lock:
            claim, seconds = self._current, self._handler_time()
            if claim is None or self._handlers_since is None or self._is_hung:
                return None
            if seconds < limit_seconds:
                return None
            self._is_hung = True
            if end:
                self._started.pop(claim.stream_id, None)
            return HungRun(claim, seconds, self._run.step if self._run is not None else None)

    def finish_run(self) -> None:
        """End the run of the current claim. The claim stays in flight until its completion."""
        with self._lock:
            self._current = self._run = None

    def remove(self, claims: Iterable[Claim]) -> None:
        """Remove claims that are completed, failed or lost."""
        with self._lock:
            for claim in claims:
                self._started.pop(claim.stream_id, None)
                self._committed.discard(claim.stream_id)

    def clear(self) -> None:
        """Remove all claims. The leases of interrupted claims will expire."""
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
        """Remove and return all claims. From now on, no claim is started, renewed or committed."""
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

    def renewable(self) -> list[Claim]:
        """Return all claims to renew."""
        with self._lock:
            return [*self._pending.values(), *self._started.values()]

    def current_seconds(self) -> float:
        """Return the duration of the current run so far, or 0 if there is none."""
        with self._lock:
            return self._seconds()

    def _seconds(self) -> float:
        return monotonic() - self._current_since if self._current is not None else 0.0


# Renewal of leases, and release of claims that wait too long for their worker.


logger = logging.getLogger(__name__)


class LeaseRenewer:
    """Thread that renews leases three times per lease. A context manager around processing.

    If a run takes longer than a lease, the pending claims are released for other workers. A run
    that exceeds `pipeline_timeout` is recorded as failed at once. It continues, and finds that its
    lease is lost.
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
        self._timed_out: list[Failure] = []

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
        backoff = Backoff(max_seconds=interval_seconds)
        renew_at = monotonic() + interval_seconds
        while not self._stop.wait(self._wait_seconds(renew_at)):
            try:
                self._check_run()
                if monotonic() >= renew_at:
                    renew_at = monotonic() + interval_seconds
                    self.renew()
                    backoff.reset()
            except TRANSIENT_ERRORS as error:
                self._outage.record_failure(error)
                renew_at = monotonic() + backoff.next_seconds()
            except Exception as error:  # noqa: BLE001 - the next attempt may succeed
                self._timed_out.clear()
                claims = self._in_flight.renewable()
                logger.warning(
                    "lease renewal failed: streams=%s error=%s",
                    _stream_ids(claims),
                    describe_error(error),
                )

    def _wait_seconds(self, renew_at: float) -> float:
        """Return the time until the next renewal, or until the current run may count as hung."""
        limit = self._options.hung_after_seconds
        until_hung = limit - self._in_flight.handler_seconds()
        now = monotonic()
        return max(0.0, min(renew_at - now, until_hung if until_hung > 0 else limit))

    def _check_run(self) -> None:
        """Report a hanging run. If it exceeds the timeout, record it as failed."""
        options = self._options
        timeout_seconds = options.pipeline_timeout_seconds
        has_timeout = timeout_seconds is not None
        hung = self._in_flight.take_hung_run(options.hung_after_seconds, end=has_timeout)
        if hung is not None:
            self._counters.add(Count.RUNS_HUNG)
            handler, phase = (hung.step.handler, hung.step.phase) if hung.step else ("-", "-")
            logger.error(
                "run hangs: stream=%d trigger=%s run_seconds=%.1f handler=%s phase=%s",
                hung.claim.stream_id,
                hung.claim.name,
                hung.seconds,
                handler,
                phase,
            )
            if has_timeout:
                reason = (
                    f"exceeded pipeline_timeout ({timeout_seconds:g} s) in {phase} of {handler}"
                )
                self._timed_out.append(make_failure(hung.claim, reason, options))
        while self._timed_out:
            state = self._store.fail(self._timed_out[0], options.max_attempts)
            self._timed_out.pop(0)
            if state is not None:
                count_failure(self._counters, state)

    def renew(self) -> None:
        """Renew all leases once. If the current run is long, release the pending claims."""
        if self._in_flight.current_seconds() > self._options.lease.total_seconds():
            self.release_pending()
        claims = self._in_flight.renewable()
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


# Forced shutdown: release all claims, including a run in progress, before the process exits.


def release_in_flight(store: WorkStore, in_flight: InFlightClaims, counters: Counters) -> None:
    """Prevent further commits, release all claims, and log the interrupted run.

    A release does not count as an attempt. If handlers have started to commit, the attempt counts,
    so that `env["attempt"]` shows the repetition.
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
        _release_safely(committed, lambda: store.release(committed, began_commit=True))


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
    others = [each for each in (*snapshot.uncommitted, *snapshot.committed) if each != current]
    if others:
        logger.warning("claims released by forced shutdown: streams=%d", len(others))


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
