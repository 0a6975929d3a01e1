"""MariaDB through PyMySQL, at READ COMMITTED with row locks, in strict mode."""

from __future__ import annotations

import re
import socket
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, Table, Text, delete, event, func

from winchester_core.storage.dialects import patience
from winchester_core.storage.dialects.base import Fault, SqlDialect
from winchester_core.storage.dialects.bulk.mariadb import Document, MariadbWriter
from winchester_core.storage.sql.types import UtcDateTime

if TYPE_CHECKING:
    from sqlalchemy import URL, ColumnElement, Delete, FromClause, Select

_CONNECT_TIMEOUT = {"connect_timeout": patience.CONNECT_SECONDS}

_SESSION = ", ".join(
    f"SESSION {setting}"
    for setting in (
        "sql_mode = 'TRADITIONAL,NO_ENGINE_SUBSTITUTION'",
        "time_zone = '+00:00'",
        f"innodb_lock_wait_timeout = {patience.LOCK_WAIT_SECONDS}",
        f"idle_transaction_timeout = {patience.IDLE_TRANSACTION_SECONDS}",
    )
)

_TCP_OPTIONS = {
    "TCP_KEEPIDLE": patience.KEEPALIVE_IDLE_SECONDS,
    "TCP_KEEPINTVL": patience.KEEPALIVE_INTERVAL_SECONDS,
    "TCP_KEEPCNT": patience.KEEPALIVE_COUNT,
    "TCP_USER_TIMEOUT": patience.SILENCE_SECONDS * 1000,
}
"""Options of `socket`, as far as the system has them."""

# Numbers: MariaDB manual, error codes
_CONFLICTS = frozenset({1062, 1205, 1213, 1020})
_AWAY = frozenset(
    {0, 3, 1021, 1026, 1030, 1036, 1037, 1040, 1041, 1042, 1053, 1114, 1129, 1158, 1159, 1160}
    | {1161, 1290, 1317, 1792, 1927, 1969, 2002, 2003, 2006, 2013, 2014, 2055}
)
_REFUSALS = frozenset(
    {1048, 1062, 1064, 1105, 1153, 1264, 1265, 1292, 1366, 1406, 1452, 3140, 4025, 1644}
)


class MariadbDialect(SqlDialect):
    """MariaDB 10.6 and later."""

    name = "mariadb"
    bulk = MariadbWriter()
    hides_refusals = True

    def prepare_url(self, url: str) -> str:
        return re.sub(r"^(mysql|mariadb)(\+pymysql)?://", "mariadb+pymysql://", url)

    def engine_options(self, url: URL) -> dict[str, Any]:
        timeout = {} if "connect_timeout" in url.query else _CONNECT_TIMEOUT
        return {
            "isolation_level": "READ COMMITTED",
            "pool_reset_on_return": None,  # each transaction has its end; it would cost a journey
            "connect_args": {"charset": "utf8mb4", "conv": _converters(), **timeout},
        }

    def set_up(self, engine: Engine) -> None:
        event.listen(engine, "do_connect", _take_several_at_once)
        event.listen(engine, "connect", _configure)

    def real_time(self) -> ColumnElement[datetime]:
        return func.utc_timestamp(6, type_=UtcDateTime())

    def real_time_text(self) -> ColumnElement[str]:
        return func.date_format(func.utc_timestamp(6), "%Y-%m-%dT%H:%i:%S.%f", type_=Text())

    def through_index(self, query: Select[Any], table: FromClause, index: str) -> Select[Any]:
        # it locks what it reads: going through all rows would wait for those of other workers
        return query.with_hint(table, f"FORCE INDEX ({index})")

    def delete_through(self, table: Table, index: str) -> Delete:
        # when it believes the table to be small it goes through all rows, and waits for those that
        # a purge has locked; a hint is only taken where the table is named twice
        named = delete(table).prefix_with(table.name)
        return named.with_hint(f"FORCE INDEX ({index})", dialect_name="*")

    def matches_glob(self, column: ColumnElement[str], glob: str) -> ColumnElement[bool]:
        # of LIKE, 10.11 makes an index range that ends at U+FFFF and misses what is beyond;
        # concat() hides the column from it, and the literal prefix bounds the range instead
        return super().matches_glob(func.concat(column), glob)

    def fault(self, error: BaseException) -> Fault:
        number = error.args[0] if error.args and isinstance(error.args[0], int) else None
        if number in _CONFLICTS:
            return Fault.CONFLICT
        if number in _AWAY or (number is None and type(error).__name__ == "InterfaceError"):
            return Fault.UNAVAILABLE
        refused = number in _REFUSALS or type(error).__name__ == "DataError"
        return Fault.REFUSED if refused else Fault.UNKNOWN


def _converters() -> dict[Any, Any]:
    """The driver's own, but for two kinds.

    It takes times apart by a regular expression, and goes through documents letter by letter.
    """
    from pymysql.constants import FIELD_TYPE
    from pymysql.converters import conversions

    return {
        **conversions,
        FIELD_TYPE.DATETIME: datetime.fromisoformat,
        Document: Document.quoted,
    }


def _take_several_at_once(
    _dialect: object, _record: object, _arguments: object, options: dict[str, Any]
) -> None:
    """Let a text hold several statements, which then cost one journey to the server."""
    from pymysql.constants import CLIENT

    options["client_flag"] = options.get("client_flag", 0) | CLIENT.MULTI_STATEMENTS


def _configure(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET {_SESSION}")
    _watch(connection._sock)  # the driver has no setting for it


def _watch(connected: socket.socket) -> None:
    """Let the kernel tell when the server is gone, as libpq does by its own parameters."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _TCP_OPTIONS.items():
        if connected.family != socket.AF_UNIX and hasattr(socket, option):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
