"""A database with data is migrated up and down, by the program and by printed SQL."""

from __future__ import annotations

import io
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, text

from support.builders.events import VM, claim_all, ingest, make_event
from support.builders.operations import EVENTS, OPENED, make_action, make_report
from support.servers.databases import BACKENDS, temporary_database
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.records import Rejection
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema_migration import MIGRATIONS, DatabaseSchema
from winchester_core.storage.sql.store import SqlStore
from winchester_core.storage.sql.tables import metadata, metadata_for_ddl
from winchester_core.triggers.definition import TriggerDefinition

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Table

REVISIONS = [
    each.revision for each in ScriptDirectory(str(MIGRATIONS)).walk_revisions("base", "heads")
][::-1]
FIRST_TABLES = ("events", "streams", "stream_traits", "stream_events", "rejected_messages")
LATER_COLUMNS = {
    "streams.history",
    "streams.check_at",
    "streams.failures",
    "streams.trial",
    "streams.decision",
    "streams.upkeep_at",
    "rejected_messages.context",
}
PARTIAL = {
    "postgresql": "SELECT indexdef FROM pg_indexes WHERE tablename = 'streams'",
    "sqlite": "SELECT sql FROM sqlite_master WHERE tbl_name = 'streams' AND type = 'index'",
}
"""The partial indexes, on databases that support them (MariaDB does not)."""


@pytest.fixture(params=BACKENDS)
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with data at the first revision, on each backend."""
    with temporary_database(request.param, tmp_path) as url, closing(Database(url)) as database:
        DatabaseSchema(database).upgrade()
        store = SqlStore(database)
        ingest(store, VM, *(make_event(f"u{i}", instance=i) for i in range(20)))
        ingest(store, VM, *(make_event(f"e{i}", "vm.end", instance=i) for i in range(9)))
        store.release(claim_all(store, limit=3)[:2])
        store.insert_rejected([Rejection("source", "event", "broken", b"{", 1, bytes(32))])
        DatabaseSchema(database).downgrade("0001")
        yield database


def contents(database: Database) -> list[list[object]]:
    """Return every row of the first revision's tables, without later columns."""

    def read(connection: Connection) -> list[list[object]]:
        return [_rows(connection, metadata.tables[name]) for name in FIRST_TABLES]

    return database.read(read)


def _rows(connection: Connection, table: Table) -> list[object]:
    columns = [each for each in table.c if f"{table.name}.{each.name}" not in LATER_COLUMNS]
    rows = connection.execute(select(*columns).order_by(*table.primary_key)).all()
    assert rows
    return list(rows)


def differences(database: Database) -> list[object]:
    def compare(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata_for_ddl()))

    return database.read(compare)


def run_printed(database: Database, printed: str) -> None:
    """Execute the SQL that `--sql` printed, as a database client would."""
    with database.engine.connect() as connection:
        if database.dialect.name == "postgresql":  # some indexes are built outside transactions
            connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in printed.split(";\n"):
            lines = [line for line in statement.splitlines() if not line.startswith("--")]
            if (code := "\n".join(lines).strip()) not in ("", "BEGIN", "COMMIT"):
                connection.exec_driver_sql(code)
        connection.commit()


def test_an_upgrade_keeps_all_rows(filled: Database) -> None:
    before = contents(filled)
    DatabaseSchema(filled).upgrade()
    DatabaseSchema(filled).check()
    assert contents(filled) == before
    assert differences(filled) == []
    assert ingest(SqlStore(filled), VM, make_event("more")).stored == (True,)


def test_each_revision_upgrades_and_downgrades(filled: Database) -> None:
    before, schema = contents(filled), DatabaseSchema(filled)
    for revision in REVISIONS[1:]:
        schema.upgrade(revision)
        schema.downgrade("-1")
        schema.upgrade(revision)
        assert schema.current_revision() == revision
    assert contents(filled) == before
    assert differences(filled) == []
    schema.downgrade("0001")
    assert contents(filled) == before


def test_the_printed_upgrade_has_the_same_result_on_a_filled_database(filled: Database) -> None:
    before, printed = contents(filled), io.StringIO()
    DatabaseSchema(filled, printed).print_upgrade("0001:head")
    run_printed(filled, printed.getvalue())
    DatabaseSchema(filled).check()
    assert contents(filled) == before
    assert differences(filled) == []


def test_the_printed_downgrade_goes_back_one_revision_and_to_base(filled: Database) -> None:
    before, schema = contents(filled), DatabaseSchema(filled)
    schema.upgrade()
    for target in ("0001", "base"):
        printed = io.StringIO()
        DatabaseSchema(filled, printed).print_downgrade(f"{schema.current_revision()}:{target}")
        run_printed(filled, printed.getvalue())
        if target == "0001":
            assert schema.current_revision() == target
            assert contents(filled) == before
    with filled.engine.connect() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}


def test_an_existing_index_is_kept(filled: Database) -> None:
    with filled.engine.connect() as connection:
        connection.exec_driver_sql("CREATE INDEX ix_events_timestamp_id ON events (timestamp, id)")
        connection.commit()
    DatabaseSchema(filled).upgrade()
    assert differences(filled) == []


