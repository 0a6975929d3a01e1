"""Rescue of the streams of dead workers.

1. A stream is rescued when its lease has expired. If an earlier process of this worker has ended,
   its streams are rescued at once.
2. While the database is unavailable, no worker can renew its leases. If a worker has noticed this,
   it rescues no expired lease until one lease has passed, so that other workers can renew first.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from winchester_core.telemetry.counters import Count
from winchester_core.worker.stream_run import failure_delay
from winchester_core.worker.worker_id import is_gone

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence
    from datetime import timedelta

    from winchester_core.retry import OutageState
    from winchester_core.storage.interface import WorkStore
    from winchester_core.telemetry.counters import Counters
    from winchester_core.telemetry.watchdog import Deadline
    from winchester_core.worker.options import WorkerOptions

logger = logging.getLogger(__name__)

RESCUE_BATCH: Final = 1000
"""Streams per transaction."""


class Rescuer:
    """Rescues the streams of dead workers, in batches, until none is left or `stop` is set."""

    def __init__(
        self,
        *,
        store: WorkStore,
        worker_id: str,
        counters: Counters,
        outage: OutageState,
        deadline: Deadline,
        stop: threading.Event,
    ) -> None:
        self._store = store
        self._worker_id = worker_id
        self._counters = counters
        self._outage = outage
        self._deadline = deadline
        self._stop = stop

    def rescue_expired(self, options: WorkerOptions) -> None:
        """Rescue the streams with an expired lease, unless the database was just unavailable."""
        if self._outage.seconds_since_end() >= options.lease.total_seconds():
            self._rescue(options, None)

    def rescue_from_predecessors(self, options: WorkerOptions) -> None:
        """Rescue the streams of this worker's earlier processes on this host that have ended."""
        gone = [
            each for each in self._store.claiming_workers() if is_gone(each, own=self._worker_id)
        ]
        if gone:
            self._rescue(options, gone)

    def _rescue(self, options: WorkerOptions, workers: Sequence[str] | None) -> None:
        def backoff(failures: int) -> timedelta:
            return failure_delay(failures, options)

        while not self._stop.is_set():
            self._deadline.extend()
            rescheduled, failed = self._store.rescue(
                max_attempts=options.max_attempts,
                limit=RESCUE_BATCH,
                backoff=backoff,
                workers=workers,
            )
            self._counters.add(Count.STREAMS_RESCUED, rescheduled)
            self._counters.add(Count.STREAMS_IN_ERROR, failed)
            if rescheduled or failed:
                logger.warning(
                    "streams of dead workers rescued, they are tried alone: "
                    "rescheduled=%d failures_exhausted=%d",
                    rescheduled,
                    failed,
                )
            if rescheduled + failed < RESCUE_BATCH:
                return
