"""Direct driver statements raise the same errors as SQLAlchemy's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from sqlalchemy import Text, TypeDecorator, bindparam, select, text
from sqlalchemy.exc import DBAPIError

from winchester_core.errors import ConcurrentChange, DatabaseUnavailable, DataRefused, StorageError
from winchester_core.storage.sql.database import Transaction
from winchester_core.storage.sql.dialects import driver_statements

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Dialect

    from winchester_core.storage.sql.store import SqlStore

WAYS = [driver_statements.execute, driver_statements.fetch]
OWN_ID = {"postgresql": "pg_backend_pid()", "mariadb": "connection_id()"}
CUT = {"postgresql": "SELECT pg_terminate_backend({})", "mariadb": "KILL {}"}


@pytest.mark.parametrize("way", WAYS)
def test_an_error_is_raised_and_the_connection_is_reused(
    sql_store: SqlStore, way: Callable[..., object]
) -> None:
    with pytest.raises(DBAPIError) as raised, sql_store.database.engine.begin() as connection:
        way(connection, "SELECT 1 FROM nowhere", ())
    assert raised.value.statement == "SELECT 1 FROM nowhere"
    assert not raised.value.connection_invalidated
    with pytest.raises(StorageError, match="nowhere"):
        sql_store.database.write(lambda it: way(it, "SELECT 1 FROM nowhere", ()))
    assert sql_store.count_events() == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sql_store", list(CUT), indirect=True)
def test_a_duplicate_key_is_a_conflict(
    sql_store: SqlStore, way: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("winchester_core.storage.sql.database.MAX_RETRY_SECONDS", 0)
    insert = "INSERT INTO alembic_version (version_num) SELECT version_num FROM alembic_version"
    with pytest.raises(ConcurrentChange):
        sql_store.database.write(lambda it: way(it, insert, ()))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("sql_store", list(CUT), indirect=True)
def test_a_closed_connection_is_not_reused(sql_store: SqlStore, way: Callable[..., object]) -> None:
    name = sql_store.database.dialect.name

    def cut(connection: Connection) -> None:
        number = connection.execute(text(f"SELECT {OWN_ID[name]}")).scalar_one()
        with sql_store.database.engine.connect() as other:
            other.execute(text(CUT[name].format(number)))
        way(connection, "SELECT 1", ())

    with pytest.raises(DatabaseUnavailable):
        sql_store.database.write(cut)
    assert sql_store.count_events() == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_connection_is_invalidated(
    way: Callable[..., object], interruption: type[BaseException]
) -> None:
    connection = Mock()
    connection.connection.cursor.return_value.execute.side_effect = interruption
    with pytest.raises(interruption) as raised:
        way(connection, "SELECT 1", ())
    connection.invalidate.assert_called_once_with(raised.value)


def test_an_error_of_the_program_is_raised_unchanged(sql_store: SqlStore) -> None:
    with pytest.raises(ZeroDivisionError):
        sql_store.database.write(lambda _connection: 1 / 0)


class Unwritable:
    """A value that no driver knows."""


def test_a_value_on_which_the_driver_fails_is_refused_data(sql_store: SqlStore) -> None:
    database = sql_store.database
    marker = "?" if database.dialect.embedded else "%s"

    def past_sqlalchemy(connection: Connection) -> None:
        driver_statements.execute(connection, f"SELECT {marker}", (Unwritable(),))

    def by_sqlalchemy(connection: Connection) -> None:
        tx = Transaction(connection, database.dialect)
        tx.execute(select(bindparam("value", error, type_=FailingType())))

    if database.dialect.name != "mariadb":  # whose driver writes the text of any object
        with pytest.raises((DataRefused, StorageError)):
            database.write(past_sqlalchemy)
    error: Exception = RuntimeError("cannot write it")
    with pytest.raises(DataRefused, match="fails on a value: RuntimeError: cannot write it"):
        database.write(by_sqlalchemy)
    error = MemoryError("no more")
    with pytest.raises(DatabaseUnavailable, match="MemoryError: no more"):
        database.read(by_sqlalchemy)
    assert database.read(lambda connection: connection.scalar(text("SELECT 1"))) == 1


class FailingType(TypeDecorator[Any]):
    """A type whose values cannot be written."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        raise value
