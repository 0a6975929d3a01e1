"""The migrations create the tables that the program requires, and remove them."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from support.servers.databases import BACKENDS, temporary_database
from winchester_core.errors import SchemaMismatch, StorageError
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema_migration import MIGRATIONS, DatabaseSchema
from winchester_core.storage.sql.schema_revision import SCHEMA_REVISION
from winchester_core.storage.sql.store import SqlStore
from winchester_core.storage.sql.tables import metadata, metadata_for_ddl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection


@pytest.fixture(params=BACKENDS)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without tables, on each backend."""
    with temporary_database(request.param, tmp_path) as url, closing(Database(url)) as database:
        yield database


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Database]:
    """An SQLite file without tables."""
    with closing(Database(f"sqlite:///{tmp_path / 'events.db'}")) as database:
        yield database


def table_names(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    return list(compare_metadata(context, metadata_for_ddl()))


def definitions(connection: Connection) -> dict[str, list[str]]:
    """Return SQLite's stored table definitions, split into parts.

    The parts are sorted, as an added column is stored after the constraints.
    """
    query = text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {
        name: sorted(_parts(" ".join(sql.split())))
        for name, sql in connection.execute(query)
        if "alembic_version" not in name
    }


def _parts(definition: str) -> list[str]:
    """Split a definition into its head and the comma-separated parts in its brackets."""
    begin, bracket, inside = definition.partition("(")
    depth, parts = 0, [""]
    for character in inside.removesuffix(")") if bracket else "":
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [begin.strip(), *(part.strip() for part in parts)]


def test_an_upgrade_creates_the_tables_that_the_program_requires(empty: Database) -> None:
    DatabaseSchema(empty).upgrade()
    assert empty.read(table_names) == {*metadata.tables, "alembic_version"}
    assert empty.read(differences) == []


def test_migrated_text_columns_are_compared_by_code_point(empty: Database) -> None:
    DatabaseSchema(empty).upgrade()
    if empty.dialect.name == "mariadb":
        query = text(
            "SELECT DISTINCT collation_name FROM information_schema.columns "
            "WHERE table_schema = database() AND column_type LIKE 'varchar(255)'"
        )
        assert empty.read(lambda it: set(it.execute(query).scalars())) == {"utf8mb4_nopad_bin"}
    elif empty.dialect.name == "postgresql":
        query = text(
            "SELECT DISTINCT collation_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND character_maximum_length = 255"
        )
        assert empty.read(lambda it: set(it.execute(query).scalars())) == {"C"}
    else:
        assert "COLLATE" not in str(empty.read(definitions))


def test_on_sqlite_the_definitions_are_identical(on_sqlite: Database, tmp_path: Path) -> None:
    DatabaseSchema(on_sqlite).upgrade()
    engine = create_engine(f"sqlite:///{tmp_path / 'by_metadata.db'}")
    metadata_for_ddl().create_all(engine)
    with engine.connect() as connection:
        expected = definitions(connection)
    engine.dispose()
    assert on_sqlite.read(definitions) == expected
    assert "AUTOINCREMENT" in " ".join(expected["streams"])


def test_upgrading_twice_changes_nothing(empty: Database) -> None:
    DatabaseSchema(empty).upgrade()
    DatabaseSchema(empty).upgrade()
    DatabaseSchema(empty).check()
    assert SqlStore(empty).event_clock() is None


def test_downgrading_to_base_leaves_no_tables(empty: Database) -> None:
    schema = DatabaseSchema(empty)
    schema.upgrade()
    schema.downgrade("base")
    assert empty.read(table_names) == {"alembic_version"}
    assert schema.current_revision() is None
    schema.upgrade()
    schema.check()


def test_an_interrupted_downgrade_can_be_repeated(empty: Database) -> None:
    """On MariaDB and outside transactions, the revision may not be stored after a change."""
    schema = DatabaseSchema(empty)
    schema.upgrade()
    revisions = [revision for revision, _ in schema.history()]
    for revision, earlier in zip(revisions, [*revisions[1:], "base"], strict=True):
        schema.downgrade(earlier)
        schema.stamp(revision)
        schema.downgrade(earlier)
    assert empty.read(table_names) == {"alembic_version"}


def test_an_empty_database_is_a_mismatch(empty: Database) -> None:
    with pytest.raises(SchemaMismatch, match=r"no Winchester tables yet.*upgrade head") as raised:
        DatabaseSchema(empty).check()
    required = DatabaseSchema(empty).required_revision
    assert (raised.value.found, raised.value.required) == (None, required)


def test_an_unknown_revision_in_the_database_is_a_mismatch(on_sqlite: Database) -> None:
    DatabaseSchema(on_sqlite).upgrade()
    on_sqlite.write(lambda it: it.execute(text("UPDATE alembic_version SET version_num = 'ff'")))
    with pytest.raises(SchemaMismatch, match="is at revision ff"):
        DatabaseSchema(on_sqlite).check()


def test_a_mismatch_does_not_show_the_password(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    with closing(Database(url)) as database:
        shown = database.engine.url.set(username="u", password="hunter2")
        database.engine.url = shown
        with pytest.raises(SchemaMismatch) as raised:
            DatabaseSchema(database).check()
    assert "hunter2" not in str(raised.value)


def test_an_unknown_revision_is_a_storage_error(on_sqlite: Database) -> None:
    with pytest.raises(StorageError, match="nonsense"):
        DatabaseSchema(on_sqlite).upgrade("nonsense")


def test_stamping_sets_the_revision_without_migrating(on_sqlite: Database) -> None:
    schema = DatabaseSchema(on_sqlite)
    metadata_for_ddl().create_all(on_sqlite.engine)
    schema.stamp("head")
    assert schema.current_revision() == schema.required_revision


def test_the_history_ends_at_the_required_revision(on_sqlite: Database) -> None:
    schema = DatabaseSchema(on_sqlite)
    history = schema.history()
    newest, oldest = history[0], history[-1]
    assert newest[0] == schema.required_revision
    assert oldest[0] == "0001"
    assert oldest[1].startswith("The first tables: events, streams")


def test_the_printed_sql_creates_a_working_database(on_sqlite: Database, tmp_path: Path) -> None:
    printed = io.StringIO()
    DatabaseSchema(on_sqlite, printed).print_upgrade()
    assert on_sqlite.read(table_names) == set()
    by_hand = tmp_path / "by_hand.db"
    with closing(sqlite3.connect(by_hand)) as connection:
        connection.executescript(printed.getvalue())
    with closing(Database(f"sqlite:///{by_hand}")) as database:
        DatabaseSchema(database).check()
        assert database.read(differences) == []
        assert SqlStore(database).event_clock() is None


def test_the_printed_sql_is_for_the_database_dialect(empty: Database) -> None:
    printed = io.StringIO()
    DatabaseSchema(empty, printed).print_upgrade()
    statements = [each.strip() for each in printed.getvalue().split(";\n")]
    run_raw(empty, [each for each in statements if not is_transaction_control(each)])
    DatabaseSchema(empty).check()
    assert empty.read(differences) == []


def test_the_printed_downgrade_removes_the_tables(on_sqlite: Database, tmp_path: Path) -> None:
    DatabaseSchema(on_sqlite).upgrade()
    printed = io.StringIO()
    schema = DatabaseSchema(on_sqlite, printed)
    schema.print_downgrade(f"{schema.required_revision}:base")
    on_sqlite.close()
    with closing(sqlite3.connect(tmp_path / "events.db")) as connection:
        connection.executescript(printed.getvalue())
    assert on_sqlite.read(table_names) <= {"alembic_version"}


def is_transaction_control(statement: str) -> bool:
    code = [line for line in statement.splitlines() if not line.startswith("--")]
    return " ".join(code).strip() in ("", "BEGIN", "COMMIT")


def run_raw(database: Database, statements: list[str]) -> None:
    with database.engine.connect() as connection:
        if database.dialect.name == "postgresql":  # some indexes are built outside transactions
            connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.commit()


def test_the_program_requires_its_newest_revision() -> None:
    script = ScriptDirectory(str(MIGRATIONS))
    assert script.get_current_head() == SCHEMA_REVISION
