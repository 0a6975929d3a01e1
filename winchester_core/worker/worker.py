"""The worker: finds streams that are ready, and takes them through their pipelines."""

from __future__ import annotations

import logging
import random
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from winchester_core.clock import monotonic
from winchester_core.delivery import DeliveryPool
from winchester_core.errors import StorageError
from winchester_core.model.stream import Reason
from winchester_core.storage.debug_flusher import DebugFlusher
from winchester_core.storage.stream_clock import ClockKind
from winchester_core.telemetry import log_context
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.telemetry.failpoints import Failpoint, hit
from winchester_core.telemetry.metrics import LabelValues
from winchester_core.telemetry.retry import (
    DATABASE_AND_CLOCK,
    TRANSIENT_ERRORS,
    Backoff,
    OutageState,
)
from winchester_core.telemetry.watchdog import Watchdog
from winchester_core.triggers.matcher import TriggerSet
from winchester_core.worker.batch import ClaimBatch
from winchester_core.worker.in_flight import InFlightClaims, LeaseRenewer, release_in_flight
from winchester_core.worker.maintenance import (
    StreamRecalculator,
    Trimmer,
    mark_overdue_effects_dead,
    rescue,
)
from winchester_core.worker.options import WorkerConfiguration, WorkerOptions, make_worker_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from winchester_core.pipelines import PipelineDefinition
    from winchester_core.storage.interface import Store
    from winchester_core.storage.records import Backlog, Claim
    from winchester_core.storage.stream_clock import StreamClock
    from winchester_core.triggers.definition import TriggerDefinition

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.2
"""How often the end of other workers' runs is looked for, while waiting until idle."""

RECHECK_SECONDS = 0.05
"""How soon to look again for streams that are ready and that others are at, or have locked."""

WAKEUP_JITTER_SECONDS = 0.005
"""Over how long the idle workers spread that one call wakes: the first may take everything."""


