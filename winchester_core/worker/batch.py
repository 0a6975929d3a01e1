"""Runs the pipelines of a batch of claimed streams, and completes the streams.

If a pipeline has no handler with a `commit`, its streams are completed together in one transaction.
Otherwise each stream is completed in a separate transaction, right after the `commit` of its
handlers.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Protocol, TypeVar

from winchester_core.clock import monotonic
from winchester_core.errors import ClockError, DatabaseUnavailable, DataRefused, StorageError
from winchester_core.failpoints import Failpoint, hit
from winchester_core.model.stream import Reason, StreamState
from winchester_core.pipelines import NOT_CAUGHT, clean_traceback, describe_error, error_text
from winchester_core.retry import retry_until_stopped
from winchester_core.storage.records import Completion
from winchester_core.telemetry.counters import Count
from winchester_core.telemetry.log_context import LogContext
from winchester_core.worker.stream_run import (
    NoPipelineRequired,
    PipelineFound,
    PipelineMissing,
    StreamRun,
    count_failure,
    make_failure,
    route,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from winchester_core.clock import StreamClock
    from winchester_core.model.effect import Endpoint
    from winchester_core.pipelines import PipelineDefinition
    from winchester_core.retry import OutageState
    from winchester_core.storage.interface import Members, Store
    from winchester_core.storage.records import Claim, CompletionResult, Failure
    from winchester_core.telemetry.counters import Counters
    from winchester_core.telemetry.watchdog import Deadline
    from winchester_core.triggers.matcher import TriggerSet
    from winchester_core.worker.claims_in_flight import InFlightClaims
    from winchester_core.worker.options import WorkerOptions

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class HasEventCount(Protocol):
    """A stream, or a claim on a stream."""

    @property
    def event_count(self) -> int:
        """Number of events in the stream."""


Counted = TypeVar("Counted", bound=HasEventCount)

PROPAGATED = (StorageError, ClockError, SystemExit, *NOT_CAUGHT)
"""Exceptions outside handlers that affect all claims, except `DataRefused`."""


def affects_all(error: BaseException) -> bool:
    """Return whether an exception outside handlers affects all claims, not only its stream."""
    return isinstance(error, PROPAGATED) and not isinstance(error, DataRefused)


MEMORY_BATCH_EVENTS = 10_000
MEMORY_BATCH_STREAMS = 1_000

MAX_DEFER_SECONDS = 1.0
"""Maximum time for which the completion of a run is deferred to share a transaction."""


class ClaimBatch:
    """Processing of one batch of claims."""

    def __init__(
        self,
        *,
        store: Store,
        clock: StreamClock,
        triggers: TriggerSet,
        pipelines: Mapping[str, PipelineDefinition],
        options: WorkerOptions,
        counters: Counters,
        outage: OutageState,
        in_flight: InFlightClaims,
        stop: threading.Event,
        is_interrupted: Callable[[], bool],
        on_effects: Callable[[Collection[Endpoint]], None],
        deadline: Deadline,
    ) -> None:
        self._store = store
        self._clock = clock
        self._triggers = triggers
        self._pipelines = pipelines
        self._options = options
        self._counters = counters
        self._outage = outage
        self._in_flight = in_flight
        self._stop = stop
        self._is_interrupted = is_interrupted
        self._on_effects = on_effects
        self._deadline = deadline
        self._deferred: list[tuple[StreamRun | None, Completion]] = []
        self._deferred_since = 0.0
        self.completed_ids: set[int] = set()
        """Ids of the streams that have been completed so far."""

    def process(self, claims: Sequence[Claim]) -> None:
        """Process the claims in order; after an interruption, the rest stay in `in_flight`."""
        for batch in memory_batches(claims):
            is_complete = self._process_batch(batch)
            self._flush()
            if not is_complete:
                return

    def _process_batch(self, claims: Sequence[Claim]) -> bool:
        """Load and process the claims, one by one if loading fails. Return False if interrupted."""
        if self._is_interrupted():
            return False
        try:
            members = self._load(claims)
        except BaseException as error:
            if affects_all(error):
                raise
            if len(claims) > 1:
                return all(self._process_batch([claim]) for claim in claims)
            if self._in_flight.start(claims[0]):
                self._fail_unexpectedly(claims[0], error)
                self._in_flight.finish_run()
            return True
        if members is None:
            return False
        hit(Failpoint.EVENTS_LOADED)
        for claim in claims:
            if self._is_interrupted():
                break
            if self._in_flight.start(claim):
                self._process_one(claim, members)
                self._in_flight.finish_run()
                self._flush_if_due()
        return True

    def _load(self, claims: Sequence[Claim]) -> Members | None:
        stream_ids = [claim.stream_id for claim in claims]
        return self._retry(lambda: self._store.members_of(stream_ids))

    def _process_one(self, claim: Claim, members: Members) -> None:
        try:
            self._route(claim, members)
        except BaseException as error:
            if affects_all(error):
                raise
            self._fail_unexpectedly(claim, error)

    def _route(self, claim: Claim, members: Members) -> None:
        match route(claim, self._triggers, self._pipelines):
            case NoPipelineRequired():
                self._defer_completion(None, Completion(claim, purge=self._options.purge_completed))
            case PipelineMissing(reason=reason):
                logger.error(
                    "pipeline missing: stream=%d trigger=%s error=%s",
                    claim.stream_id,
                    claim.name,
                    reason,
                )
                self._fail(make_failure(claim, reason, self._options, final=True))
            case PipelineFound() as found:
                with LogContext("run", **found.log_fields):
                    run = StreamRun(found, self._triggers, self._options, self._counters)
                    self._run(run, members)

    def _run(self, run: StreamRun, members: Members) -> None:
        self._in_flight.set_run(run)
        self._enter_handlers()
        failure = run.handle(members.take(run.claim.stream_id))
        self._leave_handlers()
        hit(Failpoint.HANDLED)
        if failure is not None:
            self._fail(failure)
        elif run.has_commit:
            self._flush()
            self._commit_and_complete(run)
        else:
            self._defer_completion(run, run.completion(run.commit()))

    def _commit_and_complete(self, run: StreamRun) -> None:
        if not self._verify_lease(run):
            run.rollback()
            return
        hit(Failpoint.LEASE_VERIFIED)
        if not self._in_flight.start_commit(run.claim):
            run.rollback()  # timeout or forced shutdown: the claim has ended
            return
        self._enter_handlers()
        commit_error = run.commit()
        self._leave_handlers()
        hit(Failpoint.HANDLERS_COMMITTED)
        with LogContext("complete", streams=1):
            self._complete([(run, run.completion(commit_error))])

    def _enter_handlers(self) -> None:
        """Set the watchdog's deadline, so that handlers may run until they count as hanging."""
        limit = self._options.hung_after_seconds
        self._deadline.set(max(0.0, limit - self._in_flight.handler_seconds()))
        self._in_flight.enter_handlers()

    def _leave_handlers(self) -> None:
        self._in_flight.leave_handlers()
        self._deadline.extend()

    def _verify_lease(self, run: StreamRun) -> bool:
        """Renew the lease. Return False if it is lost or cannot be verified before a stop.

        Waits while the database is unavailable, because no other worker can claim the stream then.
        """
        try:
            renewed = self._retry(lambda: self._store.renew([run.claim], self._options.lease))
        except BaseException:
            run.rollback()
            raise
        if renewed == []:
            self._report_lost_lease(run.claim)
        return bool(renewed)

    def _defer_completion(self, run: StreamRun | None, completion: Completion) -> None:
        if not self._deferred:
            self._deferred_since = monotonic()
        self._deferred.append((run, completion))

    def _flush_if_due(self) -> None:
        """Complete deferred runs, so that slow handlers do not delay them for long."""
        if self._deferred and monotonic() - self._deferred_since >= MAX_DEFER_SECONDS:
            self._flush()

    def _flush(self) -> None:
        deferred, self._deferred = self._deferred, []
        if deferred:
            with LogContext("complete", isolated=True, streams=len(deferred)):
                self._complete(deferred)

    def _complete(self, finished: Sequence[tuple[StreamRun | None, Completion]]) -> None:
        completions = [completion for _, completion in finished]
        outcome = CommitOutcome()
        try:
            completed = self._retry(lambda: outcome.track(lambda: self._store_all(completions)))
        except DataRefused as refusal:
            reason = f"the database refuses the data of the run: {refusal}"
            self._complete_individually(finished, reason)
            return
        except BaseException as error:
            if affects_all(error):
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
        for run, completion in finished:
            if completion.claim.stream_id not in completed.stream_ids:
                if outcome.is_unknown:
                    self._report_unknown_completion(completion.claim)
                    continue
                self._report_lost_lease(completion.claim)
                if run is not None and not run.has_commit:
                    run.rollback()  # nothing was committed, so it can be undone

    def _store_all(self, completions: Sequence[Completion]) -> CompletionResult:
        return self._store.complete(completions, self._clock.completion_policy())

    def _complete_individually(
        self, finished: Sequence[tuple[StreamRun | None, Completion]], reason: str
    ) -> None:
        """Complete the runs one by one. If a run cannot be completed, it fails.

        If its handlers have committed, it is neither rolled back nor retried.
        """
        if len(finished) > 1:
            for one in finished:
                self._complete([one])
            return
        run, completion = finished[0]
        logger.error(
            "completion refused: stream=%d trigger=%s error=%s",
            completion.claim.stream_id,
            completion.claim.name,
            reason,
        )
        if run is None:
            self._fail(make_failure(completion.claim, reason, self._options))
        elif run.has_commit:  # a repetition would commit again
            text = error_text(f"the handlers have committed, but the run is not stored: {reason}")
            self._fail(make_failure(completion.claim, text, self._options, final=True))
        else:
            self._fail(run.failure(reason))

    def _fail(self, failure: Failure) -> None:
        outcome = CommitOutcome()
        try:
            result = self._retry(lambda: outcome.track(lambda: self._store_failure(failure)))
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
            return
        if state is None:
            self._report_lost_lease(failure.claim)
            return
        count_failure(self._counters, state)

    def _fail_unexpectedly(self, claim: Claim, error: BaseException) -> None:
        """Fail the stream after an exception that neither a handler nor the database has raised."""
        logger.error(
            "run failed: stream=%d trigger=%s attempt=%d error=%s",
            claim.stream_id,
            claim.name,
            claim.attempt,
            describe_error(error),
        )
        self._fail(make_failure(claim, clean_traceback(error), self._options))

    def _store_failure(self, failure: Failure) -> tuple[StreamState | None]:
        return (self._store.fail(failure, self._options.max_attempts),)

    def _report_lost_lease(self, claim: Claim) -> None:
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

    def _retry(self, action: Callable[[], Result]) -> Result | None:
        """Retry `action` while the database is unavailable, then first renew all leases."""

        def attempt() -> Result:
            if self._outage.is_active:
                self._store.renew(self._in_flight.renewable(), self._options.lease)
            return action()

        return retry_until_stopped(self._outage, self._stop, self._deadline.extend_before(attempt))

    def _count(self, completions: Sequence[Completion], completed: CompletionResult) -> None:
        outcomes = Counter(
            _completion_count(each.claim)
            for each in completions
            if each.claim.stream_id in completed.stream_ids
        )
        for count, number in outcomes.items():
            self._counters.add(count, number)
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
        if self._options.discard_reason is not None:
            self._counters.add(Count.EFFECTS_DISCARDED, len(recorded))
            return
        self._on_effects({effect.endpoint for effect in recorded})


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


def memory_batches(streams: Iterable[Counted]) -> Iterator[list[Counted]]:
    """Divide streams into batches with events that fit in memory. A stream is never split."""
    batch: list[Counted] = []
    events = 0
    for stream in streams:
        full = (
            events + stream.event_count > MEMORY_BATCH_EVENTS or len(batch) == MEMORY_BATCH_STREAMS
        )
        if batch and full:
            yield batch
            batch, events = [], 0
        batch.append(stream)
        events += stream.event_count
    if batch:
        yield batch
