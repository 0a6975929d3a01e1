"""On every database: activity is merged and deleted in batches, and processes do not deadlock."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from support.builders.operations import EVENTS, OPENED, make_report, trigger
from winchester_core.model.activity import ActivityCounts, ActivityKey, Subject
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


def add_at_age(store: SqlStore, age_seconds: int, *keys: ActivityKey) -> int:
    """Add activity in a minute of this age, at least 60; return the minute."""
    counts = ActivityCounts(streams_opened=1, runs=2, run_seconds=0.25)
    minute = store.report_process(None, dict.fromkeys(keys, counts)).minute
    moved = minute - age_seconds // 60 * 60

    def move(connection: Connection) -> None:
        here = (activity.c.period_seconds == 60) & (activity.c.begins_at == minute)
        connection.execute(update(activity).where(here).values(begins_at=moved))

    store.database.write(move)
    return moved


def numbers(store: SqlStore) -> dict[int, int]:
    """Return the number of rows by the length of their period."""
    query = select(activity.c.period_seconds, func.count()).group_by(activity.c.period_seconds)
    rows = store.database.read(lambda connection: connection.execute(query).all())
    return dict(rows)


def sums(store: SqlStore) -> dict[ActivityKey, ActivityCounts]:
    """Return the sums of all activity by key."""
    found: dict[ActivityKey, ActivityCounts] = {}
    for each in store.read_activity(store.real_time() - timedelta(days=99), HOUR):
        found[each.key] = found.get(each.key, ActivityCounts()).plus(each.counts)
    return found


def test_minutes_older_than_a_day_are_merged_into_hours(sql_store: SqlStore) -> None:
    for age in (60, HOUR, 22 * HOUR):
        add_at_age(sql_store, age, EVENTS, trigger("a"))
    old = {add_at_age(sql_store, 30 * HOUR + 60 * n, trigger("a"), RUNS) for n in range(70)}
    before = sums(sql_store)
    merged = []
    while not merged or merged[-1]:
        merged.append(sql_store.merge_activity(50))
    assert merged == [50, 50, 40, 0]
    assert sums(sql_store) == before
    assert numbers(sql_store) == {60: 6, HOUR: 2 * len({each // HOUR for each in old})}


def test_counts_of_an_hour_that_exists_are_added(sql_store: SqlStore) -> None:
    for _ in range(2):
        add_at_age(sql_store, 30 * HOUR, RUNS)
        assert sql_store.merge_activity(10) == 1
    assert sums(sql_store)[RUNS] == ActivityCounts(streams_opened=2, runs=4, run_seconds=0.5)
    assert numbers(sql_store) == {HOUR: 1}


def test_upkeep_keeps_the_activity_of_some_days(sql_store: SqlStore) -> None:
    for age in (60, 2 * DAY, 6 * DAY, 8 * DAY, 30 * DAY):
        add_at_age(sql_store, age, EVENTS)
    upkeep = OperationsUpkeep(
        sql_store, timedelta(days=7), Watchdog().deadline("worker"), threading.Event()
    )
    upkeep.round()
    assert sums(sql_store)[EVENTS].runs == 2 * 3
    assert numbers(sql_store) == {60: 1, HOUR: 2}


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


def test_workers_that_merge_at_the_same_time_count_nothing_twice(sql_store: SqlStore) -> None:
    for minute in range(60):
        add_at_age(sql_store, 30 * HOUR + 60 * minute, trigger("a"), trigger("b"))
    before = sums(sql_store)

    def merge() -> None:
        for _ in range(20):
            sql_store.merge_activity(7)

    _run_together(merge, merge, merge)
    while sql_store.merge_activity(7):
        pass
    assert sums(sql_store) == before
    assert numbers(sql_store).keys() == {HOUR}


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
