"""Execution slot: runs the handlers of one stream at a time, in its own thread or the worker's.

A slot does not use the database. It works in steps, and between them the worker stores what the
step has finished, and proves the leases of runs that wait for their `commit`.

1. A batch has runs of one pipeline. `handle_events` is called for one run after the other, until
   `STEP_SECONDS` have passed or the batch is full. Then the leases are proved, and `commit` is
   called for one run after the other, until `STEP_SECONDS` have passed; the rest is proved again.
   After `MAX_EXPIRED_PROOFS` proofs that have expired before any `commit`, the rest is given back.
2. `commit` is called only if the lease is not known to be lost, and if less than a quarter of it
   has passed since before the proof was sent, by a clock that counts suspension of the host.
3. A run whose claim has ended is rolled back by its slot, since handlers may be bound to a thread.
   After `commit` has been called, `rollback` never is.
"""

from __future__ import annotations

import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from winchester_core.clock import boottime, monotonic
from winchester_core.errors import ClockError, DataRefused, StorageError
from winchester_core.failpoints import Failpoint, hit
from winchester_core.pipelines import NOT_CAUGHT
from winchester_core.telemetry.log_context import LogContext
from winchester_core.worker.slot_state import Finished, HandlerCalls, SlotState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from winchester_core.storage.records import Completion, Failure
    from winchester_core.worker.in_flight import InFlight
    from winchester_core.worker.stream_run import StreamRun

STEP_SECONDS: Final = 0.2
"""Time after which no further handler is called in a step of runs that have a `commit`."""

STEP_SECONDS_WITHOUT_COMMIT: Final = 0.5
"""The same for other runs, which wait only for their completion."""

MAX_EXPIRED_PROOFS: Final = 5
"""Number of proofs in succession that may expire before any run of a batch begins to commit."""

PROPAGATED = (StorageError, ClockError, SystemExit, *NOT_CAUGHT)
"""Exceptions outside handlers that affect all claims, except `DataRefused`."""


def affects_all(error: BaseException) -> bool:
    """Return whether an exception outside handlers affects all claims, not only its stream."""
    return isinstance(error, PROPAGATED) and not isinstance(error, DataRefused)


