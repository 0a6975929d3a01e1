"""Pool of delivery workers, one thread per endpoint, so that no endpoint delays another."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from winchester_core.clock import monotonic
from winchester_core.delivery.worker import DeliveryWorker
from winchester_core.errors import StorageError
from winchester_core.pipelines import describe_error

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from collections.abc import Set as AbstractSet

    from winchester_core.delivery.options import DeliveryOptions
    from winchester_core.model.effect import Endpoint
    from winchester_core.pipelines import PipelineDefinition
    from winchester_core.retry import OutageState
    from winchester_core.storage.interface import EffectStore
    from winchester_core.telemetry.counters import Counters

logger = logging.getLogger(__name__)


class DeliveryPool:
    """Delivers the effects of every handler in `pipelines` that has a `deliver`.

    A context manager that runs the threads. On exit, it waits up to one lease for deliveries in
    progress. A hanging delivery is abandoned, and its effects are delivered again after their lease
    has ended. After a reload, a delivery in progress finishes with the old handler.
    """

    def __init__(
        self,
        *,
        store: EffectStore,
        pipelines: Iterable[PipelineDefinition],
        worker_id: str,
        options: DeliveryOptions,
        counters: Counters,
        outage: OutageState,
        stop: threading.Event,
    ) -> None:
        self._store = store
        self._worker_id = worker_id
        self._counters = counters
        self._outage = outage
        self._stop = stop
        self._is_running = False
        self._threads: dict[threading.Thread, DeliveryWorker] = {}
        self._thread_stop = threading.Event()
        self._idle = threading.Event()
        self._errors: list[BaseException] = []
        self._options = options
        self._workers = self._create_workers(pipelines, options)

    def __enter__(self) -> None:
        self._is_running = True
        self._start_threads()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._is_running = False
        self._stop_threads()
        timeout_at = monotonic() + self._options.lease.total_seconds()
        for thread, worker in self._threads.items():
            thread.join(max(0.0, timeout_at - monotonic()))
            if thread.is_alive():
                logger.warning("abandoned a hanging delivery: endpoint=%s", worker.endpoint)
        self._threads = {}
        raised = int(kind is None)  # `check` raises the first unless another propagates
        for error in self._errors[raised:]:
            _log_failure(error)
        del self._errors[raised:]
        self.check()

    def reload(self, pipelines: Iterable[PipelineDefinition], options: DeliveryOptions) -> None:
        """Deliver with the handlers of these pipelines from now on."""
        self._stop_threads()
        self._options = options
        self._workers = self._create_workers(pipelines, options)
        if self._is_running:
            self._start_threads()

    def _create_workers(
        self, pipelines: Iterable[PipelineDefinition], options: DeliveryOptions
    ) -> dict[Endpoint, DeliveryWorker]:
        if options.discard_reason is not None:
            return {}
        return {
            endpoint: DeliveryWorker(
                store=self._store,
                endpoint=endpoint,
                spec=spec,
                worker_id=self._worker_id,
                options=options,
                counters=self._counters,
                outage=self._outage,
                stop=self._stop,
            )
            for pipeline in pipelines
            for endpoint, spec in pipeline.delivery_endpoints()
        }

    def _start_threads(self) -> None:
        self._thread_stop = threading.Event()
        started = {
            threading.Thread(
                target=self._run,
                args=(worker, self._thread_stop),
                name=f"delivery {endpoint}",
                daemon=True,
            ): worker
            for endpoint, worker in self._workers.items()
        }
        alive = {thread: worker for thread, worker in self._threads.items() if thread.is_alive()}
        self._threads = {**alive, **started}  # one assignment: `expire_leases` may be reading it
        for thread in started:
            thread.start()

    def _stop_threads(self) -> None:
        """Stop the threads; deliveries in progress are finished."""
        self._thread_stop.set()
        self.wake(self._workers)

    @property
    def endpoints(self) -> AbstractSet[Endpoint]:
        """Endpoints that this pool delivers to."""
        return self._workers.keys()

    def deliver_once(self) -> int:
        """Deliver one batch per endpoint in the calling thread; return the number of effects."""
        return sum(worker.deliver_due().effects for worker in self._workers.values())

    def wake(self, endpoints: Collection[Endpoint]) -> None:
        """Wake the delivery workers of these endpoints."""
        for endpoint in endpoints:
            if endpoint in self._workers:
                self._workers[endpoint].wake()

    def wake_all(self) -> None:
        """Wake all delivery workers and waiters."""
        self.wake(self._workers)
        self._idle.set()

    def expire_leases(self) -> None:
        """Expire the leases of deliveries in progress, before the process exits.

        Any thread may call it.
        """
        for worker in {*self._workers.values(), *self._threads.values()}:
            try:
                worker.expire_leases()
            except StorageError as error:
                logger.warning(
                    "effects not released, their leases will expire: endpoint=%s error=%s",
                    worker.endpoint,
                    error,
                )

    def has_pending(self) -> bool:
        """Return whether an effect of these endpoints is pending, claimed or delayed."""
        return any(
            self._store.next_effect_seconds(endpoint) is not None for endpoint in self._workers
        )

    def wait_for_idle(self, seconds: float) -> None:
        """Wait at most `seconds` until a delivery worker is idle or all are woken."""
        self._idle.wait(seconds)
        self._idle.clear()

    def check(self) -> None:
        """Raise the first exception that ended a delivery thread, if there is one."""
        if self._errors:
            raise self._errors.pop(0)

    def _run(self, worker: DeliveryWorker, stop: threading.Event) -> None:
        try:
            worker.run(stop, self._idle.set)
        except BaseException as error:  # noqa: BLE001 - raised by `check` in the worker's thread
            if threading.current_thread() in self._threads:
                self._errors.append(error)
                self._idle.set()
            else:  # the thread was abandoned at the end, so no `check` follows
                _log_failure(error)


def _log_failure(error: BaseException) -> None:
    logger.error("delivery thread failed: error=%s", describe_error(error))
