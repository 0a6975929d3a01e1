"""Takes a batch of claimed streams through their pipelines and completes them.

Streams whose pipelines have no `commit` of their own are completed many at a time, in one
transaction; each of the others by itself, right after its handlers' `commit`.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Protocol, TypeVar

from winchester_core.clock import monotonic
from winchester_core.errors import DatabaseUnavailable, DataRefused, StorageError
from winchester_core.model.stream import Reason, StreamState
from winchester_core.storage.records import Completion
from winchester_core.telemetry.counters import Count
from winchester_core.telemetry.failpoints import Failpoint, hit
from winchester_core.telemetry.log_context import LogContext
from winchester_core.telemetry.retry import retry_until_stopped
from winchester_core.worker.stream_run import (
    NoPipelineRequired,
    PipelineFound,
    PipelineMissing,
    StreamRun,
    make_failure,
    route,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from winchester_core.model.effect import Endpoint
    from winchester_core.pipelines import PipelineDefinition
    from winchester_core.storage.interface import Members, Store
    from winchester_core.storage.records import Claim, CompletionResult, Failure
    from winchester_core.storage.stream_clock import StreamClock
    from winchester_core.telemetry.counters import Counters
    from winchester_core.telemetry.retry import OutageState
    from winchester_core.telemetry.watchdog import Deadline
    from winchester_core.triggers.matcher import TriggerSet
    from winchester_core.worker.in_flight import InFlightClaims
    from winchester_core.worker.options import WorkerOptions

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class HasEventCount(Protocol):
    """A stream, or a claim to one."""

    @property
    def event_count(self) -> int:
        """How many events the stream holds."""


Counted = TypeVar("Counted", bound=HasEventCount)

MEMORY_BATCH_EVENTS = 10_000
MEMORY_BATCH_STREAMS = 1_000

MAX_DEFER_SECONDS = 1.0
"""How long a run that has succeeded may wait for others to be completed with it."""


class ClaimBatch:
    """One batch of claims on its way through the pipelines."""

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
        hand: InFlightClaims,
        stop: threading.Event,
        is_cut_short: Callable[[], bool],
        on_effects: Callable[[Collection[Endpoint]], None],
        pulse: Deadline,
    ) -> None:
        self._store = store
        self._clock = clock
        self._triggers = triggers
        self._pipelines = pipelines
        self._options = options
        self._counters = counters
        self._outage = outage
        self._hand = hand
        self._stop = stop
        self._is_cut_short = is_cut_short
        self._on_effects = on_effects
        self._pulse = pulse
        self._waiting: list[tuple[StreamRun | None, Completion]] = []
        self._waiting_since = 0.0

    def process(self, claims: Sequence[Claim]) -> None:
        """Work on the claims in order; when cut short, those not begun stay in the hand."""
        for portion in memory_batches(claims):
            members = None if self._is_cut_short() else self._load(portion)
            if members is None:
                return
            hit(Failpoint.EVENTS_LOADED)
            for claim in portion:
                if self._is_cut_short():
                    break
                if self._hand.begin(claim):
                    self._process_one(claim, members)
                    self._hand.end_run()
                    self._flush_when_long()
            self._flush()

    def _load(self, claims: Sequence[Claim]) -> Members | None:
        stream_ids = [claim.stream_id for claim in claims]
        return self._patiently(lambda: self._store.members_of(stream_ids))

    def _process_one(self, claim: Claim, members: Members) -> None:
        match route(claim, self._triggers, self._pipelines):
            case NoPipelineRequired():
                self._put_by(None, Completion(claim, purge=self._options.purge_completed))
            case PipelineMissing(reason=reason):
                logger.error("stream %d of trigger %s: %s", claim.stream_id, claim.name, reason)
                self._fail(make_failure(claim, reason, self._options, final=True))
            case PipelineFound() as work:
                with LogContext("run", **work.facts):
                    run = StreamRun(work, self._triggers, self._options, self._counters)
                    self._run(run, members)

    def _run(self, run: StreamRun, members: Members) -> None:
        self._hand.follow(run)
        self._begin_handlers()
        failure = run.handle(members.take(run.claim.stream_id))
        self._pulse.beat()
        hit(Failpoint.HANDLED)
        if failure is not None:
            self._fail(failure)
        elif run.has_commit:
            self._flush()
            self._commit_and_complete(run)
        else:
            self._put_by(run, run.completion(run.commit()))

    def _commit_and_complete(self, run: StreamRun) -> None:
        if not self._holds(run):
            run.rollback()
            return
        hit(Failpoint.LEASE_PROVED)
        if not self._hand.begin_commit(run.claim):
            run.rollback()  # the process ends, another worker has the stream
            return
        self._begin_handlers()
        fault = run.commit()
        self._pulse.beat()
        hit(Failpoint.HANDLERS_COMMITTED)
        with LogContext("complete", streams=1):
            self._complete([(run, run.completion(fault))])

    def _begin_handlers(self) -> None:
        """A handler may take its time, up to the pipeline's timeout: that is no hanging worker."""
        timeout = self._options.pipeline_timeout_seconds
        self._pulse.begin(
            None if timeout is None else max(0.0, timeout - self._hand.current_seconds())
        )

    def _holds(self, run: StreamRun) -> bool:
        """Prove the lease and renew it; False when it is lost, or cannot be proved before a stop.

        A database that is away is waited for: nobody can take the stream meanwhile.
        """
        try:
            held = self._patiently(lambda: self._store.renew([run.claim], self._options.lease))
        except StorageError:
            run.rollback()
            raise
        if held == 0:
            self._lost(run.claim)
        return bool(held)

    def _put_by(self, run: StreamRun | None, completion: Completion) -> None:
        if not self._waiting:
            self._waiting_since = monotonic()
        self._waiting.append((run, completion))

    def _flush_when_long(self) -> None:
        """Slow handlers must not keep back what others before them have done."""
        if self._waiting and monotonic() - self._waiting_since >= MAX_DEFER_SECONDS:
            self._flush()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            with LogContext("complete", apart=True, streams=len(waiting)):
                self._complete(waiting)

    def _complete(self, finished: Sequence[tuple[StreamRun | None, Completion]]) -> None:
        completions = [completion for _, completion in finished]
        doubt = CommitOutcome()
        try:
            completed = self._patiently(lambda: doubt.of(lambda: self._store_all(completions)))
        except DataRefused as refusal:
            self._complete_apart(finished, refusal)
            return
        if completed is None:
            return  # the database is away and we are told to stop: the leases will run out
        hit(Failpoint.COMPLETED)
        self._hand.drop([completion.claim for completion in completions])
        self._count(completions, completed)
        self._tell_of_effects(completions, completed)
        for run, completion in finished:
            if completion.claim.stream_id not in completed.stream_ids:
                if doubt.arose:
                    self._in_doubt(completion.claim)
                    continue
                self._lost(completion.claim)
                if run is not None and not run.has_commit:
                    run.rollback()  # nothing was committed, so that it can be undone

    def _store_all(self, completions: Sequence[Completion]) -> CompletionResult:
        return self._store.complete(completions, self._clock.completion_policy())

    def _complete_apart(
        self, finished: Sequence[tuple[StreamRun | None, Completion]], refusal: DataRefused
    ) -> None:
        """Find the run whose new events the database refuses; that one fails."""
        if len(finished) > 1:
            for one in finished:
                self._complete([one])
            return
        run, completion = finished[0]
        reason = f"the database refuses what the run made: {refusal}"
        logger.error("stream %d: %s", completion.claim.stream_id, reason)
        if run is not None:
            self._fail(run.failure(reason))
        else:
            self._fail(make_failure(completion.claim, reason, self._options))

    def _fail(self, failure: Failure) -> None:
        doubt = CommitOutcome()
        answer = self._patiently(lambda: doubt.of(lambda: self._store_failure(failure)))
        self._hand.drop([failure.claim])
        if answer is None:
            return  # the database is away and we are told to stop: the lease will run out
        (state,) = answer
        if state is None and doubt.arose:
            self._in_doubt(failure.claim)
            return
        if state is None:
            self._lost(failure.claim)
            return
        self._counters.add(Count.STREAMS_FAILED)
        if state in (StreamState.ERROR, StreamState.EXPIRE_ERROR):
            self._counters.add(Count.STREAMS_IN_ERROR)

    def _store_failure(self, failure: Failure) -> tuple[StreamState | None]:
        return (self._store.fail(failure, self._options.max_attempts),)

    def _lost(self, claim: Claim) -> None:
        self._hand.drop([claim])
        self._counters.add(Count.LEASES_LOST)
        logger.warning(
            "stream %d of trigger %s: the lease was lost, another worker goes on with it",
            claim.stream_id,
            claim.name,
        )

    def _in_doubt(self, claim: Claim) -> None:
        """The connection broke while the end of a run was being stored, and the claim is gone.

        Either that transaction was committed, or another worker took the stream meanwhile. The
        stream is completed once in both cases, but nothing may be undone: it may have been done.
        """
        self._hand.drop([claim])
        self._counters.add(Count.COMPLETIONS_UNKNOWN)
        logger.warning(
            "stream %d of trigger %s: the connection broke while the end of its run was being "
            "stored; it was stored then, or another worker goes on with the stream",
            claim.stream_id,
            claim.name,
        )

    def _patiently(self, action: Callable[[], Result]) -> Result | None:
        return retry_until_stopped(self._outage, self._stop, self._pulse.beating(action))

    def _count(self, completions: Sequence[Completion], completed: CompletionResult) -> None:
        reasons = Counter(
            each.claim.reason
            for each in completions
            if each.claim.stream_id in completed.stream_ids
        )
        self._counters.add(Count.STREAMS_FIRED, reasons[Reason.FIRE])
        self._counters.add(Count.STREAMS_EXPIRED, reasons[Reason.EXPIRE])
        self._counters.add(Count.STREAMS_OPENED, completed.streams_opened)
        for event in completed.new_events:
            self._counters.add(Count.EVENTS_CREATED, label=event["event_type"])

    def _tell_of_effects(
        self, completions: Sequence[Completion], completed: CompletionResult
    ) -> None:
        recorded = [
            effect
            for completion in completions
            if completion.claim.stream_id in completed.stream_ids
            for effect in completion.effects
        ]
        self._counters.add(Count.EFFECTS_RECORDED, len(recorded))
        self._on_effects({effect.endpoint for effect in recorded})


class CommitOutcome:
    """Whether a try of a transaction ended so that it may have been committed."""

    def __init__(self) -> None:
        self.arose = False

    def of(self, action: Callable[[], Result]) -> Result:
        """Do it, and remember a connection that broke."""
        try:
            return action()
        except DatabaseUnavailable:
            self.arose = True
            raise


def memory_batches(streams: Iterable[Counted]) -> Iterator[list[Counted]]:
    """Divide streams so that the events of each portion fit in memory; one is never cut."""
    portion: list[Counted] = []
    events = 0
    for stream in streams:
        full = (
            events + stream.event_count > MEMORY_BATCH_EVENTS
            or len(portion) == MEMORY_BATCH_STREAMS
        )
        if portion and full:
            yield portion
            portion, events = [], 0
        portion.append(stream)
        events += stream.event_count
    if portion:
        yield portion
