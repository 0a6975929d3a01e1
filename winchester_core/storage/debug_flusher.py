"""Brings what a process counts at its triggers into the database, in few writes."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from winchester_core.clock import monotonic
from winchester_core.errors import StorageError
from winchester_core.telemetry.debug import DebugCounts, log_groups

if TYPE_CHECKING:
    from winchester_core.storage.interface import DebugStore

logger = logging.getLogger(__name__)


class DebugFlusher:
    """Keeps the debug counts of a process: `counts` are added to the store's from time to time.

    Safe to share between threads. A process that is killed loses what it counted since.
    """

    def __init__(self, store: DebugStore, period_seconds: float) -> None:
        self.counts = DebugCounts()
        self._store = store
        self._period_seconds = period_seconds
        self._flushing = threading.Lock()
        self._flushed_at = monotonic()

    def flush_if_due(self) -> None:
        """Flush when anything was counted, and the period has passed since that was last done."""
        if self.counts.is_empty or monotonic() - self._flushed_at < self._period_seconds:
            return
        self.flush()

    def flush(self) -> bool:
        """Log what was counted, and add it to the store's counts.

        False when the store cannot take it, which hinders nobody: it is kept for the next time.
        """
        with self._flushing:
            self._flushed_at = monotonic()
            groups = self.counts.take()
            if not groups:
                return True
            try:
                self._store.add_debug_counts(groups)
            except StorageError as error:
                logger.debug("debug counts not stored, kept for the next flush: %s", error)
                self.counts.put_back(groups)
                return False
        log_groups(groups)
        return True

    def close(self) -> None:
        """Flush for the last time."""
        if not self.flush():
            logger.warning("debug counts of triggers are lost: database unavailable")