def test_an_interrupted_upgrade_can_be_restarted(filled: Database) -> None:
    DatabaseSchema(filled).upgrade()
    DatabaseSchema(filled).stamp("0002" if "0002" in REVISIONS else "0001")
    DatabaseSchema(filled).upgrade()
    assert differences(filled) == []


@pytest.mark.parametrize("filled", list(PARTIAL), indirect=True)
def test_the_indexes_of_retries_leases_and_upkeep_are_partial(filled: Database) -> None:
    DatabaseSchema(filled).upgrade()
    with filled.engine.connect() as connection:
        found = connection.execute(text(PARTIAL[filled.dialect.name])).scalars()
        partial = [each for each in found if each and "WHERE" in each]
    assert len(partial) == 3
    assert all("IS NOT NULL" in each for each in partial)


def test_active_streams_are_checked_when_they_expire(filled: Database) -> None:
    DatabaseSchema(filled).upgrade()
    streams = metadata.tables["streams"]
    query = select(streams.c.check_at, streams.c.expire_timestamp).where(
        streams.c.state == StreamState.ACTIVE.value
    )
    rows = filled.read(lambda it: it.execute(query).all())
    assert rows
    assert all(check_at == expiry for check_at, expiry in rows)


@pytest.mark.parametrize("filled", ["postgresql"], indirect=True)
def test_on_postgresql_the_fill_factor_of_streams_is_50(filled: Database) -> None:
    query = text("SELECT reloptions FROM pg_class WHERE relname = 'streams'")
    schema = DatabaseSchema(filled)
    for change, expected in ((schema.upgrade, ["fillfactor=50"]), (schema.downgrade, None)):
        change("0006" if expected else "0005")
        assert filled.read(lambda it: it.execute(query).scalar_one()) == expected


@pytest.mark.parametrize("filled", ["sqlite"], indirect=True)
def test_on_sqlite_links_have_no_rowid(filled: Database) -> None:
    query = text("SELECT count(*) FROM sqlite_master WHERE sql LIKE '%WITHOUT ROWID%'")
    schema = DatabaseSchema(filled)
    for change, expected in ((schema.upgrade, 2), (schema.downgrade, 0)):
        change("0007" if expected else "0006")
        assert filled.read(lambda it: it.execute(query).scalar_one()) == expected


def test_a_downgrade_deletes_what_waits_and_the_progress_that_older_programs_cannot_read(
    filled: Database,
) -> None:
    schema, store = DatabaseSchema(filled), SqlStore(filled)
    schema.upgrade()
    trigger = TriggerDefinition.from_config(
        {
            "name": "pairs",
            "distinguished_by": ["instance"],
            "match_criteria": [{"event_type": "a"}, {"event_type": "b", "opens": False}],
            "lateness": "1h",
            "fire_criteria": [{"event_type": "a", "number": 2}, {"event_type": "b"}],
            "fire_order": "sequence",
            "suppress": "1d",
            "expiration": "$last + 1h",
            "expire_pipeline": "p",
        },
        {},
    )
    ingest(store, trigger, make_event("open", "a", instance="open"))
    ingest(store, trigger, make_event("waits", "b", instance="waits"))
    fired = [make_event(f"f{n}", kind, n, instance="fired") for n, kind in enumerate("aab")]
    ingest(store, trigger, *fired)
    schema.downgrade("0008")
    query = text("SELECT state, progress, fingerprint FROM streams WHERE name = 'pairs'")
    rows = filled.read(lambda connection: [tuple(row) for row in connection.execute(query)])
    assert rows == [("active", "", ""), ("active", "", "")]
    links = text(
        "SELECT count(*) FROM stream_events WHERE stream_id NOT IN (SELECT id FROM streams)"
    )
    assert filled.read(lambda connection: connection.execute(links).scalar_one()) == 0
    schema.upgrade()
    ingest(store, trigger, make_event("second", "a", 1, instance="open"))
    assert store.find_streams(StreamFilter(traits={"instance": "open"}))[0].progress == (2, 0)


def test_a_downgrade_drops_the_contexts_of_rejected_messages(filled: Database) -> None:
    schema, store = DatabaseSchema(filled), SqlStore(filled)
    schema.upgrade()
    rejection = Rejection("mapped", "event", "broken", b"{}", 2, b"m" * 32, '{"mappings": ["m"]}')
    store.insert_rejected([rejection])
    schema.downgrade("0010")
    schema.upgrade()
    kept = {each.source: each for each in store.find_rejected()}
    assert (kept["mapped"].body, kept["mapped"].context) == (b"{}", None)
    assert differences(filled) == []


def test_a_downgrade_drops_processes_activity_and_actions(filled: Database) -> None:
    schema, store = DatabaseSchema(filled), SqlStore(filled)
    schema.upgrade()
    store.report_process(make_report(), {EVENTS: OPENED})
    store.record_action(make_action())
    before = contents(filled)
    schema.downgrade("0009")
    assert contents(filled) == before
    schema.upgrade()
    assert (store.find_processes(), store.find_actions()) == ([], [])
    assert store.read_activity(store.real_time() - timedelta(hours=1), 60).records == []
    assert differences(filled) == []
