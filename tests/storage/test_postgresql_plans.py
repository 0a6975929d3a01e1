"""PostgreSQL plans writes once, and searches for each execution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from support.builders.events import VM, ingest, make_event

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from winchester_core.storage.sql.store import SqlStore

pytestmark = pytest.mark.parametrize("sql_store", ["postgresql"], indirect=True)

_PLANS = text("SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements")
"""Per connection; a statement is prepared again for other types of its parameters."""

_MOVING = text(
    "SELECT format('%I(%s)', name, concat_ws(', ', VARIADIC array_fill('NULL'::text,"
    " ARRAY[cardinality(parameter_types)]))) FROM pg_prepared_statements"
    " WHERE statement LIKE '%UPDATE streams%'"
)


def prepared(store: SqlStore) -> list[tuple[str, int, int]]:
    """Return each prepared statement with its numbers of generic and custom plans."""

    def read(connection: Connection) -> list[tuple[str, int, int]]:
        return [(row[0], row[1], row[2]) for row in connection.execute(_PLANS)]

    found: list[tuple[str, int, int]] = store.database.read(read)
    return found


@pytest.fixture(autouse=True)
def one_connection(sql_store: SqlStore) -> None:
    """Reset the pool; these tests never need a second connection."""
    sql_store.database.engine.dispose()


def test_writes_of_ingest_are_planned_once(sql_store: SqlStore) -> None:
    for number in range(40):
        ingest(sql_store, VM, make_event(f"m{number}", instance="i"))
    plans = prepared(sql_store)
    assert [generic for what, generic, _ in plans if "UPDATE streams" in what and generic >= 10]
    assert all(custom <= 5 for _, _, custom in plans)


def test_streams_are_updated_through_their_index(sql_store: SqlStore) -> None:
    instances = [f"i{number}" for number in range(1000)]
    for turn in range(8):
        ingest(sql_store, VM, *(make_event(f"{turn} {each}", instance=each) for each in instances))

    def generic_plans(connection: Connection) -> list[str]:
        connection.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        return [
            "\n".join(line for (line,) in connection.execute(text(f"EXPLAIN EXECUTE {call}")))
            for (call,) in connection.execute(_MOVING).all()
        ]

    plans = sql_store.database.read(generic_plans)
    assert len(plans) >= 1
    assert all("Index Cond: (id = " in each for each in plans)


def test_searches_are_planned_for_their_values(sql_store: SqlStore) -> None:
    for _ in range(20):
        sql_store.find_streams()
    assert not [what for what, _, _ in prepared(sql_store) if what.startswith("SELECT streams")]
