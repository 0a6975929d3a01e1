"""The couriers of a worker, one for each endpoint, so that none waits for another."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from winchester_core.clock import monotonic
from winchester_core.delivery.worker import DeliveryWorker
from winchester_core.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from collections.abc import Set as AbstractSet

    from winchester_core.delivery.options import DeliveryOptions
    from winchester_core.model.effect import Endpoint
    from winchester_core.pipelines import PipelineDefinition
    from winchester_core.storage.interface import EffectStore
    from winchester_core.telemetry.counters import Counters
    from winchester_core.telemetry.retry import OutageState

logger = logging.getLogger(__name__)


class DeliveryPool:
    """Delivers the effects of every handler of `pipelines` that has a `deliver`.

    A context manager: within it each endpoint has a thread at work. At its end a call in hand may
    finish, for as long as a lease lasts; one that hangs is left behind, and its effects are
    delivered again once its lease has run out. When the pipelines change, a call in hand is
    finished by the handler that began it, while what is claimed from then on goes to the new one.
    """

    def __init__(
        self,
        *,
        store: EffectStore,
        pipelines: Iterable[PipelineDefinition],
        worker: str,
        options: DeliveryOptions,
        counters: Counters,
        outage: OutageState,
        stop: threading.Event,
    ) -> None:
        self._store = store
        self._worker = worker
        self._counters = counters
        self._outage = outage
        self._stop = stop
        self._is_entered = False
        self._threads: dict[threading.Thread, DeliveryWorker] = {}
        self._ending = threading.Event()
        self._at_rest = threading.Event()
        self._fault: BaseException | None = None
        self._options = options
        self._couriers = self._made(pipelines, options)

    def __enter__(self) -> None:
        self._is_entered = True
        self._start()

    def __exit__(self, *_: object) -> None:
        self._is_entered = False
        self._dismiss()
        deadline = monotonic() + self._options.lease.total_seconds()
        for thread in self._threads:
            thread.join(max(0.0, deadline - monotonic()))
            if thread.is_alive():
                logger.warning("%s hangs in its delivery, and is left behind", thread.name)
        self._threads = {}

    def change(self, pipelines: Iterable[PipelineDefinition], options: DeliveryOptions) -> None:
        """Deliver with the handlers of these pipelines from now on."""
        self._dismiss()
        self._options = options
        self._couriers = self._made(pipelines, options)
        if self._is_entered:
            self._start()

    def _made(
        self, pipelines: Iterable[PipelineDefinition], options: DeliveryOptions
    ) -> dict[Endpoint, DeliveryWorker]:
        return {
            endpoint: DeliveryWorker(
                store=self._store,
                endpoint=endpoint,
                spec=spec,
                worker=self._worker,
                options=options,
                counters=self._counters,
                outage=self._outage,
                stop=self._stop,
            )
            for pipeline in pipelines
            for endpoint, spec in pipeline.endpoints
            if spec.delivers
        }

    def _start(self) -> None:
        self._ending = threading.Event()
        started = {
            threading.Thread(
                target=self._run, args=(courier, self._ending), name=f"courier {each}", daemon=True
            ): courier
            for each, courier in self._couriers.items()
        }
        # one assignment: another thread may be looking who is at work
        self._threads = {**self._still_at_work(), **started}
        for thread in started:
            thread.start()

    def _dismiss(self) -> None:
        """Let the threads end after the call that they are in."""
        self._ending.set()
        self.wake(self._couriers)

    def _still_at_work(self) -> dict[threading.Thread, DeliveryWorker]:
        return {thread: each for thread, each in self._threads.items() if thread.is_alive()}

    @property
    def endpoints(self) -> AbstractSet[Endpoint]:
        """Where effects are delivered."""
        return self._couriers.keys()

    def deliver_once(self) -> int:
        """Deliver one batch of each endpoint, in this thread; return how many effects it were."""
        return sum(courier.deliver_due().effects for courier in self._couriers.values())

    def wake(self, endpoints: Collection[Endpoint]) -> None:
        """There may be something to do for these."""
        for endpoint in endpoints:
            if endpoint in self._couriers:
                self._couriers[endpoint].wake()

    def wake_all(self) -> None:
        """Let everybody look up who sleeps or waits here."""
        self.wake(self._couriers)
        self._at_rest.set()

    def surrender(self) -> None:
        """Leave what is being delivered to other workers, for a process that ends right afterwards.

        Any thread may call it.
        """
        for courier in {*self._couriers.values(), *self._threads.values()}:
            try:
                courier.surrender()
            except StorageError as error:
                logger.warning("%s: its leases will run out: %s", courier.endpoint, error)

    def has_pending(self) -> bool:
        """Whether an effect of these endpoints is due, in some worker's hands, or waiting."""
        return any(
            self._store.next_effect_seconds(endpoint) is not None for endpoint in self._couriers
        )

    def wait_for_rest(self, seconds: float) -> None:
        """Wait until a courier finds nothing to do, or all are woken; at most so long."""
        self._at_rest.wait(seconds)
        self._at_rest.clear()

    def check(self) -> None:
        """Raise what a courier's thread has died of."""
        if self._fault is not None:
            fault, self._fault = self._fault, None
            raise fault

    def _run(self, courier: DeliveryWorker, ending: threading.Event) -> None:
        try:
            courier.run(ending, self._at_rest.set)
        except BaseException as fault:  # noqa: BLE001 - raised again in the worker's own thread
            self._fault = fault
            self._at_rest.set()
