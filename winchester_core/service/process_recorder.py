"""Recorder of a process: its row and its activity, in one transaction of a thread of its own.

The process does not depend on it. While the database is unavailable, the counts are kept for the
next attempt. If the process is killed, the counts since the last report are lost. If the connection
breaks during a commit, counts may be added twice.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from winchester_core.clock import monotonic
from winchester_core.distribution import DISTRIBUTION
from winchester_core.errors import DatabaseUnavailable
from winchester_core.model.activity import increases, limit_names
from winchester_core.model.process import Difference, ProcessReport, lasting_differences
from winchester_core.service.exit import CLEANUP_SECONDS
from winchester_core.telemetry.activity import activity_totals
from winchester_core.telemetry.metrics import Sample, catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from winchester_core.config import Settings
    from winchester_core.model.activity import ActivityCounts, ActivityKey
    from winchester_core.model.process import ProcessKind
    from winchester_core.storage.operation_records import ReportResult
    from winchester_core.storage.operations_interface import ProcessStore
    from winchester_core.telemetry.counters import Counters
    from winchester_core.telemetry.watchdog import Watchdog

logger = logging.getLogger(__name__)

PERIOD_SECONDS: Final = 10.0
SQLITE_PERIOD_SECONDS: Final = 30.0
"""On SQLite each report makes the writers of other processes wait."""

MAX_NAME_LENGTH: Final = 255


def make_process_report(kind: ProcessKind, name: str, settings: Settings) -> ProcessReport:
    """Return the report of this process, which has just started."""
    is_sqlite = settings.database_url.startswith("sqlite")
    host = socket.gethostname()
    return ProcessReport(
        id=f"{host[:200]}:{os.getpid()}:{secrets.token_hex(8)}",
        kind=kind,
        name=name[:MAX_NAME_LENGTH],
        host=host[:MAX_NAME_LENGTH],
        pid=os.getpid(),
        version=version(DISTRIBUTION),
        period_seconds=SQLITE_PERIOD_SECONDS if is_sqlite else PERIOD_SECONDS,
        running_seconds=0.0,
        triggers_fingerprint=settings.triggers_fingerprint,
        pipelines_fingerprint=settings.pipelines_fingerprint,
    )


class ProcessRecorder:
    """Context manager with a thread that stores reports of the process and its activity.

    If not `keeps_row`, it stores only the activity, for a short-lived process. At the end, it
    stores the last activity and deletes the row. While `reads_only`, it stores nothing.
    `connection` is locked during each transaction, so that the recorder and other owners of the
    lock use one connection at a time.
    """

    def __init__(
        self,
        store: ProcessStore,
        process: ProcessReport,
        counters: Counters,
        watchdog: Watchdog,
        *,
        keeps_row: bool = True,
        reads_only: Callable[[], bool] = lambda: False,
        connection: threading.Lock | None = None,
    ) -> None:
        self._store = store
        self._process = process
        self._counters = counters
        self._watchdog = watchdog
        self._keeps_row = keeps_row
        self._reads_only = reads_only
        self._connection = connection or threading.Lock()
        self._started_at = monotonic()
        self._recorded: dict[ActivityKey, ActivityCounts] = {}
        self._minute = 0
        self._names: frozenset[ActivityKey] = frozenset()
        self._differences: list[Difference] = []
        self._is_failing = False
        self._is_current = True
        self._is_ending = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="process-recorder", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._is_ending = True
        self._wake.set()
        self._thread.join(CLEANUP_SECONDS)

    def configure(self, settings: Settings) -> None:
        """Report the configuration of a reload, now and from now on. Any thread may call it."""
        self._process = replace(
            self._process,
            triggers_fingerprint=settings.triggers_fingerprint,
            pipelines_fingerprint=settings.pipelines_fingerprint,
        )
        self._wake.set()

    def collect_metrics(self) -> Iterator[Sample]:
        """Yield which differences between processes the last report has found, unless it failed."""
        if not self._is_current:
            return
        differences = self._differences
        for difference in Difference:
            yield Sample(
                catalogue.PROCESS_DIFFERENCES, difference in differences, (difference.value,)
            )

    def record(self) -> bool:
        """Store a report and the activity since the last; return False if that fails."""
        return self._attempt(self._report)

    def _run(self) -> None:
        """Report at once, then periodically until the process ends. The body of the thread."""
        while not self._is_ending:
            self.record()
            self._wake.wait(self._process.period_seconds)
            self._wake.clear()
        self._attempt(self._end)

    def _attempt(self, action: Callable[[], None]) -> bool:
        """Call `action`. Log failures, once until it succeeds again."""
        try:
            with self._connection:
                self._is_current = not self._reads_only()
                if self._is_current:
                    action()
        except DatabaseUnavailable as error:  # the process itself logs outages
            logger.debug("process report not stored, retrying at the next: error=%s", error)
            self._is_current = False
            return False
        except Exception as error:  # noqa: BLE001 - the process does not depend on its reports
            if not self._is_failing:
                logger.warning("process report not stored, retrying: error=%s", error)
            self._is_failing, self._is_current = True, False
            return False
        self._is_failing = False
        return self._is_current

    def _report(self) -> None:
        totals, counts = self._activity()
        if not self._keeps_row and not counts:
            return
        report = replace(
            self._process,
            running_seconds=monotonic() - self._started_at,
            overdue=tuple(self._watchdog.overdue()),
        )
        result = self._store.report_process(report if self._keeps_row else None, counts)
        self._recorded = totals
        self._note_names(result.minute, counts)
        if self._keeps_row:
            self._note_differences(result)

    def _end(self) -> None:
        totals, counts = self._activity()
        if self._keeps_row or counts:
            self._store.end_process(self._process.id if self._keeps_row else None, counts)
        self._recorded = totals

    def _activity(
        self,
    ) -> tuple[dict[ActivityKey, ActivityCounts], dict[ActivityKey, ActivityCounts]]:
        """Return the totals, and the counts since the last report."""
        totals = activity_totals(self._counters)
        return totals, limit_names(increases(self._recorded, totals), self._names)

    def _note_names(self, minute: int, counts: dict[ActivityKey, ActivityCounts]) -> None:
        before = self._names if minute == self._minute else frozenset()
        self._minute, self._names = minute, before | counts.keys()

    def _note_differences(self, result: ReportResult) -> None:
        found = lasting_differences(result.processes, result.now)
        for difference in found:
            if difference not in self._differences:
                logger.warning(
                    "running processes differ, 'winchester process list' shows them: difference=%s",
                    difference.value,
                )
        self._differences = found
