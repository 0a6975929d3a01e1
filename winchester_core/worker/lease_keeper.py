"""Renews a worker's leases while it works, and gives back what it does not get to."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from winchester_core.errors import StorageError
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.telemetry.outage import AWAY

if TYPE_CHECKING:
    from winchester_core.storage.interface import WorkStore
    from winchester_core.telemetry.outage import Outage
    from winchester_core.worker.hand import Hand
    from winchester_core.worker.options import WorkerOptions

logger = logging.getLogger(__name__)


class LeaseKeeper:
    """A thread that runs while streams are in hand; a context manager around the work.

    It renews three times a lease. When one run lasts longer than a lease, the streams that wait
    behind it are released for other workers.
    """

    def __init__(
        self,
        store: WorkStore,
        hand: Hand,
        options: WorkerOptions,
        counters: Counters,
        outage: Outage,
    ) -> None:
        self._store = store
        self._hand = hand
        self._options = options
        self._counters = counters
        self._outage = outage
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        self._done.clear()
        self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        interval_seconds = self._options.lease.total_seconds() / 3
        while not self._done.wait(interval_seconds):
            try:
                self.keep()
            except AWAY as error:
                self._outage.noticed(error)
            except StorageError as error:
                logger.warning("leases could not be renewed: %s", error)

    def keep(self) -> None:
        """Renew once, and release what waits behind a long run."""
        if self._hand.current_seconds() > self._options.lease.total_seconds():
            self.release_waiting()
        claims = self._hand.to_renew(self._options.pipeline_timeout_seconds)
        if claims:
            self._store.renew(claims, self._options.lease)
            self._outage.over()

    def release_waiting(self) -> None:
        """Give every claim back that has not been begun."""
        waiting = self._hand.give_back()
        if waiting:
            released = self._store.release(waiting)
            self._counters.add(Count.STREAMS_RELEASED, released)
            logger.info("released %d claimed streams", released)