class Slot(SlotState):
    """An execution slot. One thread calls `step`; the worker's thread acts between steps."""

    def __init__(
        self,
        in_flight: InFlight,
        stop: threading.Event,
        is_interrupted: Callable[[], bool],
        set_time_limit: Callable[[float | None], None],
    ) -> None:
        """`set_time_limit` gets the seconds that a run may take (None: no run is in progress)."""
        super().__init__()
        self._in_flight = in_flight
        self._stop = stop
        self._is_interrupted = is_interrupted
        self._set_time_limit = set_time_limit
        self.handled: list[StreamRun] = []
        """Runs that wait for the proof of their leases."""
        self.proved: deque[StreamRun] = deque()
        """Runs that wait for their `commit`."""
        self._proof_limit: int | None = None
        self._expired_proofs = 0
        """Number of proofs since the last `commit` that have expired, or that were not valid."""
        self.interrupted: StreamRun | None = None
        """The run that was in its handlers when the worker was stopped. It may still commit."""
        self.proof_sent_at = 0.0
        """Time before the proof was sent, as of `boottime`."""

    @property
    def has_work(self) -> bool:
        """Return whether runs of this slot must be continued."""
        return bool(self.lost or self.handled or self.proved)

    @property
    def cannot_prove(self) -> bool:
        """Return whether the runs that wait for a proof must be given back."""
        return self._expired_proofs >= MAX_EXPIRED_PROOFS

    def step(self) -> None:
        """Roll back lost runs; then call `commit` of proved runs, or handle new ones."""
        self._roll_back_lost()
        if self.proved:
            self._commit()
        elif not self.handled:
            self._handle()
        if not self.has_work:
            self.batch = None

    def _handle(self) -> None:
        self._proof_limit = None
        self._expired_proofs = 0
        started_at = monotonic()
        while not self._is_interrupted() and (run := self._in_flight.take(self)) is not None:
            with LogContext("run", **run.log_fields):
                self._handle_one(run)
            longest = STEP_SECONDS if run.has_commit else STEP_SECONDS_WITHOUT_COMMIT
            if monotonic() - started_at >= longest:
                return

    def _handle_one(self, run: StreamRun) -> None:
        result: Completion | Failure | None
        self._enter(run)
        try:
            result = run.handle()
            if result is None and not run.has_commit:
                result = run.completion(run.commit())
        except BaseException as error:
            if affects_all(error):
                raise
            result = run.unexpected_failure(error)
        finally:
            self._leave(run)
        hit(Failpoint.HANDLED)
        if result is not None:
            self.finished.append(Finished(result, monotonic(), run, self))
        elif self._in_flight.await_proof(run, self):
            self.handled.append(run)
            self.interrupted = run if self._stop.is_set() else None
        else:
            self.lost.append(run)  # timed out, or given back

    def _commit(self) -> None:
        started_at = monotonic()
        unproved: list[StreamRun] = []
        committed = 0
        while self.proved:
            run = self.proved[0]
            if self._stop.is_set() and run is not self.interrupted:
                break  # it is given back
            if boottime() - self.proof_sent_at > run.lease_seconds / 4:
                break
            self.proved.popleft()
            if not self._in_flight.begin_commit(run.claim):
                (unproved if self._in_flight.holds(run.claim) else self.lost).append(run)
                continue
            with LogContext("commit", **run.log_fields):
                self._commit_one(run)
            committed += 1
            hit(Failpoint.HANDLERS_COMMITTED)
            if monotonic() - started_at >= STEP_SECONDS:
                break
        if committed:
            self._expired_proofs = 0
        elif unproved or self.proved:
            self._expired_proofs += 1
        self.handled = [*unproved, *self.proved, *self.handled]
        self.proved.clear()
        self._proof_limit = 2 * committed + 1
        self._roll_back_lost()

    def _commit_one(self, run: StreamRun) -> None:
        self._enter(run)
        try:
            commit_error = run.commit()
        finally:
            self._leave(run)
        self.finished.append(Finished(run.completion(commit_error), monotonic(), run, self))

    def _roll_back_lost(self) -> None:
        while self.lost:
            run = self.lost.popleft()
            self._enter(run)
            try:
                run.rollback()
            finally:
                self._leave(run)

    def _enter(self, run: StreamRun) -> None:
        """Set the time limit, so that handlers may run until they count as hanging."""
        self.calls = HandlerCalls(run, monotonic(), run.handler_seconds)
        self._set_time_limit(max(0.0, run.hung_after_seconds - run.handler_seconds))

    def _leave(self, run: StreamRun) -> None:
        calls, self.calls = self.calls, None
        if calls is not None:
            run.handler_seconds = calls.seconds()
        self._set_time_limit(None)

    def abandon(self) -> None:
        """Roll back all runs that have not begun to commit, because the worker ends by an error."""
        self.lost.extend((*self.handled, *self.proved))
        self.handled, self.batch = [], None
        self.proved.clear()
        self.finished.clear()
        self._roll_back_lost()

    def next_to_prove(self) -> list[StreamRun]:
        """Return the first of the handled runs: twice as many as the last step has committed."""
        return self.handled[: self._proof_limit]

    def take_proof(self, runs: Sequence[StreamRun], valid: set[int], sent_at: float) -> None:
        """Continue with those of `runs` whose stream ids are `valid`; the others are lost."""
        self.proof_sent_at = sent_at
        for run in runs:
            (self.proved if run.claim.stream_id in valid else self.lost).append(run)
        del self.handled[: len(runs)]


class SlotThread:
    """A thread that runs the steps of one slot."""

    def __init__(self, name: str, slot: Slot, on_step: Callable[[SlotThread], None]) -> None:
        self.slot = slot
        self.error: BaseException | None = None
        """Exception that ended the last step."""
        self.is_idle = True
        self.step_seconds = 0.0
        """Duration of the last step."""
        self._on_step = on_step
        self._steps: SimpleQueue[bool] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def start_step(self) -> None:
        """Let the thread do a step. Then it calls `on_step`."""
        self.is_idle = False
        self._steps.put(True)

    def end(self) -> None:
        """End the thread after its step. It then rolls back the runs that it has left."""
        self._steps.put(False)

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended, at most for this time."""
        self._thread.join(seconds)

    def _run(self) -> None:
        while self._steps.get():
            started_at = monotonic()
            try:
                self.slot.step()
            except BaseException as error:  # noqa: BLE001 - raised in the worker's thread
                self.error = error
            self.step_seconds = monotonic() - started_at
            self._on_step(self)
        self.slot.abandon()
