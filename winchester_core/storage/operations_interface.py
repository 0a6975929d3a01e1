"""Protocols of a store for running processes, their activity, and the actions of operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from winchester_core.storage.filters import ListOrder
from winchester_core.storage.operation_records import ANY_ACTION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from winchester_core.model.action import ActionRecord
    from winchester_core.model.activity import ActivityCounts, ActivityKey, RecordedActivity
    from winchester_core.model.process import ProcessRecord, ProcessReport
    from winchester_core.storage.operation_records import ActionFilter, ReportResult


MAX_ACTIVITY_ROWS: Final = 15_000
"""Default maximum number of counts that are read at once."""


class ProcessStore(Protocol):
    """Reports of a running process. Nothing else depends on them: no lease, no rescue."""

    def report_process(
        self, process: ProcessReport | None, counts: Mapping[ActivityKey, ActivityCounts]
    ) -> ReportResult:
        """Store the report of a process, and add `counts` to the activity of the current periods.

        If `process` is None, the process has no row. The first report of a process deletes the rows
        of the same kind, name and host that are gone.
        """

    def end_process(
        self, process_id: str | None, counts: Mapping[ActivityKey, ActivityCounts]
    ) -> None:
        """Delete the row of a process, if it has one, and add the last `counts`."""


class OperationsReadStore(Protocol):
    """Queries of processes, activity and actions."""

    def find_processes(self) -> list[ProcessRecord]:
        """Return the running processes, and those that are gone and not deleted yet.

        Sorted by kind, name, host and start.
        """

    def read_activity(
        self, since: datetime, period_seconds: int, *, max_rows: int = MAX_ACTIVITY_ROWS
    ) -> RecordedActivity:
        """Return the activity since a time (real time), in periods of one of `PERIODS_SECONDS`.

        The periods begin at multiples of their length after 1970 (UTC); the first contains `since`.
        Periods shorter than an hour are kept for a day. If there are more than `max_rows` counts,
        these are the counts of the newest complete periods.
        """

    def find_actions(
        self,
        filters: ActionFilter = ANY_ACTION,
        *,
        cursor: int | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
    ) -> list[ActionRecord]:
        """Return up to `limit` actions by id, after the id `cursor`."""

    def count_actions(self, filters: ActionFilter = ANY_ACTION, *, up_to: int | None = None) -> int:
        """Return the number of actions, at most `up_to`."""


class OperationsUpkeepStore(Protocol):
    """Bounded retention of processes, activity and actions. Ages are in real time."""

    def delete_activity(self, age: timedelta, limit: int) -> int:
        """Delete up to `limit` rows of periods that ended before `age`; return their number.

        Periods shorter than an hour are deleted after a day.
        """

    def delete_actions(self, age: timedelta, limit: int) -> int:
        """Delete up to `limit` actions older than `age`; return their number."""

    def delete_gone_processes(self, age: timedelta) -> int:
        """Delete the rows of processes that have been gone for this time; return their number."""
