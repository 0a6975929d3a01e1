"""Periodic flush of a process's debug counts to the database."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from winchester_core.clock import monotonic
from winchester_core.errors import StorageError
from winchester_core.telemetry.debug_counts import DebugCounts, log_groups

if TYPE_CHECKING:
    from winchester_core.storage.interface import DebugStore

logger = logging.getLogger(__name__)


class DebugFlusher:
    """Collects debug counts in `counts` and periodically adds them to the counts in the store.

    Safe to share between threads. If the process is killed, the counts since its last flush are
    lost.
    """

    def __init__(self, store: DebugStore, period_seconds: float) -> None:
        self.counts = DebugCounts()
        self._store = store
        self._period_seconds = period_seconds
        self._flushing = threading.Lock()
        self._flushed_at = monotonic()

    def flush_if_due(self) -> None:
        """Flush if there are counts and the period has passed since the last flush."""
        if self.counts.is_empty or monotonic() - self._flushed_at < self._period_seconds:
            return
        self.flush()

    def flush(self) -> StorageError | None:
        """Log the counts, and add them to the counts in the store.

        If the store fails, returns the error and keeps the counts for the next flush.
        """
        with self._flushing:
            self._flushed_at = monotonic()
            groups = self.counts.take()
            if not groups:
                return None
            try:
                self._store.add_debug_counts(groups)
            except StorageError as error:
                logger.debug("debug counts not stored, retrying at next flush: error=%s", error)
                self.counts.put_back(groups)
                return error
        log_groups(groups)
        return None

    def close(self) -> None:
        """Flush the remaining counts; log a warning if they are lost."""
        if error := self.flush():
            logger.warning("debug counts lost: error=%s", error)
