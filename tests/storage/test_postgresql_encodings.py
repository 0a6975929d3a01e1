"""A PostgreSQL database of another encoding costs the events that it cannot store, no others."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from support.builders.events import VM, ingest, make_event
from support.servers.databases import temporary_database
from winchester_core.errors import DataRefused
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema_migration import DatabaseSchema
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def store_in(encoding: str, folder: Path) -> Iterator[SqlStore]:
    with temporary_database("postgresql", folder) as url:
        name = f"{make_url(url).database}_{encoding.lower()}"
        admin = create_engine(url, isolation_level="AUTOCOMMIT")
        with closing(admin.connect()) as connection:
            connection.exec_driver_sql(
                f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0"
                " LC_COLLATE 'C' LC_CTYPE 'C'"
            )
            other = make_url(url).set(database=name).render_as_string(hide_password=False)
            database = Database(other)
            try:
                DatabaseSchema(database).upgrade()
                yield SqlStore(database)
            finally:
                database.close()
                connection.exec_driver_sql(f"DROP DATABASE {name}")
        admin.dispose()


@pytest.mark.parametrize("text", ["\N{GRINNING FACE}", "e\N{COMBINING ACUTE ACCENT}", "ж"])
def test_a_text_that_the_encoding_lacks_is_refused_as_data(text: str, tmp_path: Path) -> None:
    with store_in("LATIN1", tmp_path) as store:
        with pytest.raises(DataRefused, match="UntranslatableCharacter"):
            ingest(store, VM, make_event("1", instance="i", text=text))
        with pytest.raises(DataRefused, match="UntranslatableCharacter"):
            ingest(store, VM, make_event(text, instance="i"))
        ingest(store, VM, make_event("2", instance="i", text="café"))
        assert store.get_event_by_message_id("2")["text"] == "café"


def test_a_database_without_an_encoding_stores_every_text(tmp_path: Path) -> None:
    with store_in("SQL_ASCII", tmp_path) as store:
        ingest(store, VM, make_event("\N{GRINNING FACE}", instance="i", text="ж"))
        assert store.get_event_by_message_id("\N{GRINNING FACE}")["text"] == "ж"
