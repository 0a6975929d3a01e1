"""The thread that renews leases, and acts while handlers do not return.

1. Leases are renewed three times per lease. If one is found lost, its handlers cannot begin to
   commit.
2. A run that exceeds `pipeline_timeout` is recorded as failed at once. It continues, and finds that
   its claim has ended. Without the setting, a run is reported after ten leases.
3. If a call of handlers outlasts a lease, the runs that wait in its slot are given back. If this is
   true of all slots that a pipeline may use, its claims that have not begun are given back too.
4. Results that the worker's thread has not stored after `MAX_DEFER_SECONDS` are stored.
5. A release that has failed is repeated while the leases of the claims may still hold.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from winchester_core.clock import monotonic
from winchester_core.errors import StorageError
from winchester_core.pipelines import describe_error
from winchester_core.retry import TRANSIENT_ERRORS, Backoff
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.worker.slot_state import take_all
from winchester_core.worker.stream_run import count_failure, make_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from winchester_core.retry import OutageState
    from winchester_core.storage.interface import WorkStore
    from winchester_core.storage.records import Claim, Failure
    from winchester_core.worker.in_flight import InFlight, ShutdownSnapshot
    from winchester_core.worker.results import Results
    from winchester_core.worker.slot_state import SlotState

logger = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.2
MAX_DEFER_SECONDS: Final = 0.6
"""Age at which a result is stored here. With the tick and the transaction, this is less than a
second."""


class LeaseRenewer:
    """The thread. A reusable, reentrant context manager around the processing of claims."""

    def __init__(
        self,
        store: WorkStore,
        in_flight: InFlight,
        results: Results,
        counters: Counters,
        outage: OutageState,
    ) -> None:
        self._store = store
        self._in_flight = in_flight
        self._results = results
        self._counters = counters
        self._outage = outage
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._depth = 0
        self._timed_out: list[Failure] = []
        self._unreleased: deque[tuple[Claim, float]] = deque()
        """Claims whose release has failed, and the monotonic times at which their leases end."""

    def __enter__(self) -> Self:
        self._depth += 1
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="lease-renewer", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0 and self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        backoff = Backoff(max_seconds=self._interval_seconds)
        renew_at = monotonic() + self._interval_seconds
        while not self._stop.wait(self._wait_seconds(renew_at)):
            if monotonic() >= renew_at:
                renew_at = monotonic() + self._interval_seconds
                if self._is_done(self._renew):
                    backoff.reset()
                else:
                    renew_at = monotonic() + backoff.next_seconds()
            # if one of them fails, the next tick repeats it; it must not prevent the others
            for check in (
                self._check_hung_runs,
                self._store_finished,
                self._give_back,
                self._repeat_releases,
            ):
                self._is_done(check)

    def _is_done(self, action: Callable[[], None]) -> bool:
        """Call `action`; log its error, if any, and return whether there was none."""
        try:
            action()
        except TRANSIENT_ERRORS as error:
            self._outage.record_failure(error)
        except Exception as error:  # noqa: BLE001 - the next attempt may succeed
            claims = self._in_flight.renewable()
            logger.warning(
                "lease renewal failed: streams=%s error=%s",
                _stream_ids(claims),
                describe_error(error),
            )
        else:
            return True
        return False

    @property
    def _interval_seconds(self) -> float:
        return self._results.options.lease.total_seconds() / 3

    def _wait_seconds(self, renew_at: float) -> float:
        """Return the time until the next renewal, tick, or run that may count as hung."""
        until_hung = (
            max(0.0, calls.run.hung_after_seconds - calls.seconds())
            for slot in self._in_flight.slots
            if (calls := slot.calls) is not None and not calls.is_hung
        )
        return max(0.0, min((renew_at - monotonic(), TICK_SECONDS, *until_hung)))

    def _check_hung_runs(self) -> None:
        for slot in self._in_flight.slots:
            self._check_hung(slot)
        self._store_timeouts()

    def _store_finished(self) -> None:
        """Store old results, whether their slots are in handlers, or wait for the worker."""
        due_at = monotonic() - MAX_DEFER_SECONDS
        due = [
            slot
            for slot in self._in_flight.slots
            if (ends := slot.oldest_and_newest_result()) is not None and ends[0].at <= due_at
        ]
        if due or self._results.has_unstored:
            self._results.store([each for slot in due for each in slot.take_finished()])

    def _give_back(self) -> None:
        lease_seconds = self._results.options.lease.total_seconds()
        slots = self._in_flight.slots
        outlasting = [slot for slot in slots if slot.has_outlasted(lease_seconds)]
        if outlasting:
            given_back = [claim for slot in outlasting for claim in self._in_flight.give_back(slot)]
            blocked = self._in_flight.blocked_pipelines(lease_seconds)
            self.release([*given_back, *self._in_flight.pop_pending(blocked)])

    def _check_hung(self, slot: SlotState) -> None:
        """Report a hanging run once. If it exceeds the timeout, end its claim."""
        calls = slot.calls
        if calls is None or calls.is_hung or calls.seconds() < calls.run.hung_after_seconds:
            return
        calls.is_hung = True
        if calls.run.is_reported_hung:
            return
        calls.run.is_reported_hung = True
        claim, step = calls.run.claim, calls.run.step
        self._counters.add(Count.RUNS_HUNG)
        handler, phase = (step.handler, step.phase) if step else ("-", "-")
        logger.error(
            "run hangs: stream=%d trigger=%s run_seconds=%.1f handler=%s phase=%s",
            claim.stream_id,
            claim.name,
            calls.seconds(),
            handler,
            phase,
        )
        timeout_seconds = calls.run.timeout_seconds
        if timeout_seconds is not None and self._in_flight.holds(claim):
            self._in_flight.remove([claim])
            reason = f"exceeded pipeline_timeout ({timeout_seconds:g} s) in {phase} of {handler}"
            self._timed_out.append(make_failure(claim, reason, self._results.options))

    def _store_timeouts(self) -> None:
        while self._timed_out:
            failure = self._timed_out[0]
            try:
                state = self._store.fail(failure, self._results.options.max_attempts)
            except TRANSIENT_ERRORS:
                raise  # it is stored later
            except BaseException:
                self._timed_out.pop(0)  # its lease will expire
                raise
            self._timed_out.pop(0)
            if state is not None:
                count_failure(self._counters, failure.claim, state)

    def _renew(self) -> None:
        claims = self._in_flight.renewable()
        if claims:
            valid = {
                claim.stream_id for claim in self._store.renew(claims, self._results.options.lease)
            }
            self._outage.record_success()
            self._in_flight.mark_lost(claim for claim in claims if claim.stream_id not in valid)

    def release(self, claims: Sequence[Claim]) -> None:
        """Release claims on which no handler has begun to commit. Any thread may call it.

        If this fails, the thread repeats it while the leases may still hold.
        """
        lease_ends_at = monotonic() + self._results.options.lease.total_seconds()
        self._release([(claim, lease_ends_at) for claim in claims])

    def release_pending(self) -> None:
        """Release all claims that have not begun, or whose earlier release has failed."""
        self.release(self._in_flight.pop_pending())
        self._repeat_releases()

    def _repeat_releases(self) -> None:
        now = monotonic()
        self._release([each for each in take_all(self._unreleased) if each[1] > now])

    def _release(self, claims: Sequence[tuple[Claim, float]]) -> None:
        if not claims:
            return
        try:
            released = self._store.release([claim for claim, _ in claims])
        except BaseException:
            self._unreleased.extend(claims)
            raise
        self._counters.add(Count.STREAMS_RELEASED, released)
        logger.info("claims released: streams=%d", released)


# Forced shutdown: release all claims, including runs in progress, before the process exits.


def release_in_flight(store: WorkStore, in_flight: InFlight, counters: Counters) -> None:
    """Prevent further commits, release all claims, and log the interrupted runs.

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
    interrupted = []
    for calls in snapshot.calls:
        claim, step = calls.run.claim, calls.run.step
        interrupted.append(claim)
        logger.warning(
            "run interrupted by forced shutdown: stream=%d trigger=%s run_seconds=%.1f "
            "commit_started=%s handler=%s phase=%s",
            claim.stream_id,
            claim.name,
            calls.seconds(),
            "yes" if claim in snapshot.committed else "no",
            step.handler if step else "-",
            step.phase if step else "-",
        )
    claims = (*snapshot.uncommitted, *snapshot.committed)
    others = [each for each in claims if each not in interrupted]
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
