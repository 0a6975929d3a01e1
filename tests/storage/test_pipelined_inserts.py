"""PostgreSQL: pipelined inserts of a batch fail and succeed as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from support.builders.events import VM, ingest, make_event
from support.probes.statement_counts import metered
from winchester_core.errors import DatabaseUnavailable, DataRefused
from winchester_core.storage.sql.dialects import postgresql_bulk
from winchester_core.storage.sql.dialects.postgresql_bulk import PIPELINE_ROWS

if TYPE_CHECKING:
    from winchester_core.model.event import Event
    from winchester_core.storage.sql.store import SqlStore

pytestmark = pytest.mark.parametrize("sql_store", ["postgresql"], indirect=True)

MANY = 3 * PIPELINE_ROWS + 7


def batch(number: int = MANY) -> list[Event]:
    return [make_event(f"{place:04}", instance=place % 10) for place in range(number)]


def contents(store: SqlStore) -> list[Any]:
    return [
        (stream.event_count, [each["message_id"] for each in store.get_stream_events(stream.id)])
        for stream in store.find_streams()
    ]


@pytest.mark.parametrize("number", [1, 2, PIPELINE_ROWS, PIPELINE_ROWS + 1, MANY])
def test_all_parts_are_stored_once(sql_store: SqlStore, number: int) -> None:
    assert ingest(sql_store, VM, *batch(number)).stored == (True,) * number
    assert ingest(sql_store, VM, *batch(number)).stored == (False,) * number
    assert sql_store.count_events() == number
    assert sum(count for count, _ in contents(sql_store)) == number


def test_duplicates_are_skipped(sql_store: SqlStore) -> None:
    ingest(sql_store, VM, *batch()[10:-300:7])
    known = {each["message_id"] for each in batch()[10:-300:7]}
    stored = ingest(sql_store, VM, *batch()).stored
    assert stored == tuple(each["message_id"] not in known for each in batch())


@pytest.mark.parametrize("place", [0, PIPELINE_ROWS + 3, MANY - 1])
def test_a_refused_row_rolls_back_all_parts(sql_store: SqlStore, place: int) -> None:
    events = batch()
    events[place]["message_id"] = f"{place:04}" + "x" * 300
    with pytest.raises(DataRefused, match="too long"):
        ingest(sql_store, VM, *events)
    assert sql_store.count_events() == 0
    assert all(ingest(sql_store, VM, *batch()).stored)


def test_a_connection_that_breaks_between_parts_is_not_reused(
    sql_store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql_store.database.engine.dispose()  # else others that were idle would be cut, too
    sent: list[object] = []
    insert_text = postgresql_bulk.PostgresqlWriter._insert

    def cut(self: Any, statement: Any, rows: Any) -> Any:
        sent.append(rows)
        if len(sent) == 2:
            with sql_store.database.engine.connect() as other:
                query = (
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                    "current_database() AND pid <> pg_backend_pid()"
                )
                other.execute(text(query)).all()
        return insert_text(self, statement, rows)

    monkeypatch.setattr(postgresql_bulk.PostgresqlWriter, "_insert", cut)
    with pytest.raises(DatabaseUnavailable):
        ingest(sql_store, VM, *batch())
    monkeypatch.undo()
    assert sql_store.count_events() == 0
    assert all(ingest(sql_store, VM, *batch()).stored)


def test_without_pipeline_mode_statements_are_sent_separately(
    sql_store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(sql_store, VM, *batch())
    in_parts = contents(sql_store)
    sql_store.database.write(lambda it: it.execute(text("TRUNCATE events, streams, stream_events")))
    monkeypatch.setattr(postgresql_bulk, "supports_pipeline", lambda: False)
    with metered(sql_store.database) as meter:
        ingest(sql_store, VM, *batch())
    assert contents(sql_store) == in_parts
    assert sum(each.startswith("INSERT INTO events") for each in meter.statements) == 1
