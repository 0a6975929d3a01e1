"""On every database: activity is deleted in batches, and processes do not deadlock."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from support.builders.operations import EVENTS, OPENED, make_report, trigger
from winchester_core.model.activity import PERIODS_SECONDS, ActivityCounts, ActivityKey, Subject
from winchester_core.storage.operation_records import ACTION_AGE, GONE_PROCESS_AGE
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.store import SqlStore
from winchester_core.storage.sql.tables import activity, processes
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.telemetry.watchdog import Watchdog
from winchester_core.worker.operations_upkeep import OperationsUpkeep

if TYPE_CHECKING:
    from sqlalchemy import Connection

HOUR, DAY = 3_600, 86_400
RUNS = ActivityKey(Subject.PIPELINE, "p")


def add_at_age(store: SqlStore, age_seconds: int, *keys: ActivityKey) -> None:
    """Add activity in periods that began this long ago."""
    counts = ActivityCounts(streams_opened=1, runs=2, run_seconds=0.25)
    minute = store.report_process(None, dict.fromkeys(keys, counts)).minute

    def move(connection: Connection) -> None:
        for length in PERIODS_SECONDS:
            begins_at = activity.c.begins_at
            here = (activity.c.period_seconds == length) & (begins_at == minute - minute % length)
            moved = (minute - age_seconds) // length * length
            connection.execute(update(activity).where(here).values(begins_at=moved))

    store.database.write(move)


def numbers(store: SqlStore) -> dict[int, int]:
    """Return the number of rows by the length of their period."""
    query = select(activity.c.period_seconds, func.count()).group_by(activity.c.period_seconds)
    rows = store.database.read(lambda connection: connection.execute(query).all())
    return dict(rows)


def sums(store: SqlStore) -> dict[ActivityKey, ActivityCounts]:
    """Return the sums of all activity by key."""
    found: dict[ActivityKey, ActivityCounts] = {}
    for each in store.read_activity(store.real_time() - timedelta(days=99), HOUR).records:
        found[each.key] = found.get(each.key, ActivityCounts()).plus(each.counts)
    return found


def test_upkeep_keeps_short_periods_for_a_day_and_the_others_for_some_days(
    sql_store: SqlStore,
) -> None:
    for age in (DAY - 3 * HOUR, DAY + 4 * HOUR, 6 * DAY, 8 * DAY, 30 * DAY):
        add_at_age(sql_store, age, EVENTS)
    upkeep = OperationsUpkeep(
        sql_store, timedelta(days=7), Watchdog().deadline("worker"), threading.Event()
    )
    upkeep.round()
    assert sums(sql_store)[EVENTS].runs == 2 * 3
    assert numbers(sql_store) == {60: 1, 600: 1, HOUR: 3, 6 * HOUR: 3}


def test_activity_is_deleted_in_batches(sql_store: SqlStore) -> None:
    for number in range(12):
        add_at_age(sql_store, 9 * DAY + 6 * HOUR * number, RUNS)
    deleted = []
    while not deleted or deleted[-1]:
        deleted.append(sql_store.delete_activity(timedelta(days=7), 20))
    assert deleted == [20, 20, 8, 0]
    assert numbers(sql_store) == {}


def test_upkeep_deletes_processes_that_have_been_gone_for_a_day(sql_store: SqlStore) -> None:
    for name in ("gone", "recently gone", "running"):
        sql_store.report_process(make_report(name, name=name), {})
    now = sql_store.real_time()

    def age(connection: Connection) -> None:
        for name, hours in (("gone", 25), ("recently gone", 23)):
            seen_at = now - timedelta(hours=hours)
            statement = update(processes).where(processes.c.id == name)
            connection.execute(statement.values(seen_at=seen_at))

    sql_store.database.write(age)
    assert sql_store.delete_gone_processes(GONE_PROCESS_AGE) == 1
    assert [each.id for each in sql_store.find_processes()] == ["recently gone", "running"]
    assert sql_store.delete_actions(ACTION_AGE, 10) == 0


def test_workers_that_delete_at_the_same_time_do_not_fail(sql_store: SqlStore) -> None:
    for number in range(30):
        add_at_age(sql_store, 9 * DAY + 6 * HOUR * number, trigger("a"), trigger("b"))
    deleted: list[int] = []

    def delete() -> None:
        deleted.extend(sql_store.delete_activity(timedelta(days=7), 7) for _ in range(20))

    _run_together(delete, delete, delete)
    while found := sql_store.delete_activity(timedelta(days=7), 7):
        deleted.append(found)
    assert sum(deleted) == 2 * 30 * len(PERIODS_SECONDS)
    assert numbers(sql_store) == {}


def test_processes_add_to_the_same_minute_without_deadlocks(sql_store: SqlStore) -> None:
    names = [f"t{number}" for number in range(150)]
    counters = Counters()
    url = sql_store.database.engine.url.render_as_string(hide_password=False)
    others = [SqlStore(Database(url, counters=counters)) for _ in range(2)]

    def add(store: SqlStore, own: list[str], process_id: str) -> None:
        for _ in range(10):
            report = make_report(process_id, name=process_id)
            store.report_process(report, {trigger(name): OPENED for name in own})

    try:
        _run_together(
            lambda: add(others[0], names, "one"), lambda: add(others[1], names[::-1], "two")
        )
    finally:
        for store in others:
            store.close()
    assert counters[Count.TRANSACTIONS_RETRIED] == 0
    opened = {key.name: counts.streams_opened for key, counts in sums(sql_store).items()}
    assert opened == dict.fromkeys(names, 20)
    assert {each.id for each in sql_store.find_processes()} == {"one", "two"}


def _run_together(*actions: object) -> None:
    threads = [threading.Thread(target=action) for action in actions]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
