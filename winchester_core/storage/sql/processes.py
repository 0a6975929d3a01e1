"""Statements on the rows of running processes."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from winchester_core.model.process import ProcessKind, ProcessRecord
from winchester_core.storage.operation_records import ReportResult
from winchester_core.storage.sql import activity
from winchester_core.storage.sql.queries import make_record
from winchester_core.storage.sql.tables import processes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Row

    from winchester_core.model.activity import ActivityCounts, ActivityKey
    from winchester_core.model.process import ProcessReport
    from winchester_core.storage.sql.database import Transaction

_REPORTED = (
    *("kind", "name", "host", "pid", "version", "period_seconds"),
    *("triggers_fingerprint", "pipelines_fingerprint"),
)
_CONFIGURATION = ("version", "triggers_fingerprint", "pipelines_fingerprint")


def report(
    tx: Transaction,
    process: ProcessReport | None,
    counts: Mapping[ActivityKey, ActivityCounts],
) -> ReportResult:
    """Store the report of a process, and add its activity; return all processes.

    The first report of a process deletes rows of the same kind, name and host that are gone.
    """
    now = tx.real_time()
    stored = find_all(tx)
    if process is not None:
        own = next((each for each in stored if each.id == process.id), None)
        record = _record(process, own, now)
        if own is None:
            gone = [each.id for each in stored if _is_predecessor(each, record, now)]
            _delete(tx, gone)
            tx.execute(insert(processes).values(_values(record)))
            stored = [each for each in stored if each.id not in gone]
        else:
            statement = update(processes).where(processes.c.id == record.id)
            tx.execute(statement.values(_values(record)))
        stored = [*(each for each in stored if each.id != record.id), record]
    minute = activity.add(tx, now, counts)
    return ReportResult(now, minute, stored)


def end(
    tx: Transaction, process_id: str | None, counts: Mapping[ActivityKey, ActivityCounts]
) -> None:
    """Delete the row of a process that ends, if it has one, and add its last activity."""
    now = tx.real_time()
    if process_id is not None:
        _delete(tx, [process_id])
    activity.add(tx, now, counts)


def find_all(tx: Transaction) -> list[ProcessRecord]:
    """Return all processes, by kind, name, host and start."""
    columns = processes.c
    order = (columns.kind, columns.name, columns.host, columns.started_at, columns.id)
    return [_process_from_row(row) for row in tx.execute(select(processes).order_by(*order))]


def delete_gone(tx: Transaction, age: timedelta) -> int:
    """Delete the processes that have been gone for this time; return their number."""
    now = tx.real_time()
    gone = [each.id for each in find_all(tx) if each.is_gone(now) and now - each.seen_at > age]
    _delete(tx, gone)
    return len(gone)


def _record(process: ProcessReport, own: ProcessRecord | None, now: datetime) -> ProcessRecord:
    reported: dict[str, Any] = {name: getattr(process, name) for name in _REPORTED}
    is_unchanged = own is not None and all(
        getattr(own, name) == reported[name] for name in _CONFIGURATION
    )
    started_at = now - timedelta(seconds=process.running_seconds)
    return ProcessRecord(
        id=process.id,
        started_at=started_at if own is None else own.started_at,
        seen_at=now,
        configured_at=own.configured_at if own is not None and is_unchanged else now,
        overdue=process.overdue,
        **reported,
    )


def _is_predecessor(other: ProcessRecord, own: ProcessRecord, now: datetime) -> bool:
    return other.is_gone(now) and (other.kind, other.name, other.host) == (
        own.kind,
        own.name,
        own.host,
    )


def _values(record: ProcessRecord) -> dict[str, Any]:
    names = (column.name for column in processes.columns)
    values = {name: getattr(record, name) for name in names}
    return {**values, "kind": record.kind.value, "overdue": json.dumps(record.overdue)}


def _process_from_row(row: Row[Any]) -> ProcessRecord:
    overdue = tuple(json.loads(row.overdue))
    return make_record(ProcessRecord, row, kind=ProcessKind(row.kind), overdue=overdue)


def _delete(tx: Transaction, process_ids: Iterable[str]) -> None:
    for process_id in sorted(process_ids):  # in the same order in all processes
        tx.execute(delete(processes).where(processes.c.id == process_id))
