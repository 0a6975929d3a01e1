"""Servers that accept no writes: an old primary is not used again, a standby may be read."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, cast

import pytest
from sqlalchemy import text

from support.builders.events import NOON, VM, ingest, make_event
from support.builders.operations import make_action, make_report
from support.probes.time_limits import BOUND_SECONDS
from support.servers.database_servers import private_server, private_standby
from winchester_core.bootstrap import open_store
from winchester_core.errors import DatabaseUnavailable
from winchester_core.model.statistics import Replica
from winchester_core.storage.database_limits import DatabaseLimits
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.storage.sql import database as database_module
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema_migration import DatabaseSchema
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from support.servers.database_servers import PostgresqlServer

READ_ONLY = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}


@pytest.mark.parametrize("sql_store", READ_ONLY, indirect=True)
def test_the_pool_is_renewed_when_the_server_refuses_to_write(sql_store: SqlStore) -> None:
    def refuse_writes(connection: Connection) -> None:
        connection.execute(text(READ_ONLY[sql_store.database.dialect.name]))

    sql_store.database.engine.dispose()
    sql_store.database.read(refuse_writes)  # this session represents the old primary
    with pytest.raises(DatabaseUnavailable):
        ingest(sql_store, VM, make_event("1", instance="i"))
    ingest(sql_store, VM, make_event("1", instance="i"))
    assert sql_store.has_event("1")


def test_a_standby_is_read_and_refuses_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "CHECK_INTERVAL_SECONDS", 0)
    with private_server("postgresql") as server:
        primary = cast("PostgresqlServer", server)
        with closing(SqlStore(Database(primary.url_through(primary.port)))) as store:
            DatabaseSchema(store.database).upgrade()
            with private_standby(primary) as standby:
                ingest(store, VM, make_event("1", instance="i"))
                standby.wait_until_replayed()
                check_standby(standby.url_through(standby.port), store)


def test_the_age_of_the_data_of_a_read_only_mariadb_is_that_of_the_latest_report() -> None:
    with (
        private_server("mariadb") as server,
        closing(SqlStore(Database(server.url, read_only_allowed=True))) as store,
    ):
        DatabaseSchema(store.database).upgrade()
        assert store.replica() is None
        server.execute("SET GLOBAL read_only = 1")
        assert store.replica() == Replica(lag_seconds=None)
        server.execute("SET GLOBAL read_only = 0")
        store.report_process(make_report(), {})
        server.execute("SET GLOBAL read_only = 1")
        replica = store.replica()
        assert replica is not None
        assert replica.lag_seconds is not None
        assert 0 <= replica.lag_seconds < BOUND_SECONDS


def check_standby(url: str, primary: SqlStore) -> None:
    settings = {"database": {"url": url}}
    limits = DatabaseLimits()
    with closing(open_store(settings, limits=limits, read_only_allowed=True)) as standby:
        for _ in range(2):
            page = standby.page_of_streams(StreamFilter(traits={"instance": "i"}))
            assert page.items == primary.find_streams()
            assert standby.page_of_events(EventFilter(since=NOON)).total == 1
            assert standby.page_of_stream_events(page.items[0].id).total == 1
            assert standby.statistics(NOON).rejected == 0
            assert standby.replica() == Replica(lag_seconds=0)
            assert standby.read_activity(NOON, 60).records == standby.find_processes() == []
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            standby.purge_stream(page.items[0].id, action=make_action())
