"""The drivers of MariaDB: PyMySQL, which needs no compiler, and mysqlclient, which is faster."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from winchester_core.storage.sql.dialects.mariadb_bulk import JsonLiteral

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class MariadbDriver:
    """Differences between the drivers."""

    name = ""
    """The driver's name in URLs."""

    def connect(self, options: dict[str, Any]) -> Any:
        """Return a new connection, or None after changing `options` for SQLAlchemy to connect.

        `options` are the driver's arguments, without those that are the same for every connection.
        The connection accepts several statements in one text, for a single round trip.
        """
        raise NotImplementedError

    @contextmanager
    def socket_of(self, connection: Any) -> Iterator[socket.socket]:
        """Yield the socket of a connection."""
        raise NotImplementedError


class PyMySqlDriver(MariadbDriver):
    """PyMySQL, written in Python."""

    name = "pymysql"

    def connect(self, options: dict[str, Any]) -> Any:
        from pymysql.constants import CLIENT, FIELD_TYPE
        from pymysql.converters import conversions

        options["client_flag"] = options.get("client_flag", 0) | CLIENT.MULTI_STATEMENTS
        options["conv"] = _faster_converters(conversions, FIELD_TYPE.DATETIME)

    @contextmanager
    def socket_of(self, connection: Any) -> Iterator[socket.socket]:
        yield connection._sock


class MysqlclientDriver(MariadbDriver):
    """mysqlclient, an extension module on MariaDB's own client library."""

    name = "mysqldb"

    def connect(self, options: dict[str, Any]) -> Any:
        from MySQLdb.constants import FIELD_TYPE
        from MySQLdb.converters import conversions

        from winchester_core.storage.sql.dialects.mysqlclient_connection import connect

        converters = _faster_converters(conversions, FIELD_TYPE.DATETIME)
        return connect({**options, "conv": converters})

    @contextmanager
    def socket_of(self, connection: Any) -> Iterator[socket.socket]:
        # a duplicate, because the library closes its own descriptor
        with socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
            yield duplicate


DRIVERS: Mapping[str, type[MariadbDriver]] = {
    each.name: each for each in (PyMySqlDriver, MysqlclientDriver)
}
"""The drivers by their names in URLs."""


def _faster_converters(converters: Mapping[Any, Any], datetime_field: int) -> dict[Any, Any]:
    """Return a driver's converters, with faster converters for times and JSON documents.

    PyMySQL parses times by a regular expression, and escapes documents character by character;
    mysqlclient parses times in Python.
    """
    return {
        **converters,
        datetime_field: datetime.fromisoformat,
        JsonLiteral: JsonLiteral.to_literal,
    }
