"""Takes the effects of one endpoint there, batch by batch."""

from __future__ import annotations

import logging
import random
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from winchester_core.clock import monotonic
from winchester_core.delivery.attempt import attempt_delivery
from winchester_core.errors import StorageError
from winchester_core.storage.effect_records import EffectDelayed
from winchester_core.telemetry.counters import Count
from winchester_core.telemetry.failpoints import Failpoint, hit
from winchester_core.telemetry.log_context import LogContext
from winchester_core.telemetry.retry import (
    TRANSIENT_ERRORS,
    Backoff,
    retry_delay,
    retry_until_stopped,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from winchester_core.delivery.options import DeliveryOptions
    from winchester_core.model.effect import Endpoint
    from winchester_core.pipelines import HandlerSpec
    from winchester_core.storage.effect_records import EffectClaim, EffectResultCounts
    from winchester_core.storage.interface import EffectStore
    from winchester_core.telemetry.counters import Counters
    from winchester_core.telemetry.retry import OutageState


logger = logging.getLogger(__name__)

MIN_PAUSE = timedelta(seconds=1)
MAX_PAUSE = timedelta(seconds=60)
MIN_SLEEP_SECONDS = 0.05
"""For when an effect is due that another worker is just claiming."""


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What one call of the handler came to; `in_vain` when all of it is to be tried again."""

    effects: int = 0
    in_vain: bool = False


class DeliveryWorker:
    """Delivers the effects of one endpoint: once, or in a thread until it is told to end.

    When `stop` is set it claims nothing more.
    """

    def __init__(
        self,
        *,
        store: EffectStore,
        endpoint: Endpoint,
        spec: HandlerSpec,
        worker: str,
        options: DeliveryOptions,
        counters: Counters,
        outage: OutageState,
        stop: threading.Event,
    ) -> None:
        self.endpoint = endpoint
        self._store = store
        self._spec = spec
        self._worker = worker
        self._options = options
        self._counters = counters
        self._outage = outage
        self._stop = stop
        self._wake = threading.Event()
        self._trips_in_vain = 0
        self._renewal: EffectLeaseRenewer | None = None

    def deliver_due(self) -> DeliveryResult:
        """Deliver one batch of the effects that are due."""
        if self._stop.is_set():
            return DeliveryResult()
        claims = self._store.claim_effects(
            self.endpoint,
            worker=self._worker,
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
        self._renewal = EffectLeaseRenewer(self._store, claims, self._options, self._outage)
        with self._renewal:
            settlements = attempt_delivery(self._spec, self.endpoint, claims, self._options)
            hit(Failpoint.EFFECTS_SENT)
            settled = retry_until_stopped(
                self._outage, self._stop, lambda: self._store.apply_effect_results(settlements)
            )
        self._renewal = None
        if settled is not None:  # else the database is away and we are told to stop
            hit(Failpoint.EFFECTS_SETTLED)
            self._count(settled)
        return DeliveryResult(
            len(claims), all(isinstance(each, EffectDelayed) for each in settlements)
        )

    def surrender(self) -> None:
        """Leave what is being delivered to other workers, for a process that ends right afterwards.

        Any thread may call it. Raises `StorageError`.
        """
        renewal = self._renewal
        if renewal is not None:
            renewal.surrender()
            logger.warning("a delivery is cut short: %s", self.endpoint)

    def _count(self, settled: EffectResultCounts) -> None:
        self._counters.add(Count.EFFECTS_DELIVERED, settled.delivered)
        self._counters.add(Count.EFFECTS_RETRIED, settled.delayed)
        self._counters.add(Count.EFFECTS_DEAD, settled.dead)
        if settled.lost:
            logger.warning(
                "%s: the leases of %d effects were lost: another worker goes on with them, unless "
                "they were settled when the connection broke",
                self.endpoint,
                settled.lost,
            )

    # --- in a thread of its own -----------------------------------------------------------

    def run(self, ending: threading.Event, on_rest: Callable[[], None]) -> None:
        """Deliver until `ending` is set; `on_rest` is called whenever nothing is due."""
        backoff = Backoff(ending)
        while not (ending.is_set() or self._stop.is_set()):
            self._wake.clear()
            try:
                trip = self.deliver_due()
                sleep_seconds = 0.0 if trip.effects else self._idle_seconds()
                self._outage.over()
                backoff.start_anew()
            except TRANSIENT_ERRORS as error:
                self._outage.noticed(error)
                backoff.wait()
                continue
            if trip.in_vain:
                self._trips_in_vain += 1
                ending.wait(self._pause_seconds())
            elif trip.effects:
                self._trips_in_vain = 0
            else:
                on_rest()
                self._wake.wait(sleep_seconds)

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def _pause_seconds(self) -> float:
        """An endpoint that takes nothing is left alone for a while, effects of others included."""
        fraction = random.random()  # noqa: S311 - spreads the tries, no secret
        pause = retry_delay(self._trips_in_vain, MIN_PAUSE, MAX_PAUSE, fraction)
        return pause.total_seconds()

    def _idle_seconds(self) -> float:
        longest = self._options.idle_delay_seconds
        due_seconds = self._store.next_effect_seconds(self.endpoint)
        if due_seconds is None:
            return longest
        return min(longest, max(MIN_SLEEP_SECONDS, due_seconds))


# Renews the leases of effects while their handler delivers them.


class EffectLeaseRenewer:
    """A thread that runs while effects are in hand; a context manager around their delivery.

    It renews three times a lease, until the `pipeline_timeout` has passed, where there is one:
    another worker may then try.
    """

    def __init__(
        self,
        store: EffectStore,
        claims: Sequence[EffectClaim],
        options: DeliveryOptions,
        outage: OutageState,
    ) -> None:
        self._store = store
        self._claims = claims
        self._options = options
        self._outage = outage
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="effect-lease", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def surrender(self) -> None:
        """Let the leases end now; any thread may call it. Raises `StorageError`.

        What is being delivered may have arrived, so that the attempt counts.
        """
        self._done.set()
        self._store.renew_effects(self._claims, timedelta(0))

    def _run(self) -> None:
        started = monotonic()
        timeout_seconds = self._options.pipeline_timeout_seconds
        while not self._done.wait(self._options.lease.total_seconds() / 3):
            if timeout_seconds is not None and monotonic() - started > timeout_seconds:
                return
            try:
                self._store.renew_effects(self._claims, self._options.lease)
                self._outage.over()
            except TRANSIENT_ERRORS as error:
                self._outage.noticed(error)
            except StorageError as error:
                logger.warning("leases of effects could not be renewed: %s", error)