class Worker:
    """One worker. Its methods are for one thread; `stop` may be called from any, and in signals."""

    def __init__(
        self,
        *,
        store: Store,
        stream_clock: StreamClock,
        definitions: Iterable[TriggerDefinition],
        pipelines: Mapping[str, PipelineDefinition],
        options: WorkerOptions,
        name: str | None = None,
        counters: Counters | None = None,
        heartbeat: Watchdog | None = None,
    ) -> None:
        self.store = store
        self.name = make_worker_id(name)
        self.counters = counters or Counters()
        self._clock = stream_clock
        self.debug = DebugFlusher(store, options.statistics_period_seconds)
        self._rules = WorkerConfiguration(
            TriggerSet(definitions, self.debug.counts), pipelines, options
        )
        self._next_rules: WorkerConfiguration | None = None
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._hand = InFlightClaims()
        self._outage = OutageState(DATABASE_AND_CLOCK, self.counters)
        self._couriers = DeliveryPool(
            store=store,
            pipelines=pipelines.values(),
            worker=self.name,
            options=options,
            counters=self.counters,
            outage=self._outage,
            stop=self._stop,
        )
        self._pulse = (heartbeat or Watchdog()).pulse("the worker")
        self._set_out(self._rules)
        self._may_hold_more = False
        self._statistics_at = monotonic()

    # --- working --------------------------------------------------------------------------

    def run(self) -> None:
        """Work until `stop`; wait while there is nothing to do or the database is away."""
        with self.store.listen(self._wake.set):
            self._work(until_idle=False)

    def run_until_idle(self) -> None:
        """Work until nothing is ready, in any worker's hands, to be trimmed, or to be retried.

        Effects that no handler of this worker delivers are not waited for.
        """
        self._work(until_idle=True)

    def run_once(self) -> int:
        """One round: rescue, fire, expire, trim, and deliver one batch of effects of each handler.

        All of it in this thread. Returns how many streams it loaded.
        """
        loaded, _ = self._round()
        self._couriers.deliver_once()
        return loaded

    def change(
        self,
        *,
        definitions: Iterable[TriggerDefinition],
        pipelines: Mapping[str, PipelineDefinition],
        options: WorkerOptions,
    ) -> None:
        """Go by these from the next run on, and bring open streams up to date.

        May be called from any thread, while the worker works: the run in hand and deliveries in
        hand end as they began, streams that are claimed and not begun are given back.
        """
        triggers = TriggerSet(definitions, self.debug.counts)
        self._next_rules = WorkerConfiguration(triggers, pipelines, options)
        self._wake.set()

    def process_ready_streams(self, batch_size: int, expire: bool = False) -> int:
        """Claim up to `batch_size` streams that are ready to fire, or to expire, and process them.

        Returns how many it loaded.
        """
        if self._stop.is_set():
            return 0
        reason = Reason.EXPIRE if expire else Reason.FIRE
        return self._process_ready(reason, self._clock.now(), batch_size)

    def fire_stream(self, stream_id: int) -> bool:
        """Fire one stream, whatever its time; False when its state does not allow it.

        Raises `UnknownStream`.
        """
        return self._process_one(stream_id, Reason.FIRE)

    def expire_stream(self, stream_id: int) -> bool:
        """Expire one stream, whatever its time; False when its state does not allow it.

        Raises `UnknownStream`.
        """
        return self._process_one(stream_id, Reason.EXPIRE)

    def process_trim_events(self) -> int:
        """Remove one batch of old events, when that is configured; return how many."""
        return self._trimmer.batch()

    def current_time(self) -> datetime | None:
        """Stream time, aware UTC; None while the event clock has never been set."""
        return self._clock.now()

    @property
    def names(self) -> LabelValues:
        """The names that metrics may have as labels."""
        return LabelValues(
            triggers=self._rules.triggers.by_name.keys(),
            pipelines=self._rules.pipelines.keys(),
            endpoints=self._couriers.endpoints,
        )

    def stop(self) -> None:
        """Finish the run and the deliveries in hand, give back what has not been begun, return."""
        self._stop.set()
        self._wake.set()
        self._couriers.wake_all()

    def surrender(self) -> None:
        """Give back everything, runs and deliveries in hand too: the process ends right afterwards.

        May be called from any thread, while a handler hangs; its run commits nothing any more.
        """
        release_in_flight(self.store, self._hand, self.counters)
        self._couriers.surrender()

    def close(self) -> None:
        """Let go of the database, once the debug counts are in it. Idempotent."""
        self.debug.close()
        self.store.close()

    # --- within ---------------------------------------------------------------------------

    def _take_up_change(self) -> None:
        rules, self._next_rules = self._next_rules, None
        if rules is not None:
            self._rules = rules
            self._couriers.change(rules.pipelines.values(), rules.options)
            self._set_out(rules)

    def _set_out(self, rules: WorkerConfiguration) -> None:
        """Make what goes by the rules."""
        store, options, counters = self.store, rules.options, self.counters
        self._keeper = LeaseRenewer(store, self._hand, options, counters, self._outage)
        self._trimmer = Trimmer(store, self._clock, options, counters, self._stop)
        self._refresher = StreamRecalculator(store, rules.triggers, counters, self._pulse)

    def _is_cut_short(self) -> bool:
        """Whether no other run is to be begun: told to stop, or to go by other rules."""
        return self._stop.is_set() or self._next_rules is not None

    def _process_ready(self, reason: Reason, now: datetime | None, limit: int) -> int:
        if self._stop.is_set():
            return 0
        self._take_up_change()
        lease, since = self._rules.options.lease, log_context.span_start_time()
        with self._knowing_its_claims():
            claims = self.store.claim_ready(
                worker=self.name, reason=reason, now=now, limit=limit, lease=lease
            )
            if claims:
                log_context.record_span("claim", since, reason=reason.value, streams=len(claims))
            self._process(claims)
        return len(claims)

    def _process_one(self, stream_id: int, reason: Reason) -> bool:
        self._take_up_change()
        with self._knowing_its_claims():
            claim = self.store.claim_one(
                stream_id=stream_id,
                worker=self.name,
                reason=reason,
                lease=self._rules.options.lease,
            )
            self._process([claim] if claim else [])
        return claim is not None

    @contextmanager
    def _knowing_its_claims(self) -> Iterator[None]:
        """Remember when the database fails in the middle of claiming, processing or releasing.

        The connection may have broken in the very commit of a claim: then this worker holds
        streams that it does not know of.
        """
        try:
            yield
        except StorageError:
            self._may_hold_more = True
            raise

    def _release_unknown(self) -> None:
        """Give back, once the database is there again, what this worker holds without knowing."""
        if self._may_hold_more:
            self.counters.add(Count.STREAMS_RELEASED, self.store.release_all(self.name))
            self._may_hold_more = False

    def _process(self, claims: list[Claim]) -> None:
        if not claims:
            return
        hit(Failpoint.CLAIMED)
        self.counters.add(Count.STREAMS_CLAIMED, len(claims))
        self._hand.take(claims)
        batch = ClaimBatch(
            store=self.store,
            clock=self._clock,
            triggers=self._rules.triggers,
            pipelines=self._rules.pipelines,
            options=self._rules.options,
            counters=self.counters,
            outage=self._outage,
            hand=self._hand,
            stop=self._stop,
            is_cut_short=self._is_cut_short,
            on_effects=self._couriers.wake,
            pulse=self._pulse,
        )
        try:
            with self._keeper:
                batch.process(claims)
            self._keeper.release_waiting()
        finally:
            self._hand.forget()

    def _refresh(self) -> None:
        """Bring open streams up to date, as soon as there is a stream time."""
        now = self._clock.now() if self._refresher.is_due() else None
        if now is not None:
            self._refresher.round(now)

    def _round(self) -> tuple[int, Backlog]:
        """Do what there is to do; return how many streams were loaded, and what was waiting.

        One look tells what there is, so that a worker that is idle asks the database no more.
        """
        self._take_up_change()
        options = self._rules.options
        self._release_unknown()
        self._refresh()
        now = self._clock.now()
        waiting = self.store.backlog(now)
        if waiting.lease_expired:
            rescue(self.store, options.max_attempts, self.counters, self._pulse)
        loaded = 0
        if waiting.ready or waiting.lease_expired or waiting.may_be_due(now):
            loaded = sum(self._process_ready(reason, now, options.batch_size) for reason in Reason)
        if (waiting.oldest_effect_seconds or 0) > options.outbox_max_age.total_seconds():
            mark_overdue_effects_dead(self.store, options.outbox_max_age, self.counters)
        self._trimmer.round()
        return loaded, waiting

    def _work(self, *, until_idle: bool) -> None:
        with self._couriers:
            self._work_beside_couriers(until_idle=until_idle)

    def _work_beside_couriers(self, *, until_idle: bool) -> None:
        backoff = Backoff(self._stop)
        while not self._stop.is_set():
            self._pulse.beat()
            self._couriers.check()
            try:
                loaded, waiting = self._round()
                self._outage.over()
                backoff.start_anew()
                self._log_statistics()
                if not loaded and not self._wait(waiting, until_idle=until_idle):
                    return
            except TRANSIENT_ERRORS as error:
                self._outage.noticed(error)
                backoff.wait()

    def _wait(self, backlog: Backlog, *, until_idle: bool) -> bool:
        """Wait until there may be work again; False when that is not wanted or told to stop."""
        if self._trimmer.has_more or (self._refresher.has_more and self._clock.now() is not None):
            return not self._stop.is_set()
        if until_idle and backlog.is_idle:
            return self._wait_for_effects()
        self._sleep(self._idle_seconds(backlog, until_idle=until_idle))
        return not self._stop.is_set()

    def _sleep(self, seconds: float) -> None:
        """Sleep until `stop`, or until told that there may be work."""
        self._pulse.beat(seconds)
        if self._wake.wait(seconds):
            self._stop.wait(random.uniform(0, WAKEUP_JITTER_SECONDS))  # noqa: S311 - no secret
            self._wake.clear()

    def _wait_for_effects(self) -> bool:
        if not self._couriers.has_pending():
            return False
        self._couriers.wait_for_rest(POLL_SECONDS)
        return True

    def _idle_seconds(self, backlog: Backlog, *, until_idle: bool) -> float:
        waits = [
            RECHECK_SECONDS if backlog.ready or backlog.lease_expired else None,
            POLL_SECONDS if until_idle and backlog.claimed else None,
            backlog.next_retry_seconds,
        ]
        now = self._clock.now() if self._clock.kind is ClockKind.SYSTEM else None
        if now is not None and backlog.next_due is not None:
            until_due = (backlog.next_due - now).total_seconds()
            # another worker or an event has it in hand, or it expires later after all
            waits.append(until_due if until_due > 0 else RECHECK_SECONDS)
        known = [max(0.0, seconds) for seconds in waits if seconds is not None]
        return min([self._rules.options.idle_delay_seconds, *known])

    def _log_statistics(self) -> None:
        if monotonic() - self._statistics_at >= self._rules.options.statistics_period_seconds:
            self._statistics_at = monotonic()
            counts = self.counters.snapshot()
            text = " ".join(f"{name}={number}" for name, number in sorted(counts.items()))
            logger.info("statistics: %s", text or "nothing yet")
            self.debug.flush()
