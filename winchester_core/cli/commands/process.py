"""``winchester process list``: running processes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.output import FlatLister
from winchester_core.cli.session import StoreSession
from winchester_core.inspection.processes import flat_process
from winchester_core.model.process import lasting_differences

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping, Sequence


logger = logging.getLogger(__name__)

COLUMNS: Final = (
    *("kind", "name", "host", "pid", "version", "state", "started_at", "seen_at", "overdue"),
    *("triggers", "pipelines"),
)
FURTHER_COLUMNS: Final = ("id", "period_seconds", "configured_at")


class ProcessList(FlatLister):
    """List the running processes: ingest, workers and consoles.

    Each reports every 10 seconds, with SQLite every 30 seconds. The columns are the kind, the name,
    the host, the process id and the version of Winchester, the state, the times of the start and of
    the last report, the components that missed their deadline, and the fingerprints of the triggers
    and the pipelines. A process is "gone" if it has not reported for six periods: it was killed, or
    it cannot reach the database. Processes that end by themselves are not listed. Times are those
    of the database server.

    If running processes have had different versions, triggers or pipelines for ten minutes, a
    warning names the difference. Triggers are compared among ingest and workers, pipelines among
    workers. Fingerprints are those of the files before environment variables are substituted, with
    secrets masked. Further columns are id, period_seconds, and configured_at (since when the
    version and the fingerprints are unchanged).
    """

    examples = (
        "winchester process list -c winchester.yaml",
        "winchester process list -c winchester.yaml -f json",
    )

    def columns_of(self, parsed_args: Namespace) -> tuple[Sequence[str], Sequence[str]]:
        """Return the columns of processes."""
        del parsed_args
        return COLUMNS, (*COLUMNS, *FURTHER_COLUMNS)

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """Return the value of a column; components are separated by commas."""
        value = self.value(each, column)
        return ", ".join(value) if isinstance(value, list) else super().cell(each, column)

    def objects(self, parsed_args: Namespace) -> Iterator[Mapping[str, Any]]:
        """Yield the processes; log a warning for each difference between them."""
        with StoreSession(parsed_args) as session:
            now, processes = session.store.real_time(), session.store.find_processes()
        for difference in lasting_differences(processes, now):
            logger.warning(
                "running processes have had different %s for 10 minutes", _plural(difference)
            )
        for each in processes:
            yield flat_process(each, now)


def _plural(difference: str) -> str:
    return difference if difference.endswith("s") else f"{difference}s"
