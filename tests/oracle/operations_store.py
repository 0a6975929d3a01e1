"""Processes, activity and actions of the memory store."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from oracle.locked_memory import LockedMemory
from oracle.paging import ids_after
from winchester_core.model.activity import (
    HOUR_SECONDS,
    MINUTE_SECONDS,
    PERIODS_SECONDS,
    SHORT_PERIODS_KEPT_SECONDS,
    ActivityCounts,
    ActivityKey,
    ActivityRecord,
    RecordedActivity,
)
from winchester_core.model.process import ProcessRecord
from winchester_core.storage.filters import ListOrder
from winchester_core.storage.operation_records import ANY_ACTION, ReportResult
from winchester_core.storage.operations_interface import MAX_ACTIVITY_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from winchester_core.model.action import Action, ActionRecord
    from winchester_core.model.process import ProcessReport
    from winchester_core.storage.operation_records import ActionFilter


class MemoryOperationsStore(LockedMemory):
    """An in-memory store of processes, activity and actions."""

    def report_process(
        self, process: ProcessReport | None, counts: Mapping[ActivityKey, ActivityCounts]
    ) -> ReportResult:
        """See `ProcessStore.report_process`."""
        with self._lock:
            now, known = self._clock.now(), self._memory.processes
            if process is not None:
                before = known.get(process.id)
                if before is None:
                    self._delete_predecessors(process, now)
                known[process.id] = _record(process, before, now)
            minute = self._add(now, counts)
            return ReportResult(now, minute, list(known.values()))

    def end_process(
        self, process_id: str | None, counts: Mapping[ActivityKey, ActivityCounts]
    ) -> None:
        """See `ProcessStore.end_process`."""
        with self._lock:
            self._memory.processes.pop(process_id or "", None)
            self._add(self._clock.now(), counts)

    def find_processes(self) -> list[ProcessRecord]:
        """See `OperationsReadStore.find_processes`."""
        with self._lock:
            return sorted(
                self._memory.processes.values(),
                key=lambda each: (each.kind, each.name, each.host, each.started_at, each.id),
            )

    def read_activity(
        self, since: datetime, period_seconds: int, *, max_rows: int = MAX_ACTIVITY_ROWS
    ) -> RecordedActivity:
        """See `OperationsReadStore.read_activity`."""
        begins_at = int(since.timestamp()) // period_seconds * period_seconds
        with self._lock:
            found = [
                ActivityRecord(begin, key, counts)
                for (length, begin, key), counts in sorted(self._memory.activity.items())
                if length == period_seconds and begin >= begins_at
            ]
        if len(found) > max_rows:
            begins_at = found[-max_rows - 1].begins_at + period_seconds
        return RecordedActivity(begins_at, [each for each in found if each.begins_at >= begins_at])

    def find_actions(
        self,
        filters: ActionFilter = ANY_ACTION,
        *,
        cursor: int | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
    ) -> list[ActionRecord]:
        """See `OperationsReadStore.find_actions`."""
        with self._lock:
            found = (
                self._memory.actions[each]
                for each in ids_after(self._memory.actions, cursor, order)
            )
            return [each for each in found if action_matches(filters, each)][:limit]

    def count_actions(self, filters: ActionFilter = ANY_ACTION, *, up_to: int | None = None) -> int:
        """See `OperationsReadStore.count_actions`."""
        with self._lock:
            found = (
                each for each in self._memory.actions.values() if action_matches(filters, each)
            )
            return sum(1 for _ in islice(found, up_to))

    def record_action(self, action: Action) -> None:
        """See `AdminStore.record_action`."""
        with self._transaction() as transaction:
            self._memory.record_action(transaction, action, self._clock.now())

    def delete_activity(self, age: timedelta, limit: int) -> int:
        """See `OperationsUpkeepStore.delete_activity`."""
        short_age = min(age, timedelta(seconds=SHORT_PERIODS_KEPT_SECONDS))
        with self._lock:
            now, activity = self._clock.now(), self._memory.activity
            old = [
                (length, begins_at, key)
                for length, begins_at, key in sorted(activity)
                if begins_at + length
                < int((now - (short_age if length < HOUR_SECONDS else age)).timestamp())
            ]
            return _delete(activity, old[:limit])

    def delete_actions(self, age: timedelta, limit: int) -> int:
        """See `OperationsUpkeepStore.delete_actions`."""
        with self._lock:
            before, actions = self._clock.now() - age, self._memory.actions
            old = [each.id for each in actions.values() if each.performed_at < before]
            return _delete(actions, old[:limit])

    def delete_gone_processes(self, age: timedelta) -> int:
        """See `OperationsUpkeepStore.delete_gone_processes`."""
        with self._lock:
            now, processes = self._clock.now(), self._memory.processes
            gone = [
                each.id
                for each in processes.values()
                if each.is_gone(now) and now - each.seen_at > age
            ]
            return _delete(processes, gone)

    def _add(self, now: datetime, counts: Mapping[ActivityKey, ActivityCounts]) -> int:
        minute = int(now.timestamp()) // MINUTE_SECONDS * MINUTE_SECONDS
        activity = self._memory.activity
        for length in PERIODS_SECONDS:
            for key, each in counts.items():
                row = (length, int(now.timestamp()) // length * length, key)
                activity[row] = activity.get(row, ActivityCounts()).plus(each)
        return minute

    def _delete_predecessors(self, process: ProcessReport, now: datetime) -> None:
        known = self._memory.processes
        own = (process.kind, process.name, process.host)
        gone = [
            each.id
            for each in known.values()
            if each.is_gone(now) and (each.kind, each.name, each.host) == own
        ]
        _delete(known, gone)


def _record(process: ProcessReport, before: ProcessRecord | None, now: datetime) -> ProcessRecord:
    reported: dict[str, Any] = {
        each.name: getattr(process, each.name)
        for each in fields(process)
        if each.name != "running_seconds"
    }
    configuration = ("version", "triggers_fingerprint", "pipelines_fingerprint")
    is_changed = before is None or any(
        getattr(before, name) != reported[name] for name in configuration
    )
    started_at = now - timedelta(seconds=process.running_seconds)
    return ProcessRecord(
        started_at=started_at if before is None else before.started_at,
        seen_at=now,
        configured_at=now if before is None or is_changed else before.configured_at,
        **reported,
    )


def action_matches(filters: ActionFilter, action: ActionRecord) -> bool:
    """Return whether the action matches `filters`."""
    return (
        filters.name in (None, action.name)
        and filters.action in (None, action.action)
        and (filters.older_than is None or action.performed_at < filters.older_than)
        and (filters.younger_than is None or action.performed_at >= filters.younger_than)
    )


def _delete(rows: dict[Any, Any], keys: Iterable[Any]) -> int:
    return sum(rows.pop(key, None) is not None for key in keys)
