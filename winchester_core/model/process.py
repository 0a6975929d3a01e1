"""Running processes: the report of each, and differences between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

PERIODS_UNTIL_GONE: Final = 6
"""A process is gone if it has not reported for this number of its periods."""

LASTING_DIFFERENCE: Final = timedelta(minutes=10)
"""Duration after which different versions or configurations of processes give a warning.

During a rolling restart, they differ for a shorter time.
"""


class ProcessKind(StrEnum):
    """Kind of a process with a row."""

    INGEST = "ingest"
    WORKER = "worker"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessReport:
    """Report of a process, every `period_seconds`.

    `id` is unique among all processes. `overdue` are the components that missed their deadline. A
    fingerprint is None if the process does not use that part of the configuration.
    """

    id: str
    kind: ProcessKind
    name: str
    host: str
    pid: int
    version: str
    period_seconds: float
    running_seconds: float
    overdue: tuple[str, ...] = ()
    triggers_fingerprint: str | None = None
    pipelines_fingerprint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRecord:
    """The latest report of a process. Times are those of the database server, aware UTC.

    Since `configured_at`, the process has had this version and these fingerprints.
    """

    id: str
    kind: ProcessKind
    name: str
    host: str
    pid: int
    version: str
    period_seconds: float
    started_at: datetime
    seen_at: datetime
    configured_at: datetime
    overdue: tuple[str, ...]
    triggers_fingerprint: str | None
    pipelines_fingerprint: str | None

    def is_gone(self, now: datetime) -> bool:
        """Return whether the process has not reported for six periods. `now` is real time."""
        return (now - self.seen_at).total_seconds() > PERIODS_UNTIL_GONE * self.period_seconds


class Difference(StrEnum):
    """Kind of a difference between running processes."""

    VERSION = "version"
    TRIGGERS = "triggers"
    PIPELINES = "pipelines"


def lasting_differences(processes: Iterable[ProcessRecord], now: datetime) -> list[Difference]:
    """Return the differences that have lasted ten minutes between processes that are not gone.

    Versions are compared among all of them, triggers among ingesters and workers, pipelines among
    workers. `now` is real time.
    """
    compared = [
        each
        for each in processes
        if not each.is_gone(now) and now - each.configured_at >= LASTING_DIFFERENCE
    ]
    workers = [each for each in compared if each.kind is ProcessKind.WORKER]
    engines = [each for each in compared if each.kind is not ProcessKind.CONSOLE]
    values: dict[Difference, set[str | None]] = {
        Difference.VERSION: {each.version for each in compared},
        Difference.TRIGGERS: {each.triggers_fingerprint for each in engines},
        Difference.PIPELINES: {each.pipelines_fingerprint for each in workers},
    }
    return [difference for difference, found in values.items() if len(found - {None}) > 1]
