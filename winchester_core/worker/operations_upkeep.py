"""Retention of activity, actions and processes that are gone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from winchester_core.clock import monotonic
from winchester_core.storage.operation_records import ACTION_AGE, GONE_PROCESS_AGE

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from datetime import timedelta

    from winchester_core.storage.interface import WorkStore
    from winchester_core.telemetry.watchdog import Deadline

PERIOD_SECONDS: Final = 600.0
BATCH: Final = 1_000
"""Rows per transaction."""


class OperationsUpkeep:
    """Deletes old rows every ten minutes."""

    def __init__(
        self,
        store: WorkStore,
        activity_age: timedelta,
        deadline: Deadline,
        stop: threading.Event,
    ) -> None:
        self._store = store
        self._activity_age = activity_age
        self._deadline = deadline
        self._stop = stop
        self._next_at = monotonic()

    def round(self) -> None:
        """Do what is due."""
        if monotonic() < self._next_at:
            return
        self._repeat(partial(self._store.delete_activity, self._activity_age, BATCH))
        self._repeat(partial(self._store.delete_actions, ACTION_AGE, BATCH))
        self._store.delete_gone_processes(GONE_PROCESS_AGE)
        self._next_at = monotonic() + PERIOD_SECONDS

    def _repeat(self, batch: Callable[[], int]) -> None:
        """Call `batch` until it finds fewer rows than it may take."""
        while not self._stop.is_set():
            self._deadline.extend()
            if batch() < BATCH:
                return
