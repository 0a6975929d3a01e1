"""Stores the results of runs: completions, many in one transaction, and failures.

The worker's thread stores them after each step of a slot. If a handler does not return, the results
of the runs before it are stored by the thread that renews the leases.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from typing import TYPE_CHECKING, TypeVar

from winchester_core.errors import DatabaseUnavailable, DataRefused
from winchester_core.failpoints import Failpoint, hit
from winchester_core.model.stream import Reason, StreamState
from winchester_core.pipelines import clean_traceback, describe_error, error_text
from winchester_core.retry import retry_until_stopped
from winchester_core.storage.records import Completion
from winchester_core.telemetry.counters import Count
from winchester_core.telemetry.log_context import LogContext
from winchester_core.worker.slot import affects_all
from winchester_core.worker.slot_state import take_all
from winchester_core.worker.stream_run import count_failure, make_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from winchester_core.clock import StreamClock
    from winchester_core.model.effect import Endpoint
    from winchester_core.retry import OutageState
    from winchester_core.storage.interface import WorkStore
    from winchester_core.storage.records import Claim, CompletionResult, Failure
    from winchester_core.telemetry.counters import Counters
    from winchester_core.worker.in_flight import InFlight
    from winchester_core.worker.options import WorkerOptions
    from winchester_core.worker.slot_state import Finished

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class Results:
    """Stores results. Safe to share between threads."""

    def __init__(
        self,
        *,
        store: WorkStore,
        clock: StreamClock,
        options: WorkerOptions,
        counters: Counters,
        outage: OutageState,
        in_flight: InFlight,
        stop: threading.Event,
        on_effects: Callable[[Collection[Endpoint]], None],
        extend_deadline: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self.options = options
        self._counters = counters
        self._outage = outage
        self._in_flight = in_flight
        self._stop = stop
        self._on_effects = on_effects
        self._extend_deadline = extend_deadline
        self._owner: int | None = None
        self._unstored: deque[Finished] = deque()
        self.completed_ids: set[int] = set()
        """Ids of the streams that have been completed since the set was last cleared."""

    def own(self) -> None:
        """Extend the deadline, from now on, only in the calling thread, whose deadline it is."""
        self._owner = threading.get_ident()

    def store(self, finished: Iterable[Finished]) -> None:
        """Store results: failures one by one, then all completions in one transaction.

        Raises exceptions that affect all claims. Then the results of claims that are still held are
        stored by the next call.
        """
        finished = [*take_all(self._unstored), *finished]
        try:
            self._store_each(finished)
        except BaseException:
            held = (each for each in finished if self._in_flight.holds(each.result.claim))
            self._unstored.extend(held)
            raise

    @property
    def has_unstored(self) -> bool:
        """Return whether results must be stored again."""
        return bool(self._unstored)

    def discard_unstored(self) -> None:
        """Discard the results that could not be stored, because their claims are not held."""
        self._unstored.clear()

    def _store_each(self, finished: Sequence[Finished]) -> None:
        completed, ended = [], []
        for each in finished:
            if not isinstance(each.result, Completion):
                self.fail(each.result)
            elif self._in_flight.holds(each.result.claim):
                completed.append((each, each.result))
            else:  # e.g. timed out: this worker may have claimed and completed the stream again
                ended.append((each, each.result))
        for together in (completed, *([each] for each in ended)):
            if together:
                with LogContext("complete", isolated=True, streams=len(together)):
                    self._complete(together)

    def _complete(self, finished: Sequence[tuple[Finished, Completion]]) -> None:
        completions = [completion for _, completion in finished]
        outcome = CommitOutcome()
        try:
            completed = self.retry(lambda: outcome.track(lambda: self._store_all(completions)))
        except DataRefused as refusal:
            reason = f"the database refuses the data of the run: {refusal}"
            self._complete_individually(finished, reason)
            return
        except BaseException as error:
            if affects_all(error):
                if outcome.is_unknown:
                    for completion in completions:
                        self._report_unknown_completion(completion.claim)
                raise
            self._complete_individually(finished, clean_traceback(error))
            return
        if completed is None:
            return  # database unavailable at shutdown: the leases will expire
        hit(Failpoint.COMPLETED)
        self.completed_ids |= completed.stream_ids
        self._in_flight.remove([completion.claim for completion in completions])
        self._count(completions, completed)
        self._report_effects(completions, completed)
        for each, completion in finished:
            if completion.claim.stream_id not in completed.stream_ids:
                if outcome.is_unknown:
                    self._report_unknown_completion(completion.claim)
                    continue
                self.report_lost_lease(completion.claim)
                _roll_back(each)

    def _store_all(self, completions: Sequence[Completion]) -> CompletionResult:
        return self._store.complete(completions, self._clock.completion_policy())

    def _complete_individually(
        self, finished: Sequence[tuple[Finished, Completion]], reason: str
    ) -> None:
        """Complete the runs one by one. If a run cannot be completed, it fails.

        If its handlers have committed, it is neither rolled back nor retried.
        """
        if len(finished) > 1:
            for one in finished:
                self._complete([one])
            return
        each, completion = finished[0]
        logger.error(
            "completion refused: stream=%d trigger=%s error=%s",
            completion.claim.stream_id,
            completion.claim.name,
            reason,
        )
        if each.has_commit:  # a repetition would commit again
            text = error_text(f"the run was committed, but it cannot be completed: {reason}")
            self.fail(make_failure(completion.claim, text, self.options, final=True))
        else:
            self.fail(make_failure(completion.claim, error_text(reason), self.options))
            _roll_back(each)

    def fail(self, failure: Failure) -> None:
        """Store a failure. Raises exceptions that affect all claims."""
        outcome = CommitOutcome()
        try:
            result = self.retry(lambda: outcome.track(lambda: self._store_failure(failure)))
        except BaseException as error:
            if affects_all(error):
                raise
            self._in_flight.remove([failure.claim])
            logger.error(
                "failure not stored, the lease will expire: stream=%d trigger=%s error=%s",
                failure.claim.stream_id,
                failure.claim.name,
                describe_error(error),
            )
            return
        self._in_flight.remove([failure.claim])
        if result is None:
            return  # database unavailable at shutdown: the lease will expire
        (state,) = result
        if state is None and outcome.is_unknown:
            self._report_unknown_completion(failure.claim)
        elif state is None:
            self.report_lost_lease(failure.claim)
        else:
            count_failure(self._counters, failure.claim, state)

    def _store_failure(self, failure: Failure) -> tuple[StreamState | None]:
        return (self._store.fail(failure, self.options.max_attempts),)

    def report_lost_lease(self, claim: Claim) -> None:
        """Log and count a claim that has become invalid."""
        self._in_flight.remove([claim])
        self._counters.add(Count.LEASES_LOST)
        logger.warning("lease lost: stream=%d trigger=%s", claim.stream_id, claim.name)

    def _report_unknown_completion(self, claim: Claim) -> None:
        """Report a claim that no longer exists after the connection broke during completion.

        Either that transaction was committed, or another worker has claimed the stream. The stream
        is completed once in both cases. A rollback would be unsafe, because the commit may have
        succeeded.
        """
        self._in_flight.remove([claim])
        self._counters.add(Count.COMPLETIONS_UNKNOWN)
        logger.warning(
            "completion unknown, connection lost during commit: stream=%d trigger=%s",
            claim.stream_id,
            claim.name,
        )

    def retry(self, action: Callable[[], Result]) -> Result | None:
        """Retry `action` while the database is unavailable or busy; first renew all leases.

        Return None if the worker stops meanwhile.
        """
        is_repeated = False

        def attempt() -> Result:
            nonlocal is_repeated
            if threading.get_ident() == self._owner:
                self._extend_deadline()
            if self._outage.is_active or is_repeated:  # the renewer may be waiting here too
                self._store.renew(self._in_flight.renewable(), self.options.lease)
            is_repeated = True
            return action()

        return retry_until_stopped(self._outage, self._stop, attempt)

    def _count(self, completions: Sequence[Completion], completed: CompletionResult) -> None:
        outcomes = Counter(
            (_completion_count(each.claim), each.claim.name)
            for each in completions
            if each.claim.stream_id in completed.stream_ids
        )
        for (count, trigger), number in outcomes.items():
            self._counters.add(count, number, label=trigger)
        self._counters.add_ingest(completed)
        for event in completed.new_events:
            self._counters.add(Count.EVENTS_CREATED, label=event["event_type"])

    def _report_effects(
        self, completions: Sequence[Completion], completed: CompletionResult
    ) -> None:
        recorded = [
            effect
            for completion in completions
            if completion.claim.stream_id in completed.stream_ids
            for effect in completion.effects
        ]
        self._counters.add(Count.EFFECTS_RECORDED, len(recorded))
        if self.options.discard_reason is not None:
            self._counters.add(Count.EFFECTS_DISCARDED, len(recorded))
            return
        self._on_effects({effect.endpoint for effect in recorded})


def _roll_back(finished: Finished) -> None:
    """Let the slot roll back the run, unless its handlers have committed."""
    run, slot = finished.run, finished.slot
    if run is not None and slot is not None and not run.has_commit:
        slot.lost.append(run)


_COMPLETION_COUNTS = {
    Reason.FIRE: Count.STREAMS_FIRED,
    Reason.EXPIRE: Count.STREAMS_EXPIRED,
    Reason.CANCEL: Count.STREAMS_CANCELLED,
}


def _completion_count(claim: Claim) -> Count:
    return Count.STREAMS_SUPPRESSED if claim.is_suppressed else _COMPLETION_COUNTS[claim.reason]


class CommitOutcome:
    """Tracks whether an attempt of a transaction may have been committed despite its error."""

    def __init__(self) -> None:
        self.is_unknown = False

    def track(self, action: Callable[[], Result]) -> Result:
        """Call `action`. If the connection is lost, record that the outcome is unknown."""
        try:
            return action()
        except DatabaseUnavailable:
            self.is_unknown = True
            raise
