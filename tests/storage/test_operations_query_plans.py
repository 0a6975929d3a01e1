"""Query plans of PostgreSQL and MariaDB: processes, activity and actions of many days."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert

from support.builders.operations import make_action, make_report
from support.probes.query_plans import readings
from winchester_core.inspection.activity_series import MAX_VALUES, activity_series
from winchester_core.model.activity import HOUR_SECONDS, PERIODS_SECONDS, ActivityCounts, Subject
from winchester_core.storage.filters import ListOrder
from winchester_core.storage.operation_records import ActionFilter
from winchester_core.storage.sql.store import SqlStore
from winchester_core.storage.sql.tables import actions, activity

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from support.probes.query_plans import Reading
    from support.servers.databases import Databases

ACTIONS = 3_000
NAMES = 5
MAX_ROWS = 100
LIMIT = 10
HOUR = timedelta(hours=1)
DAY_SECONDS = 86_400


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def filled(request: pytest.FixtureRequest, databases: Databases) -> SqlStore:
    """A store with a day or a week of activity, and an action every minute."""
    store = SqlStore(databases.emptied(request.param))
    now = store.real_time()
    second = int(now.timestamp())
    lengths = [
        (length, second - second % length - length * n)
        for length in PERIODS_SECONDS
        for n in range(DAY_SECONDS * (1 if length < HOUR_SECONDS else 7) // length)
    ]
    periods = [
        {
            "period_seconds": period_seconds,
            "begins_at": begins_at,
            "subject": Subject.TRIGGER.value,
            "name": f"t{number}",
            **ActivityCounts(streams_opened=1)._asdict(),
        }
        for period_seconds, begins_at in lengths
        for number in range(NAMES)
    ]
    performed = [
        {
            "performed_at": now - timedelta(minutes=ACTIONS - number),
            "name": "anna" if number % 100 else "berta",
            "role": "operator",
            "address": "127.0.0.1",
            "action": "stream.reset",
            "target": "stream 7",
            "number": 1,
        }
        for number in range(ACTIONS)
    ]

    def add(connection: Connection) -> None:
        connection.execute(insert(activity), periods)
        connection.execute(insert(actions), performed)

    store.database.write(add)
    with store.database.engine.connect() as connection:
        autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
        verb = "VACUUM (ANALYZE)" if request.param == "postgresql" else "ANALYZE TABLE"
        for table in ("activity", "actions"):
            autocommit.exec_driver_sql(f"{verb} {table}")
    return store


def excessive(measured: list[Reading], rows: int) -> list[Reading]:
    """Return the statements that read a whole table, or more than `rows`."""
    return [each for each in measured if each.whole_tables or each.rows > rows]


def test_activity_is_read_by_its_time(filled: SqlStore) -> None:
    now = filled.real_time()
    for hours, step_seconds in ((1, 60), (9, 600), (24, 3_600), (59, 3_600), (168, 21_600)):
        with readings(filled.database) as measured:
            series = list(activity_series(filled, now - hours * HOUR, now))
        steps = hours * HOUR_SECONDS // step_seconds
        assert {each["period_seconds"] for each in series} == {step_seconds}
        assert {each["total"] for each in series} <= {steps - 1, steps, steps + 1}
        assert len(series) == NAMES
        assert len(measured) == 1
        assert excessive(measured, 2 * (MAX_VALUES + 1) * NAMES) == []  # index entries and rows


def test_too_much_activity_is_not_read(filled: SqlStore) -> None:
    with readings(filled.database) as measured:
        found = filled.read_activity(filled.real_time() - 24 * HOUR, 60, max_rows=3 * NAMES + 1)
    newest = found.begins_at + 2 * 60
    assert {each.begins_at for each in found.records} == set(range(found.begins_at, newest + 1, 60))
    assert len(found.records) == 3 * NAMES
    assert excessive(measured, 2 * (3 * NAMES + 2)) == []


def test_upkeep_of_activity_reads_a_batch(filled: SqlStore) -> None:
    with readings(filled.database) as measured:
        filled.delete_activity(timedelta(days=7), 50)
        filled.delete_actions(timedelta(days=90), 50)
    assert len(measured) >= 2
    assert excessive(measured, 2 * 50) == []


@pytest.mark.parametrize("order", ListOrder)
def test_the_latest_actions_are_read_in_the_order_of_their_ids(
    filled: SqlStore, order: ListOrder
) -> None:
    with readings(filled.database) as measured:
        page = filled.page_of_actions(limit=LIMIT, order=order)
        filled.page_of_actions(after=page.keys[-1], limit=LIMIT, order=order)
    assert len(page.items) == LIMIT
    assert excessive(measured, LIMIT) == []


@pytest.mark.parametrize("order", ListOrder)
@pytest.mark.parametrize("hours", [1, 40, -1])
@pytest.mark.parametrize("name", [None, "anna", "berta", "none"])
def test_a_page_of_actions_reads_a_bounded_number_of_rows(
    filled: SqlStore, order: ListOrder, hours: int, name: str | None
) -> None:
    filters = ActionFilter(name=name, younger_than=filled.real_time() - hours * HOUR)
    with readings(filled.database) as measured:
        page = filled.page_of_actions(filters, limit=LIMIT, order=order, max_rows=MAX_ROWS)
    assert (page.total is None) == (hours == 40)
    assert excessive(measured, 4 * MAX_ROWS) == []


@pytest.mark.parametrize("order", ListOrder)
def test_actions_of_a_name_are_searched_in_a_window(filled: SqlStore, order: ListOrder) -> None:
    with readings(filled.database) as measured:
        page = filled.page_of_actions(
            ActionFilter(name="none"), limit=LIMIT, order=order, max_rows=MAX_ROWS
        )
    assert (page.items, page.searched_to is None) == ([], False)
    assert excessive(measured, MAX_ROWS) == []


def test_the_processes_are_read_by_one_query(filled: SqlStore) -> None:
    for number in range(20):
        filled.report_process(make_report(f"p{number}", name=f"worker-{number}"), {})
    with readings(filled.database) as measured:
        assert len(filled.find_processes()) == 20
    assert [each.rows for each in measured] in ([20], [40])  # MariaDB counts sorted rows again
    filled.record_action(make_action())
