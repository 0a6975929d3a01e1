"""Executes the pipelines of claimed streams in execution slots.

A worker has one slot, whose steps are taken by the worker's thread, or several, each with a thread
of its own. The worker's thread loads events, proves leases and stores results for all slots, so
that the number of database connections does not depend on the number of slots.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from winchester_core.clock import monotonic
from winchester_core.pipelines import NOT_CAUGHT
from winchester_core.retry import SERVER_ERRORS
from winchester_core.storage.paging import MEMORY_BATCH_EVENTS
from winchester_core.telemetry.metrics import Sample, catalogue
from winchester_core.worker.in_flight import InFlight
from winchester_core.worker.lease_proof import LeaseProver
from winchester_core.worker.lease_renewer import LeaseRenewer, release_in_flight
from winchester_core.worker.results import Results
from winchester_core.worker.run_loader import RunLoader
from winchester_core.worker.slot import Slot, SlotThread

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from winchester_core.clock import StreamClock
    from winchester_core.model.effect import Endpoint
    from winchester_core.retry import OutageState
    from winchester_core.storage.interface import WorkStore
    from winchester_core.storage.records import Claim
    from winchester_core.telemetry.counters import Counters
    from winchester_core.telemetry.watchdog import Deadline, DeadlineGroup
    from winchester_core.triggers.matcher import TriggerSet
    from winchester_core.worker.options import WorkerConfiguration

MAX_DEFER_SECONDS: Final = 1.0
"""Maximum time for which the completion of a run is deferred to share a transaction."""

MAX_DEFERRED: Final = 1_000

MAX_ROLLBACK_SECONDS: Final = 5.0
"""Maximum time for rollbacks in threads when the worker ends, for example by an interrupt."""

MAX_LINGER_SECONDS: Final = 0.01
LINGER_SHARE: Final = 0.05
"""Time to wait for other slots after a step, as a share of its duration. Slots that are served
together also end their next steps together, and so share their transactions from then on."""


class Executor:
    """Executes claims. The worker's thread calls all methods that are not documented otherwise."""

    def __init__(
        self,
        *,
        store: WorkStore,
        clock: StreamClock,
        configuration: WorkerConfiguration,
        triggers: TriggerSet,
        counters: Counters,
        outage: OutageState,
        stop: threading.Event,
        is_interrupted: Callable[[], bool],
        on_effects: Callable[[Collection[Endpoint]], None],
        deadline: Deadline,
        slot_deadlines: DeadlineGroup,
        wake: threading.Event,
    ) -> None:
        self._store = store
        self._counters = counters
        self._outage = outage
        self._stop = stop
        self._is_interrupted = is_interrupted
        self._deadline = deadline
        self._slot_deadlines = slot_deadlines
        self._wake = wake
        self._in_flight = InFlight()
        self._results = Results(
            store=store,
            clock=clock,
            options=configuration.options,
            counters=counters,
            outage=outage,
            in_flight=self._in_flight,
            stop=stop,
            on_effects=on_effects,
            extend_deadline=deadline.extend,
        )
        self._renewer = LeaseRenewer(store, self._in_flight, self._results, counters, outage)
        self._prover = LeaseProver(store, self._in_flight, self._results, self._renewer, stop)
        self._inline_slot = Slot(self._in_flight, stop, is_interrupted, self._limit_inline_time)
        self._in_flight.slots = (self._inline_slot,)
        self._threads: list[SlotThread] = []
        self._stepped: SimpleQueue[SlotThread] = SimpleQueue()
        self._loader = RunLoader(store, self._in_flight, self._results, counters)
        self.configure(configuration, triggers)

    def configure(self, configuration: WorkerConfiguration, triggers: TriggerSet) -> None:
        """Use this configuration for runs that have not been loaded."""
        self._options = configuration.options
        self._loader.configure(configuration, triggers)
        self._results.options = configuration.options
        self._in_flight.pipeline_of = self._loader.pipeline_of
        shared = {
            name: 1
            for name, pipeline in configuration.pipelines.items()
            if any(handler.is_shared for handler in pipeline.handlers)
        }
        limits = configuration.options.pipeline_concurrency
        self._in_flight.limit_pipelines({**limits, **shared})

    # --- in the calling thread --------------------------------------------------------------

    def process(self, claims: Sequence[Claim]) -> Collection[int]:
        """Execute the claims; return the ids of the completed streams.

        After an interruption, claims that have not begun are released. If slots have threads, these
        execute the claims, and the method returns when all have ended, or the calls of handlers
        that are left have outlasted a lease.
        """
        self._results.completed_ids = set()
        self._results.own()
        self._in_flight.add(claims)
        if self._threads:
            self._wait_for(claims)
        else:
            self._process_inline()
        return self._results.completed_ids

    def _process_inline(self) -> None:
        try:
            with self._renewer:
                while self._step_inline():
                    pass
            if self._results.has_unstored:  # the renewer has failed to store them
                self._store_finished(())
            self._renewer.release_pending()
        except NOT_CAUGHT:
            self._store_finished([self._inline_slot])
            raise
        finally:
            self._clear()
            self._inline_slot.abandon()

    def _step_inline(self) -> bool:
        """Load claims or do a step, and store results. Return False if nothing is left to do."""
        slot = self._inline_slot
        if not slot.has_work:
            is_interrupted = self._is_interrupted()
            if is_interrupted or not self._in_flight.takeable:
                self._store_finished([slot])
                if is_interrupted or not self._loader.load_next():
                    return slot.has_work
                return True
        slot.step()
        if slot.handled:
            self._serve([slot])
        elif self._is_store_due(slot):
            self._store_finished([slot])
        return True

    def _is_store_due(self, slot: Slot) -> bool:
        """Return whether results must be stored: at once after a `commit`, others deferred."""
        if (ends := slot.oldest_and_newest_result()) is None:
            return False
        oldest, newest = ends
        return (
            newest.has_commit
            or len(slot.finished) >= MAX_DEFERRED
            or monotonic() - oldest.at >= MAX_DEFER_SECONDS
        )

    def _limit_inline_time(self, seconds: float | None) -> None:
        if seconds is None:
            self._deadline.extend()
        else:
            self._deadline.set(seconds)

    # --- the database work of slots -----------------------------------------------------------

    def _serve(self, slots: Sequence[Slot]) -> None:
        """Store the results of these slots, which are between steps, and prove their leases."""
        self._store_finished(slots)
        self._prover.prove(slots)

    def _store_finished(self, slots: Iterable[Slot]) -> None:
        without_run, self._loader.without_run = self._loader.without_run, []
        self._results.store(
            [*without_run, *(each for slot in slots for each in slot.take_finished())]
        )

    # --- in threads -------------------------------------------------------------------------

    @contextmanager
    def threads(self) -> Iterator[None]:
        """Within the context, execute claims in as many threads as `concurrency` says, if over 1.

        On exit, release the claims that have not begun, and wait until the threads have finished
        their runs. On an exception, wait at most `MAX_ROLLBACK_SECONDS` until they are rolled back.
        """
        number = self._options.concurrency
        if number == 1:
            yield
            return
        self._results.own()
        self._start_threads(number)
        try:
            with self._renewer:
                yield
                self._settle_at_end()
        finally:
            threads, self._threads = self._threads, []
            for thread in threads:
                thread.end()
            self._slot_deadlines.clear()
            self._clear()
            self._in_flight.slots = (self._inline_slot,)
            self._wait_for_rollbacks(threads)

    def _wait_for_rollbacks(self, threads: Sequence[SlotThread]) -> None:
        """Wait until ended threads have rolled back their runs, unless their handlers hang."""
        end = monotonic() + MAX_ROLLBACK_SECONDS
        lease_seconds = self._options.lease.total_seconds()
        for thread in threads:
            calls = thread.slot.calls
            hangs = calls is not None and (calls.is_hung or calls.current_seconds() > lease_seconds)
            if not hangs:
                thread.join(max(0.0, end - monotonic()))

    def _clear(self) -> None:
        self._in_flight.clear()
        self._results.discard_unstored()
        self._loader.without_run.clear()

    def _settle_at_end(self) -> None:
        """Release the claims that have not begun; wait for the other runs, also in an outage."""
        with self._recording_outage():
            self._renewer.release_pending()
        while self._has_unfinished and (self._stop.is_set() or not self._is_stuck()):
            with self._recording_outage():
                self.advance(MAX_DEFER_SECONDS, lambda: False)

    @contextmanager
    def _recording_outage(self) -> Iterator[None]:
        try:
            yield
        except SERVER_ERRORS as error:
            self._outage.record_failure(error)  # the leases will expire

    def _start_threads(self, number: int) -> None:
        slots = tuple(
            Slot(self._in_flight, self._stop, self._is_interrupted, self._slot_deadlines.member())
            for _ in range(number)
        )
        self._in_flight.slots = slots
        stepped = self._stepped = SimpleQueue()  # without earlier threads that have hung

        def report_step(thread: SlotThread) -> None:
            stepped.put(thread)
            self._wake.set()

        self._threads = [
            SlotThread(f"run-{index}", slot, report_step)
            for index, slot in enumerate(slots, start=1)
        ]

    @property
    def has_threads(self) -> bool:
        """Return whether claims are executed in threads."""
        return bool(self._threads)

    @property
    def is_busy(self) -> bool:
        """Return whether threads have claims to execute."""
        return bool(self._threads) and self._has_unfinished

    def blocked_pipelines(self) -> frozenset[str] | None:
        """Return the pipelines of which no stream should be claimed (None: of all).

        The calls of handlers in all threads that they may use have outlasted a lease.
        """
        return self._in_flight.blocked_pipelines(self._options.lease.total_seconds())

    def claims_in_flight(self) -> list[Claim]:
        """Return all held claims."""
        return self._in_flight.renewable()

    def add(self, claims: Sequence[Claim]) -> None:
        """Let the threads execute these claims, while `advance` is called."""
        self._results.completed_ids.clear()
        self._in_flight.add(claims)

    def advance(self, seconds: float, is_done: Callable[[], bool]) -> None:
        """Serve the threads for at most `seconds`, until `is_done` or all claims have ended."""
        end = monotonic() + seconds
        while True:
            self._deadline.extend()
            self._start_steps()
            remaining = end - monotonic()
            if remaining <= 0 or is_done() or not self._has_unfinished:
                return
            self._wake.wait(min(remaining, MAX_DEFER_SECONDS))
            self._wake.clear()
            self._serve_threads()

    @property
    def _has_unfinished(self) -> bool:
        if self._in_flight.pending or self._loader.without_run or self._results.has_unstored:
            return True
        return any(map(self._is_unfinished, self._threads))

    def _is_unfinished(self, thread: SlotThread) -> bool:
        """Return whether a thread has runs. One that hangs in a run that has ended has none."""
        if thread.is_idle:
            return thread.slot.has_work
        calls = thread.slot.calls
        return calls is None or not calls.is_hung or self._in_flight.holds(calls.run.claim)

    def _start_steps(self) -> None:
        """Start the next steps of idle slots, and load claims if the slots may run out of them."""
        takeable = self._start_idle()
        while (
            not self._is_interrupted()
            and takeable < len(self._threads)
            and self._in_flight.ready_events < MEMORY_BATCH_EVENTS
            and self._loader.load_next()
        ):
            takeable = self._start_idle()
        if self._loader.without_run or self._results.has_unstored:
            self._store_finished(())

    def _start_idle(self) -> int:
        """Start the steps of idle slots that have work or could; return how many others could."""
        takeable = 0 if self._is_interrupted() else self._in_flight.takeable
        for thread in self._threads:
            if thread.is_idle and (thread.slot.has_work or takeable > 0):
                takeable -= not thread.slot.has_work
                thread.start_step()
        return takeable

    def _serve_threads(self) -> None:
        """Serve the slots that have ended a step or are about to end one."""
        stepped = self._take_stepped()
        if not stepped:
            return
        longest = max(thread.step_seconds for thread in stepped)
        end = monotonic() + min(MAX_LINGER_SECONDS, LINGER_SHARE * longest)
        while (left := end - monotonic()) > 0 and any(not each.is_idle for each in self._threads):
            self._wake.wait(left)
            self._wake.clear()
            stepped += self._take_stepped()
        errors = [thread.error for thread in stepped if thread.error is not None]
        if errors:
            self._store_finished([thread.slot for thread in self._threads])
            raise errors[0]
        self._serve([thread.slot for thread in stepped])

    def _take_stepped(self) -> list[SlotThread]:
        stepped = []
        with suppress(Empty):
            while True:
                thread = self._stepped.get_nowait()
                thread.is_idle = True
                stepped.append(thread)
        return stepped

    def settle(self) -> bool:
        """Release the claims that have not begun; wait until a stream can be run alone.

        Runs in calls of handlers that have outlasted a lease are not waited for. Return False, at
        once, if the claim of a run in other calls has ended (it is past its timeout).
        """
        if self._has_ended_run_in_handlers:
            return False
        self._renewer.release_pending()
        while self._has_unfinished and not self._is_stuck():
            self.advance(MAX_DEFER_SECONDS, self._is_interrupted)
            if self._is_interrupted():
                return False
        return not self._has_ended_run_in_handlers

    @property
    def _has_ended_run_in_handlers(self) -> bool:
        lease_seconds = self._options.lease.total_seconds()
        return any(
            not thread.is_idle
            and not self._is_unfinished(thread)
            and not thread.slot.has_outlasted(lease_seconds)
            for thread in self._threads
        )

    def _is_stuck(self) -> bool:
        """Return whether all slots that have runs are in calls that have outlasted a lease."""
        lease_seconds = self._options.lease.total_seconds()
        busy = [thread for thread in self._threads if self._is_unfinished(thread)]
        return bool(busy) and all(thread.slot.has_outlasted(lease_seconds) for thread in busy)

    def _wait_for(self, claims: Sequence[Claim]) -> None:
        def have_ended() -> bool:
            return not any(map(self._in_flight.holds, claims))

        while self._has_unfinished and not have_ended():
            if self._is_interrupted():
                self._renewer.release_pending()
            if self._is_stuck() and not self._in_flight.pending:
                return
            self.advance(MAX_DEFER_SECONDS, have_ended)

    def release_pending(self) -> None:
        """Release the claims that have not begun."""
        self._renewer.release_pending()

    # --- any thread -------------------------------------------------------------------------

    def release_all(self) -> None:
        """Release all claims at a forced shutdown. Any thread may call it."""
        release_in_flight(self._store, self._in_flight, self._counters)

    def collect_metrics(self) -> Iterator[Sample]:
        """Yield the metrics of threads and claims. Any thread may call it."""
        slots = self._in_flight.slots
        yield Sample(catalogue.WORKER_THREADS, len(slots))
        yield Sample(catalogue.WORKER_THREADS_BUSY, sum(slot.calls is not None for slot in slots))
        yield Sample(catalogue.WORKER_CLAIMS, len(self._in_flight.renewable()))
