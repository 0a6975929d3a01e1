"""Delivery worker: delivers the effects of one endpoint, in batches."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from winchester_core.clock import monotonic
from winchester_core.delivery.attempt import attempt_delivery
from winchester_core.failpoints import Failpoint, hit
from winchester_core.pipelines import describe_error
from winchester_core.retry import SERVER_ERRORS, TRANSIENT_ERRORS, Backoff, retry_until_stopped
from winchester_core.storage.effect_records import EffectDelayed
from winchester_core.telemetry.counters import Count
from winchester_core.telemetry.log_context import LogContext

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from winchester_core.delivery.options import DeliveryOptions
    from winchester_core.model.effect import Endpoint
    from winchester_core.pipelines import HandlerSpec
    from winchester_core.retry import OutageState
    from winchester_core.storage.effect_records import EffectClaim, EffectResultCounts
    from winchester_core.storage.interface import EffectStore
    from winchester_core.telemetry.counters import Counters


logger = logging.getLogger(__name__)

MIN_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 60.0
MIN_SLEEP_SECONDS = 0.05
"""Time to sleep while another worker is claiming a due effect."""


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """Result of one batch. `all_delayed` is true if every effect must be retried."""

    effects: int = 0
    all_delayed: bool = False


class DeliveryWorker:
    """Delivers the effects of one endpoint, once or in a thread.

    It claims no effects once `stop` is set.
    """

    def __init__(
        self,
        *,
        store: EffectStore,
        endpoint: Endpoint,
        spec: HandlerSpec,
        worker_id: str,
        options: DeliveryOptions,
        counters: Counters,
        outage: OutageState,
        stop: threading.Event,
    ) -> None:
        self.endpoint = endpoint
        self._store = store
        self._spec = spec
        self._worker_id = worker_id
        self._options = options
        self._counters = counters
        self._outage = outage
        self._stop = stop
        self._wake = threading.Event()
        self._lease_renewer: EffectLeaseRenewer | None = None

    def deliver_due(self) -> DeliveryResult:
        """Deliver one batch of due effects."""
        if self._stop.is_set():
            return DeliveryResult()
        claims = self._store.claim_effects(
            self.endpoint,
            worker=self._worker_id,
            limit=self._options.outbox_batch_size,
            lease=self._options.lease,
        )
        if not claims:
            return DeliveryResult()
        hit(Failpoint.EFFECTS_CLAIMED)
        if self._stop.is_set():
            self._store.release_effects(claims)
            return DeliveryResult()
        pipeline, handler = self.endpoint.pipeline, self.endpoint.handler
        with LogContext("deliver", pipeline=pipeline, handler=handler, effects=len(claims)):
            return self._deliver(claims)

    def _deliver(self, claims: Sequence[EffectClaim]) -> DeliveryResult:
        self._lease_renewer = EffectLeaseRenewer(
            self._store, self.endpoint, claims, self._options, self._outage
        )
        try:
            with self._lease_renewer:
                results = attempt_delivery(self._spec, self.endpoint, claims, self._options)
                hit(Failpoint.EFFECTS_SENT)
                counts = retry_until_stopped(
                    self._outage, self._stop, lambda: self._store.apply_effect_results(results)
                )
        finally:
            self._lease_renewer = None
        if counts is not None:  # otherwise the database is unavailable at shutdown
            hit(Failpoint.EFFECT_RESULTS_STORED)
            self._count(counts)
        return DeliveryResult(len(claims), all(isinstance(each, EffectDelayed) for each in results))

    def expire_leases(self) -> None:
        """Expire the leases of a delivery in progress, before the process exits.

        Any thread may call it. Raises `StorageError`.
        """
        lease_renewer = self._lease_renewer
        if lease_renewer is not None:
            lease_renewer.expire()
            logger.warning("delivery interrupted by forced shutdown: endpoint=%s", self.endpoint)

    def _count(self, counts: EffectResultCounts) -> None:
        pipeline = self.endpoint.pipeline
        self._counters.add(Count.EFFECTS_DELIVERED, counts.delivered, label=pipeline)
        self._counters.add(Count.EFFECTS_RETRIED, counts.delayed)
        self._counters.add(Count.EFFECTS_DEAD, counts.dead)
        if counts.lost:  # lost to another worker, or already stored by a commit with a lost reply
            logger.warning(
                "leases of effects lost: effects=%d endpoint=%s", counts.lost, self.endpoint
            )

    # --- in a separate thread ----------------------------------------------------------------

    def run(self, stop: threading.Event, on_idle: Callable[[], None]) -> None:
        """Deliver effects until `stop` is set; call `on_idle` whenever nothing is due."""
        backoff = Backoff(stop)
        pause = Backoff(stop, first_seconds=MIN_PAUSE_SECONDS, max_seconds=MAX_PAUSE_SECONDS)
        while not (stop.is_set() or self._stop.is_set()):
            self._wake.clear()
            try:
                result = self.deliver_due()
                sleep_seconds = 0.0 if result.effects else self._idle_seconds()
                self._outage.record_success()
                backoff.reset()
            except SERVER_ERRORS as error:
                self._outage.record_failure(error)
                backoff.wait()
                continue
            if result.all_delayed:
                pause.wait()
            elif result.effects:
                pause.reset()
            else:
                on_idle()
                self._wake.wait(sleep_seconds)

    def wake(self) -> None:
        """Wake the thread, since effects may be due."""
        self._wake.set()

    def _idle_seconds(self) -> float:
        longest = self._options.idle_delay_seconds
        due_seconds = self._store.next_effect_seconds(self.endpoint)
        if due_seconds is None:
            return longest
        return min(longest, max(MIN_SLEEP_SECONDS, due_seconds))


class EffectLeaseRenewer:
    """Thread that renews the leases of effects; a context manager around their delivery.

    It renews three times per lease, until the `pipeline_timeout` (if set) has passed; then another
    worker may claim the effects.
    """

    def __init__(
        self,
        store: EffectStore,
        endpoint: Endpoint,
        claims: Sequence[EffectClaim],
        options: DeliveryOptions,
        outage: OutageState,
    ) -> None:
        self._store = store
        self._endpoint = endpoint
        self._claims = claims
        self._options = options
        self._outage = outage
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="effect-lease", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def expire(self) -> None:
        """Expire the leases now. Any thread may call it. Raises `StorageError`.

        The attempt counts, because the effects may have been delivered.
        """
        self._stop.set()
        self._store.renew_effects(self._claims, timedelta(0))

    def _run(self) -> None:
        started_at = monotonic()
        timeout_seconds = self._options.pipeline_timeout_seconds
        while not self._stop.wait(self._options.lease.total_seconds() / 3):
            if timeout_seconds is not None and monotonic() - started_at > timeout_seconds:
                return
            try:
                self._store.renew_effects(self._claims, self._options.lease)
                self._outage.record_success()
            except TRANSIENT_ERRORS as error:
                self._outage.record_failure(error)
            except Exception as error:  # noqa: BLE001 - the next attempt may succeed
                logger.warning(
                    "lease renewal of effects failed: effects=%d endpoint=%s error=%s",
                    len(self._claims),
                    self._endpoint,
                    describe_error(error),
                )
