"""The worker: claims ready streams, runs their pipelines, delivers effects, does maintenance."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from winchester_core.clock import monotonic
from winchester_core.delivery import DeliveryPool
from winchester_core.errors import StorageError
from winchester_core.failpoints import Failpoint, hit
from winchester_core.model.stream import CLAIM_REASONS, Reason
from winchester_core.retry import SERVER_ERRORS, Backoff, OutageState
from winchester_core.storage.debug_flusher import DebugFlusher
from winchester_core.storage.records import TriggerScope
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.telemetry.metrics import LabelValues
from winchester_core.telemetry.watchdog import Watchdog
from winchester_core.triggers.matcher import TriggerSet
from winchester_core.worker.claimer import Claimer
from winchester_core.worker.executor import Executor
from winchester_core.worker.maintenance import (
    StreamRecalculator,
    Trimmer,
    Upkeep,
    mark_overdue_effects_dead,
)
from winchester_core.worker.rescue import Rescuer
from winchester_core.worker.trials import Trials
from winchester_core.worker.unknown_triggers import UnknownTriggers
from winchester_core.worker.wakeup import POLL_SECONDS, Wakeup, idle_seconds
from winchester_core.worker.worker_id import make_worker_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime

    from winchester_core.clock import StreamClock
    from winchester_core.storage.interface import Store
    from winchester_core.storage.records import Backlog, Claim
    from winchester_core.telemetry.metrics import Sample
    from winchester_core.worker.claimer import Queue
    from winchester_core.worker.options import WorkerConfiguration

logger = logging.getLogger(__name__)

MAX_BUSY_SECONDS = 1.0
"""Time for which threads are served, at most, before upkeep and the queues are checked again."""


class Worker:
    """A worker. Not thread-safe, except for methods that are documented as thread-safe."""

    def __init__(
        self,
        *,
        store: Store,
        stream_clock: StreamClock,
        configuration: WorkerConfiguration,
        name: str | None = None,
        counters: Counters | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        self.store = store
        self.name = make_worker_id(name)
        self.counters = counters or Counters()
        self._clock = stream_clock
        options = configuration.options
        self.debug = DebugFlusher(store, options.statistics_period_seconds)
        self._configuration = configuration
        self._new_configuration: WorkerConfiguration | None = None
        self._configuration_lock = threading.RLock()  # a signal handler may call `reload`
        self._stop = threading.Event()
        self._wakeup = Wakeup(self._stop)
        self._outage = OutageState("database", self.counters)
        self._delivery_pool = DeliveryPool(
            store=store,
            pipelines=configuration.pipelines.values(),
            worker_id=self.name,
            options=options,
            counters=self.counters,
            outage=self._outage,
            stop=self._stop,
        )
        watchdog = watchdog or Watchdog()
        self._deadline = watchdog.deadline("worker")
        self._rescuer = Rescuer(
            store=store,
            worker_id=self.name,
            counters=self.counters,
            outage=self._outage,
            deadline=self._deadline,
            stop=self._stop,
        )
        self._create_services(configuration)
        self._executor = Executor(
            store=store,
            clock=stream_clock,
            configuration=configuration,
            triggers=self._triggers,
            counters=self.counters,
            outage=self._outage,
            stop=self._stop,
            is_interrupted=self._is_interrupted,
            on_effects=self._delivery_pool.wake,
            deadline=self._deadline,
            slot_deadlines=watchdog.group("handlers"),
            wake=self._wakeup.event,
        )
        self._may_have_unknown_claims = False
        self._has_rescued_predecessors = False
        self._trials = Trials(self._claim_trial, self._process, self._is_interrupted)
        self._statistics_at = monotonic()

    # --- running --------------------------------------------------------------------------

    def run(self) -> None:
        """Process streams until `stop`. Wait while idle or while the database is unavailable."""
        with self.store.listen(self._wakeup.notify):
            self._run(until_idle=False)

    def run_until_idle(self) -> None:
        """Process streams until none is ready, claimed by any worker, or waiting for a retry.

        Also finish trimming, and deliver the effects of this worker's handlers (but no other
        effects).
        """
        self._run(until_idle=True)

    def run_once(self) -> int:
        """Rescue, fire, expire, trim, and deliver one batch of effects per handler.

        Streams to be tried alone run one after the other, for at most half a lease.

        Everything runs in the calling thread. Return the number of claimed streams.
        """
        claimed, _ = self._round()
        self._delivery_pool.deliver_once()
        return claimed

    def reload(self, configuration: WorkerConfiguration) -> None:
        """Replace the configuration, and recalculate open streams.

        Any thread may call it. A run or delivery in progress finishes with the old configuration;
        pending claims are released.
        """
        self.change_configuration(lambda _: configuration)

    def change_configuration(
        self, change: Callable[[WorkerConfiguration], WorkerConfiguration]
    ) -> None:
        """Reload with `change` applied to the latest configuration. Any thread may call it."""
        with self._configuration_lock:
            self._new_configuration = change(self._new_configuration or self._configuration)
        self._wakeup.event.set()

    def process_ready_streams(self, batch_size: int, expire: bool = False) -> int:
        """Claim and process up to `batch_size` streams that are ready to fire (or to expire).

        Return the number claimed.
        """
        if self._stop.is_set():
            return 0
        reason = Reason.EXPIRE if expire else Reason.FIRE
        return self._process_ready(reason, self._clock.now(), batch_size)

    def fire_stream(self, stream_id: int) -> bool:
        """Fire one stream, even if it is not due. Return whether it is completed.

        Return False if its state does not allow it, or if the run has failed and will be retried.

        Raises `UnknownStream`.
        """
        return self._process_one(stream_id, Reason.FIRE)

    def expire_stream(self, stream_id: int) -> bool:
        """Expire one stream, even if it is not due. Return whether it is completed.

        Raises `UnknownStream`.
        """
        return self._process_one(stream_id, Reason.EXPIRE)

    def process_trim_events(self) -> int:
        """Delete one batch of old events, if trimming is configured; return their number."""
        return self._trimmer.batch()

    def current_time(self) -> datetime | None:
        """Return stream time, aware UTC, or None if the event clock is not set yet."""
        return self._clock.now()

    @property
    def label_values(self) -> LabelValues:
        """Configured names, for the labels of metrics."""
        return LabelValues(
            triggers=self._triggers.by_name.keys(),
            pipelines=self._configuration.pipelines.keys(),
            endpoints=self._delivery_pool.endpoints,
        )

    def collect_metrics(self) -> Iterator[Sample]:
        """Yield the metrics of threads and claims. Any thread may call it."""
        return self._executor.collect_metrics()

    def stop(self) -> None:
        """Finish the run and the deliveries in progress, release pending claims, and return.

        Any thread and any signal handler may call it.
        """
        self._stop.set()
        self._wakeup.event.set()
        self._delivery_pool.wake_all()

    def release_all(self) -> None:
        """Release all claims, including runs and deliveries in progress, before the process exits.

        Any thread may call it, even while a handler hangs. The run can then no longer commit.
        """
        self._executor.release_all()
        self._delivery_pool.expire_leases()

    def close(self) -> None:
        """Store the debug counts and close the store. Idempotent."""
        self.debug.close()
        self.store.close()

    # --- internals ------------------------------------------------------------------------

    def _apply_reload(self) -> None:
        with self._configuration_lock:
            configuration = self._new_configuration
            if configuration is None:
                return
            self._configuration = configuration
        self._delivery_pool.reload(configuration.pipelines.values(), configuration.options)
        self._create_services(configuration)
        try:
            self._executor.configure(configuration, self._triggers)
            self._executor.release_pending()
        finally:  # only now may runs start again
            with self._configuration_lock:
                if self._new_configuration is configuration:
                    self._new_configuration = None

    def _create_services(self, configuration: WorkerConfiguration) -> None:
        """Create the services that depend on the configuration."""
        store, options, counters = self.store, configuration.options, self.counters
        self._triggers = TriggerSet(configuration.definitions, self.debug.counts)
        self._scope = TriggerScope(frozenset(self._triggers.by_name))
        self._unknown_triggers = UnknownTriggers(store, self._scope, options.lease)
        self._claimer = Claimer(store, self.name, self._triggers.by_name, options, self._scope)
        self._trimmer = Trimmer(store, self._clock, options, counters, self._stop)
        self._recalculator = StreamRecalculator(store, self._triggers, counters, self._deadline)
        self._upkeep = Upkeep(store, self._triggers, options, self._deadline, self._stop)

    def _is_interrupted(self) -> bool:
        """Return whether no further run may start, because of a stop or a reload."""
        return self._stop.is_set() or self._new_configuration is not None

    def _process_ready(self, reason: Reason, now: datetime | None, limit: int) -> int:
        """Claim streams and process them, or let the threads process them, if there are any."""
        if self._stop.is_set():
            return 0
        self._apply_reload()
        with self._tracking_unknown_claims():
            blocked = self._executor.blocked_pipelines()
            if blocked is None:
                return 0  # other workers can run the streams
            held = self._executor.claims_in_flight()
            claims = self._claimer.claim_ready(reason, now, limit, held, blocked)
            if self._executor.has_threads:
                self._count_claims(claims)
                self._executor.add(claims)
            else:
                self._process(claims)
        return len(claims)

    def _process_one(self, stream_id: int, reason: Reason) -> bool:
        self._apply_reload()
        with self._tracking_unknown_claims():
            claim = self._claimer.claim_one(stream_id, reason)
            return stream_id in self._process([claim] if claim else [])

    def _claim_trial(self) -> Claim | None:
        can_run_alone = self._executor.settle() and self._executor.blocked_pipelines() is not None
        return self._claimer.claim_trial() if can_run_alone else None

    @contextmanager
    def _tracking_unknown_claims(self) -> Iterator[None]:
        """Record a database failure while claims are made, processed or released.

        If the connection breaks during the commit of a claim, this worker may have claims that it
        does not know.
        """
        try:
            yield
        except StorageError:
            self._may_have_unknown_claims = True
            raise

    def _release_unknown_claims(self) -> None:
        if self._may_have_unknown_claims:
            held = {claim.stream_id for claim in self._executor.claims_in_flight()}
            self.counters.add(Count.STREAMS_RELEASED, self.store.release_all(self.name, held))
            self._may_have_unknown_claims = False

    def _process(self, claims: Sequence[Claim]) -> Collection[int]:
        """Process the claims; return the ids of the completed streams."""
        self._count_claims(claims)
        return self._executor.process(claims) if claims else ()

    def _count_claims(self, claims: Sequence[Claim]) -> None:
        if claims:
            hit(Failpoint.CLAIMED)
            self.counters.add(Count.STREAMS_CLAIMED, len(claims))

    def _recalculate(self) -> None:
        """Recalculate open streams if due and if stream time is known."""
        now = self._clock.now() if self._recalculator.is_due() else None
        if now is not None:
            self._recalculator.round(now)

    def _round(self) -> tuple[int, Backlog]:
        """Do all work that is due. Return the number of claimed streams, and the backlog before.

        The query of the backlog decides which further queries are needed. An idle worker needs no
        others.
        """
        self._apply_reload()
        options = self._configuration.options
        self._release_unknown_claims()
        if not self._has_rescued_predecessors:
            self._rescuer.rescue_from_predecessors(options)
            self._has_rescued_predecessors = True
        self._recalculate()
        now = self._clock.now()
        backlog = self.store.backlog(now, self._scope)
        if backlog.lease_expired:
            self._rescuer.rescue_expired(options)
        claimed = 0
        if (backlog.has_trials or backlog.lease_expired) and self._trials.is_due(
            others_ready=backlog.ready > 0 or self._executor.is_busy
        ):
            with self._tracking_unknown_claims():
                claimed = self._trials.run(options.lease) if self._executor.settle() else 0
        if backlog.ready or backlog.lease_expired or backlog.may_be_due(now):
            with self._trials.measuring_others():
                claimed += sum(
                    self._process_ready(reason, now, options.batch_size) for reason in CLAIM_REASONS
                )
        if self._scope.skipped:
            self._unknown_triggers.review()
        if (backlog.oldest_effect_seconds or 0) > options.outbox_max_age.total_seconds():
            mark_overdue_effects_dead(
                self.store, options.outbox_max_age, self.counters, self._deadline, self._stop
            )
        self._upkeep.round(now)
        self._trimmer.round()
        return claimed, backlog

    def _run(self, *, until_idle: bool) -> None:
        with self._delivery_pool, self._executor.threads():
            self._run_rounds(until_idle=until_idle)

    def _run_rounds(self, *, until_idle: bool) -> None:
        backoff = Backoff(self._stop)
        while not self._stop.is_set():
            self._deadline.extend()
            self._delivery_pool.check()
            try:
                claimed, backlog = self._round()
                self._outage.record_success()
                backoff.reset()
                self._log_statistics()
                self.debug.flush_if_due()
                if self._executor.is_busy:
                    self._advance(backlog, claimed)
                elif not claimed and not self._wait(backlog, until_idle=until_idle):
                    return
            except SERVER_ERRORS as error:
                self._outage.record_failure(error)
                backoff.wait()

    def _advance(self, backlog: Backlog, claimed: int) -> None:
        """Serve the threads until there may be streams to claim, or upkeep to do."""
        before = frozenset() if claimed else self._low_queues()

        def is_done() -> bool:
            if self._wakeup.take_news() or self._is_interrupted():
                return True
            return not self._low_queues() <= before

        longest = min(self._configuration.options.idle_delay_seconds, MAX_BUSY_SECONDS)
        seconds = idle_seconds(backlog, self._clock, longest, is_busy=True)
        with self._tracking_unknown_claims():
            self._executor.advance(seconds, is_done)

    def _low_queues(self) -> frozenset[Queue]:
        """Return of which streams more should be claimed."""
        blocked = self._executor.blocked_pipelines()
        if blocked is None:
            return frozenset()
        return self._claimer.low(self._executor.claims_in_flight(), blocked)

    def _wait(self, backlog: Backlog, *, until_idle: bool) -> bool:
        """Wait until there may be work. Return False if the worker must end (stopped, or idle)."""
        if self._trimmer.has_more or (
            self._recalculator.has_more and self._clock.now() is not None
        ):
            return not self._stop.is_set()
        if until_idle and backlog.is_idle:
            if self._claimer.clear_floors():  # check again for streams that were committed late
                return not self._stop.is_set()
            return self._wait_for_effects()
        if backlog.ready:
            self._claimer.recheck()
        if until_idle:
            self._unknown_triggers.find()  # it must not wait for their streams
        is_blocked = self._executor.blocked_pipelines() is None
        longest = self._configuration.options.idle_delay_seconds
        seconds = idle_seconds(
            backlog, self._clock, longest, until_idle=until_idle, is_busy=is_blocked
        )
        self._deadline.extend(seconds)
        self._wakeup.sleep(seconds)
        return not self._stop.is_set()

    def _wait_for_effects(self) -> bool:
        if not self._delivery_pool.has_pending():
            self._unknown_triggers.report_left()
            return False
        self._delivery_pool.wait_for_idle(POLL_SECONDS)
        return True

    def _log_statistics(self) -> None:
        period_seconds = self._configuration.options.statistics_period_seconds
        if monotonic() - self._statistics_at >= period_seconds:
            self._statistics_at = monotonic()
            counts = self.counters.snapshot()
            text = " ".join(f"{name}={number}" for name, number in sorted(counts.items()))
            logger.info("statistics: %s", text or "nothing yet")
