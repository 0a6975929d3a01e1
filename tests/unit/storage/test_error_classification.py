"""Classification of database errors: retried or not, connection reused or not."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import psycopg
import pytest

from winchester_core.clock import SystemClock
from winchester_core.storage.sql.dialects import DatabaseErrorKind, dialect_for

POSTGRESQL = dialect_for("postgresql://h/d", SystemClock())
MARIADB = dialect_for("mariadb://h/d", SystemClock())


@pytest.fixture(params=["pymysql", "MySQLdb"])
def driver(request: pytest.FixtureRequest) -> Any:
    """The module of each driver of MariaDB."""
    if request.param == "MySQLdb":
        return pytest.importorskip("MySQLdb", reason="the extra 'mysqlclient' is not installed")
    return import_module(request.param)


@pytest.mark.parametrize(
    "number",
    [
        *(1040, 1203, 1226),  # too many connections: of the server, of the user
        *(1044, 1045),  # access denied, while an account is changed
        1047,  # Galera: the node is not ready
        *(9001, 9009),  # MaxScale and ProxySQL: no backend
        *(1290, 1792, 1836),  # read-only
        *(2003, 2006, 2013),  # not reachable
        *(1142, 1146, 3948),  # a right or a table is missing, or the number is not known
    ],
)
def test_mariadb_errors_that_pass_are_waited_for(driver: Any, number: int) -> None:
    error = driver.OperationalError(number, "message")
    assert MARIADB.classify_error(error) is DatabaseErrorKind.UNAVAILABLE


@pytest.mark.parametrize("number", [1062, 1205, 1213])
def test_mariadb_errors_of_conflicts_are_retried(driver: Any, number: int) -> None:
    for error_class in (driver.OperationalError, driver.IntegrityError):
        assert MARIADB.classify_error(error_class(number, "")) is DatabaseErrorKind.CONFLICT


@pytest.mark.parametrize("number", [1153, 1366, 1406])
def test_mariadb_errors_of_content_are_refusals(driver: Any, number: int) -> None:
    error = driver.OperationalError(number, "message")
    assert MARIADB.classify_error(error) is DatabaseErrorKind.REFUSED
    assert MARIADB.classify_error(driver.DataError("no number")) is DatabaseErrorKind.REFUSED


def test_an_error_without_a_number_is_an_outage_or_a_bug(driver: Any) -> None:
    closed = driver.InterfaceError("closed")
    assert MARIADB.classify_error(closed) is DatabaseErrorKind.UNAVAILABLE
    bug = driver.ProgrammingError("cursor closed")
    assert MARIADB.classify_error(bug) is DatabaseErrorKind.UNKNOWN


@pytest.mark.parametrize(
    "state",
    [
        "08006",
        "25006",
        "28P01",
        "28000",
        "3D000",
        "53300",
        "57P01",
        "57P03",
        "58030",
        "42501",
        "XX000",
    ],
)
def test_postgresql_errors_that_pass_are_waited_for(state: str) -> None:
    error = psycopg.errors.lookup(state)("message")
    assert POSTGRESQL.classify_error(error) is DatabaseErrorKind.UNAVAILABLE


@pytest.mark.parametrize("state", ["26000", "42P05"])
def test_a_prepared_statement_that_a_pooler_lost_is_recognized(state: str) -> None:
    error = psycopg.errors.lookup(state)("message")
    assert POSTGRESQL.classify_error(error) is DatabaseErrorKind.STATEMENT_LOST


def test_errors_of_mariadb_are_told_from_broken_connections(driver: Any) -> None:
    assert MARIADB.is_server_error(driver.OperationalError(1927, "killed"))
    assert not MARIADB.is_server_error(driver.OperationalError(2013, "lost"))
    assert not MARIADB.is_server_error(driver.InterfaceError("closed"))


def test_errors_of_a_server_are_told_from_broken_connections() -> None:
    assert POSTGRESQL.is_server_error(psycopg.errors.AdminShutdown("bye"))
    assert not POSTGRESQL.is_server_error(psycopg.OperationalError("closed"))
    assert not dialect_for("sqlite://", SystemClock()).is_server_error(RuntimeError())
