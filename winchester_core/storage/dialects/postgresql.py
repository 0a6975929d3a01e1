"""PostgreSQL through psycopg 3, at READ COMMITTED with row locks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Text,
    any_,
    bindparam,
    cast,
    event,
    func,
    select,
    true,
    tuple_,
)

from winchester_core.storage.dialects import patience
from winchester_core.storage.dialects.base import Fault, SqlDialect
from winchester_core.storage.dialects.bulk.postgresql import PostgresqlWriter
from winchester_core.storage.dialects.postgresql_wakeup import PostgresqlWakeup
from winchester_core.storage.sql.types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import URL, BindParameter, ColumnElement, Engine, FromClause, Table

    from winchester_core.storage.dialects.wakeup import Wakeup

_CONNECTION = {
    "connect_timeout": patience.CONNECT_SECONDS,
    "keepalives_idle": patience.KEEPALIVE_IDLE_SECONDS,
    "keepalives_interval": patience.KEEPALIVE_INTERVAL_SECONDS,
    "keepalives_count": patience.KEEPALIVE_COUNT,
    "tcp_user_timeout": patience.SILENCE_SECONDS * 1000,
}
"""Parameters of libpq; a URL may have others."""

_SESSION = (
    "-c timezone=UTC"
    f" -c lock_timeout={patience.LOCK_WAIT_SECONDS}s"
    f" -c idle_in_transaction_session_timeout={patience.IDLE_TRANSACTION_SECONDS}s"
    # what is looked for has an index; of some hundred rows the planner takes the way through all
    # of them for shorter, as it was on disks that turn
    " -c enable_seqscan=off"
    # nothing here takes so long that it is worth compiling
    " -c jit=off"
)

# SQLSTATE codes and classes: PostgreSQL manual, appendix A
_CONFLICTS = frozenset({"40001", "40P01", "55P03", "23505"})
_AWAY_CLASSES = frozenset({"08", "53", "57", "58", "25"})
_REFUSAL_CLASSES = frozenset({"22", "23", "54"})
_OF_DRIVER = {
    "OperationalError": Fault.UNAVAILABLE,
    "InterfaceError": Fault.UNAVAILABLE,
    "DataError": Fault.REFUSED,
}


class PostgresqlDialect(SqlDialect):
    """PostgreSQL."""

    name = "postgresql"
    bulk = PostgresqlWriter()

    def prepare_url(self, url: str) -> str:
        return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)

    def engine_options(self, url: URL) -> dict[str, Any]:
        given = {name: value for name, value in url.query.items() if name in _CONNECTION}
        # of two values of one setting the last counts: the URL's
        options = f"{_SESSION} {url.query.get('options', '')}".strip()
        return {
            "isolation_level": "READ COMMITTED",
            "connect_args": {**_CONNECTION, **given, "options": options},
        }

    def set_up(self, engine: Engine) -> None:
        event.listen(engine, "connect", _equip)

    def real_time(self) -> ColumnElement[datetime]:
        return func.clock_timestamp(type_=UtcDateTime())

    def real_time_text(self) -> ColumnElement[str]:
        utc = func.timezone("UTC", func.clock_timestamp())
        text = func.to_char(utc, 'YYYY-MM-DD"T"HH24:MI:SS.US', type_=Text())
        return select(text).scalar_subquery()  # else it would be written for each row

    def among(self, column: ColumnElement[int], numbers: Sequence[int]) -> ColumnElement[bool]:
        # one value, and one text of the statement for any number of them: it is prepared once
        return column == any_(_array(numbers))

    def among_pairs(
        self,
        columns: tuple[ColumnElement[int], ColumnElement[int]],
        pairs: Sequence[tuple[int, int]],
    ) -> ColumnElement[bool]:
        first, second = (_array([pair[place] for pair in pairs]) for place in (0, 1))
        return tuple_(*columns).in_(select(func.unnest(first), func.unnest(second)))

    def look_up(
        self, outer: Table, inner: Table, on: ColumnElement[bool]
    ) -> tuple[FromClause, FromClause]:
        # OFFSET keeps the planner from making another join of it
        found = select(inner).where(on).offset(0).lateral()
        return outer.join(found, true()), found

    def json_text(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return cast(column, Text())  # the driver would read what is of the type JSON

    def wakeup(self, engine: Engine) -> Wakeup:
        return PostgresqlWakeup(engine)

    def index_order(
        self, order: ColumnElement[Any], *, after_null: ColumnElement[Any] | None
    ) -> tuple[ColumnElement[Any], ...]:
        # it does not see that the index has this order unless the column is named
        return (order,) if after_null is None else (after_null, order)

    def contains(self, column: ColumnElement[str], text: str) -> ColumnElement[bool]:
        return func.strpos(column, text) > 0

    def fault(self, error: BaseException) -> Fault:
        state = getattr(error, "sqlstate", None)
        if state is None:  # the driver's own verdict
            return _OF_DRIVER.get(type(error).__name__, Fault.UNKNOWN)
        if state in _CONFLICTS:
            return Fault.CONFLICT
        if state[:2] in _AWAY_CLASSES:
            return Fault.UNAVAILABLE
        return Fault.REFUSED if state[:2] in _REFUSAL_CLASSES else Fault.UNKNOWN


def _equip(connection: Any, _record: object) -> None:
    from psycopg.types.array import ListBinaryDumper

    from winchester_core.storage.dialects.postgresql_cursor import PlanningCursor

    connection.cursor_factory = PlanningCursor
    # to write an array as text takes the driver several times as long
    connection.adapters.register_dumper(list, ListBinaryDumper)


def _array(numbers: Sequence[int]) -> BindParameter[Any]:
    return bindparam(None, list(numbers), type_=ARRAY(BigInteger))
