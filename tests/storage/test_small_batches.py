"""A single event costs few round trips, and succeeds or fails as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from support.builders.events import VM, ingest, make_event, make_trigger, matched_events
from support.probes.statement_counts import metered
from winchester_core.clock import EventTime
from winchester_core.errors import DatabaseUnavailable, DataRefused
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.sql.dialects import bulk, driver_statements
from winchester_core.storage.sql.dialects.bulk import SMALL_BATCH_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable

    from winchester_core.model.event import Event
    from winchester_core.storage.sql.store import SqlStore

TRIGGERS = (VM, make_trigger("also by kind", by=("instance", "event_type")))


def record(store: SqlStore, *events: Event) -> None:
    """Record one batch at the time of its events."""
    store.record(matched_events(TRIGGERS, events), EventTime())


def contents(store: SqlStore) -> list[Any]:
    """Return the contents of each stream, in an order that does not depend on its id."""
    return sorted(
        (
            stream.name,
            sorted(map(str, stream.distinguished_by.items())),
            stream.first_event,
            stream.fire_timestamp is None,
            [each["message_id"] for each in store.get_stream_events(stream.id)],
        )
        for stream in store.find_streams()
    )


def reopening(instances: int) -> list[Event]:
    """Return events of which every third closes its instance's stream and opens the next."""
    return [
        make_event(f"{part}/{name:03}", seconds=part * 4000, instance=name)
        for part in range(3)
        for name in range(instances)
    ]


@pytest.mark.parametrize("instances", [1, 2, 7])
def test_small_and_large_batches_have_the_same_result(
    sql_store: SqlStore, monkeypatch: pytest.MonkeyPatch, instances: int
) -> None:
    several = [make_event(f"all/{name}", seconds=9000, instance=name) for name in range(instances)]
    outcomes = []
    for few in (SMALL_BATCH_ROWS, -1):
        monkeypatch.setattr(bulk, "SMALL_BATCH_ROWS", few)
        for each in reopening(instances):
            record(sql_store, each)
        record(sql_store, *several)
        outcomes.append(contents(sql_store))
        assert sql_store.count_streams(StreamFilter()) == 2 * 3 * instances
        sql_store.database.write(_empty)
    assert outcomes[0] == outcomes[1]


def test_streams_that_one_batch_opens_and_closes_are_inserted_together(sql_store: SqlStore) -> None:
    record(sql_store, *reopening(5))
    assert sql_store.count_streams(StreamFilter()) == 2 * 15
    assert sql_store.count_streams(StreamFilter(is_open=True)) == 2 * 5
    assert all(len(events) == 1 for *_, events in contents(sql_store))


@pytest.mark.parametrize("sql_store", ["postgresql", "mariadb"], indirect=True)
@pytest.mark.parametrize("instances", [2, 200])
def test_closing_new_streams_waits_for_no_other_row(sql_store: SqlStore, instances: int) -> None:
    ingest(sql_store, VM, make_event("other", instance="other"))
    with sql_store.database.engine.begin() as other:
        other.execute(text("SELECT id FROM streams FOR UPDATE")).all()
        with metered(sql_store.database) as meter:
            record(sql_store, *reopening(instances))
    assert sum("event_clock" in each for each in meter.statements) == 2  # it was not tried again
    assert sql_store.count_streams(StreamFilter(is_open=True)) == 2 * instances + 1


