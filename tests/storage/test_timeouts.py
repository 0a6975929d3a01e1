"""Timeouts of locks, of silent servers and of paused clients."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, select, text

from support.builders.events import VM, ingest, make_event, only_stream
from support.probes.time_limits import BOUND_SECONDS
from support.servers.databases import temporary_database
from winchester_core.errors import DatabaseUnavailable
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema_migration import DatabaseSchema
from winchester_core.storage.sql.store import SqlStore
from winchester_core.storage.sql.tables import streams
from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

SERVERS = ["postgresql", "mariadb"]
SETTINGS = {
    "postgresql": {
        "SHOW lock_timeout": "10s",
        "SHOW idle_in_transaction_session_timeout": "30s",
        "SHOW TimeZone": "UTC",
        "SHOW transaction_isolation": "read committed",
    },
    "mariadb": {
        "SELECT @@innodb_lock_wait_timeout": 10,
        "SELECT @@idle_transaction_timeout": 30,
        "SELECT @@time_zone": "+00:00",
        "SELECT @@tx_isolation": "READ-COMMITTED",
    },
}
SHORTER = {
    "postgresql": {
        "locks": "SET lock_timeout = '20ms'",
        "idle": "SET LOCAL idle_in_transaction_session_timeout = '200ms'",
    },
    "mariadb": {
        "locks": "SET innodb_lock_wait_timeout = 0",
        "idle": "SET idle_transaction_timeout = 1",
    },
}
TIMEOUT_SECONDS = BOUND_SECONDS


@pytest.fixture(params=SERVERS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(backend: str, tmp_path: Path) -> Iterator[str]:
    with temporary_database(backend, tmp_path) as temporary_url:
        with closing(Database(temporary_url)) as database:
            DatabaseSchema(database).upgrade()
        yield temporary_url


def open_store(url: str, *statements: str) -> SqlStore:
    """Return a store that runs these statements on each new connection."""
    database = Database(url)

    @event.listens_for(database.engine, "connect")
    def shorten(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        connection.commit()

    return SqlStore(database)


def test_every_session_has_timeouts(url: str, backend: str) -> None:
    with closing(Database(url)) as database:

        def read_settings(connection: Connection) -> dict[str, Any]:
            return {
                query: connection.execute(text(query)).scalar_one() for query in SETTINGS[backend]
            }

        assert database.read(read_settings) == SETTINGS[backend]


def test_options_in_the_url_take_precedence(tmp_path: Path) -> None:
    with (
        temporary_database("postgresql", tmp_path) as url,
        closing(Database(f"{url}?options=-c%20lock_timeout%3D3s&connect_timeout=7")) as database,
    ):
        given = database.read(
            lambda connection: (
                connection.execute(text("SHOW lock_timeout")).scalar_one(),
                connection.execute(text("SHOW TimeZone")).scalar_one(),
                connection.connection.driver_connection.info.get_parameters(),  # type: ignore[union-attr]
            )
        )
    assert given[:2] == ("3s", "UTC")
    assert given[2]["connect_timeout"] == "7"


def test_a_lock_timeout_is_a_conflict_and_the_transaction_is_retried(
    url: str, backend: str
) -> None:
    with (
        closing(open_store(url, SHORTER[backend]["locks"])) as store,
        closing(open_store(url)) as other,
    ):
        ingest(store, VM, make_event("1"))
        retried = store.database.counters

        with other.database.engine.begin() as holder:
            holder.execute(select(streams.c.id).with_for_update())
            thread = threading.Thread(target=ingest, args=(store, VM, make_event("2")))
            thread.start()
            waited = threading.Event()
            while not retried[Count.TRANSACTIONS_RETRIED]:
                assert not waited.wait(0.01)
        thread.join(TIMEOUT_SECONDS)
        assert not thread.is_alive()
        assert only_stream(store, instance="a").event_count == 2


def test_a_client_paused_in_a_transaction_blocks_others_for_a_limited_time(
    url: str, backend: str
) -> None:
    with (
        closing(open_store(url)) as paused,
        closing(open_store(url)) as other,
    ):
        ingest(other, VM, make_event("1"))
        has_locked, goes_on = threading.Event(), threading.Event()
        outcome: list[Exception] = []

        def pause(connection: Connection) -> None:
            connection.execute(select(streams.c.id).with_for_update())
            connection.execute(text(SHORTER[backend]["idle"]))  # for this transaction alone
            has_locked.set()
            assert goes_on.wait(TIMEOUT_SECONDS)
            connection.execute(text("SELECT 1"))

        def run() -> None:
            try:
                paused.database.write(pause)
            except DatabaseUnavailable as error:
                outcome.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        assert has_locked.wait(TIMEOUT_SECONDS)
        ingest(other, VM, make_event("2"))  # waits until the server has ended the session
        goes_on.set()
        thread.join(TIMEOUT_SECONDS)
        assert len(outcome) == 1
        ingest(paused, VM, make_event("3"))
        assert only_stream(other, instance="a").event_count == 3