@pytest.mark.parametrize("number", [1, SMALL_BATCH_ROWS // 4, SMALL_BATCH_ROWS])
def test_new_streams_get_their_own_rows(sql_store: SqlStore, number: int) -> None:
    ingest(sql_store, VM, *(make_event(f"{i}", instance=i) for i in range(number)))
    found = {
        stream.distinguished_by["instance"]: [
            each["instance"] for each in sql_store.get_stream_events(stream.id)
        ]
        for stream in sql_store.find_streams()
    }
    assert found == {i: [i] for i in range(number)}


@pytest.mark.parametrize("sql_store", ["postgresql", "mariadb"], indirect=True)
def test_an_event_costs_no_round_trip_for_each_table(
    sql_store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(sql_store, VM, make_event("before", instance="other"))
    journeys: list[str] = []

    def counting(way: Callable[..., object]) -> Callable[..., object]:
        def call(connection: object, statement: str, parameters: object, **how: object) -> object:
            journeys.append(statement)
            return way(connection, statement, parameters, **how)

        return call

    for name in ("execute", "fetch", "fetch_multiple"):
        monkeypatch.setattr(driver_statements, name, counting(getattr(driver_statements, name)))
    for message_id in ("opens", "joins"):
        journeys.clear()
        ingest(sql_store, VM, make_event(message_id, instance="new"))
        assert len(journeys) == 2


def test_a_refused_row_rolls_back_the_others(sql_store: SqlStore) -> None:
    if sql_store.database.dialect.embedded:
        pytest.skip("SQLite refuses no name for its length")
    trigger = make_trigger("n" * 300)
    with pytest.raises(DataRefused):
        ingest(sql_store, trigger, make_event("1"))
    assert sql_store.count_events() == 0
    ingest(sql_store, VM, make_event("1"))
    assert [events for *_, events in contents(sql_store)] == [["1"]]


@pytest.mark.parametrize("sql_store", ["mariadb"], indirect=True)
def test_an_error_of_a_later_statement_is_raised(sql_store: SqlStore) -> None:
    def work(connection: Any) -> None:
        connection.execute(text("INSERT INTO event_clock (id) VALUES (77)"))
        driver_statements.fetch_multiple(
            connection, "SELECT %s; SELECT 1 FROM nowhere; SELECT %s", (1, 2)
        )

    with pytest.raises(Exception, match="nowhere"):
        sql_store.database.write(work)
    count = text("SELECT count(*) FROM event_clock WHERE id = 77")
    assert sql_store.database.read(lambda it: it.execute(count).scalar_one()) == 0
    answers = sql_store.database.read(
        lambda it: driver_statements.fetch_multiple(
            it, "SELECT %s; DO 1; SELECT %s UNION SELECT 9", (1, 2)
        )
    )
    assert [sorted(each.rows) for each in answers] == [[(1,)], [], [(2,), (9,)]]


@pytest.mark.parametrize("sql_store", ["mariadb"], indirect=True)
def test_a_connection_that_breaks_between_two_statements_is_not_reused(
    sql_store: SqlStore,
) -> None:
    def work(connection: Any) -> None:
        number = connection.execute(text("SELECT connection_id()")).scalar_one()
        driver_statements.fetch_multiple(
            connection, f"SELECT %s; KILL CONNECTION {number}; SELECT %s", (1, 2)
        )

    with pytest.raises(DatabaseUnavailable):
        sql_store.database.write(work)
    assert ingest(sql_store, VM, make_event("1")).stored == (True,)


@pytest.mark.parametrize("sql_store", ["mariadb"], indirect=True)
def test_values_that_look_like_sql_are_values(sql_store: SqlStore) -> None:
    sly = "x'; DROP TABLE stream_events; SELECT '\\"
    notes = {
        "plain": "%s; %s",
        "quoted": "'\\'\"\\\\'",
        "ends": "\\",
        "zero": "\0\n\r\x1a",
        "wide": "ﬁ𝒳'",
    }
    ingest(sql_store, VM, make_event("1; DELETE FROM events; --", instance=sly, **notes))
    (stream,) = sql_store.find_streams()
    assert stream.distinguished_by["instance"] == sly
    (event,) = sql_store.get_stream_events(stream.id)
    assert event["message_id"] == "1; DELETE FROM events; --"
    assert {name: event[name] for name in notes} == notes


@pytest.mark.parametrize("sql_store", ["mariadb"], indirect=True)
def test_rowcounts_are_of_matched_rows(sql_store: SqlStore) -> None:
    """As in SQLAlchemy: an update that changes no value still counts its row."""
    ingest(sql_store, VM, make_event("1"))
    same = text("UPDATE streams SET state = state")
    assert sql_store.database.write(lambda it: it.execute(same).rowcount) == 1


def _empty(connection: Any) -> None:
    for table in ("events", "streams", "stream_events", "stream_traits"):
        connection.execute(text(f"DELETE FROM {table}"))
    connection.execute(text("UPDATE event_clock SET stream_time = NULL"))
