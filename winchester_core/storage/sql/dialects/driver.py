"""Statements that go straight to the driver.

SQLAlchemy takes longer for such a statement than many a driver does, and a single event needs three
or four. The connection, its transaction and the errors are SQLAlchemy's; its events are not told.
`how` are a driver's own options.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

from sqlalchemy import JSON, BigInteger, Integer, LargeBinary
from sqlalchemy.exc import DBAPIError

from winchester_core.storage.sql.types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Column, Connection


class StatementResult(NamedTuple):
    """What one of several statements gave: its rows, or how many it inserted and the first's id."""

    rows: Sequence[Any]
    inserted: int
    first_id: int | None


def execute(
    connection: Connection, text: str, parameters: Sequence[Any], **driver_options: bool | None
) -> None:
    """Carry out a statement that gives no rows. Raises `DBAPIError`."""
    try:
        cursor = connection.connection.cursor()
        cursor.execute(text, parameters, **driver_options)
        cursor.close()
    except BaseException as error:  # noqa: BLE001 - raised again
        raise_dbapi_error(connection, text, error)


def fetch(
    connection: Connection, text: str, parameters: Sequence[Any], **driver_options: bool | None
) -> Sequence[Any]:
    """Carry out a statement; return its rows as the driver gives them. Raises `DBAPIError`."""
    try:
        cursor = connection.connection.cursor()
        cursor.execute(text, parameters, **driver_options)
        rows: Sequence[Any] = cursor.fetchall()
        cursor.close()
    except BaseException as error:  # noqa: BLE001 - raised again
        raise_dbapi_error(connection, text, error)
    return rows


def fetch_multiple(
    connection: Connection, text: str, parameters: Sequence[Any]
) -> list[StatementResult]:
    """Carry out the statements of `text` at once; return what each gave, of some no rows.

    Those after one that fails are not carried out. Raises `DBAPIError`.
    """
    results: list[StatementResult] = []
    try:
        cursor = connection.connection.cursor()
        cursor.execute(text, parameters)
        more: object = True
        while more:
            results.append(StatementResult(cursor.fetchall(), cursor.rowcount, cursor.lastrowid))
            more = cursor.nextset()
        cursor.close()
    except BaseException as error:  # noqa: BLE001 - raised again
        raise_dbapi_error(connection, text, error)
    return results


def raise_dbapi_error(connection: Connection, text: str | None, error: BaseException) -> NoReturn:
    """Raise what SQLAlchemy would for `error`; a connection that is of no more use is given up.

    Whoever is interrupted while the driver waits leaves an answer unread.
    """
    if not isinstance(error, Exception):
        connection.invalidate(error)
        raise error
    dialect = connection.dialect
    if dialect.loaded_dbapi is None or not isinstance(error, dialect.loaded_dbapi.Error):
        raise error
    driver: Any = connection.connection.dbapi_connection
    is_lost = dialect.is_disconnect(error, driver, None)
    if is_lost:
        connection.invalidate(error)
    raise DBAPIError(text, None, error, connection_invalidated=is_lost) from error


# How values are written and read: by columns, for one by one would cost as much again.


class ColumnKind(Enum):
    """What a column holds."""

    TIMESTAMP = "an aware UTC time"
    JSON = "typed values by name"
    BYTES = "bytes"
    BIGINT = "an integer of 64 bits"
    INTEGER = "an integer of 32 bits"
    TEXT = "text"


Encoders: TypeAlias = "Mapping[ColumnKind, Callable[[Any], Any]]"
"""How a database wants the kinds of values that it does not take as they are."""

Decoders: TypeAlias = "Mapping[ColumnKind, Callable[[Any], Any]]"
"""What makes values of what a driver gives."""

_COLUMN_KINDS: tuple[tuple[type[Any], ColumnKind], ...] = (
    (UtcDateTime, ColumnKind.TIMESTAMP),
    (JSON, ColumnKind.JSON),
    (LargeBinary, ColumnKind.BYTES),
    (BigInteger, ColumnKind.BIGINT),
    (Integer, ColumnKind.INTEGER),
)


def column_kind(column: Column[Any]) -> ColumnKind:
    """What `column` holds."""
    return next(
        (kind for type_, kind in _COLUMN_KINDS if isinstance(column.type, type_)), ColumnKind.TEXT
    )


class RowEncoder:
    """Writes rows of certain columns, each kind of value in a database's way."""

    def __init__(self, columns: Sequence[Column[Any]], encoders: Encoders) -> None:
        self._columns = [(encoders.get(column_kind(each)), bool(each.nullable)) for each in columns]

    def encode(self, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
        """`rows` as they are written; None stays None."""
        return zip(*self.encode_columns(rows), strict=True)

    def encode_columns(self, rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        """The columns of `rows` as they are written."""
        return map(_convert, self._columns, zip(*rows, strict=True))


class RowDecoder:
    """Makes of the rows that a driver gives what was written."""

    def __init__(self, columns: Sequence[Column[Any]], readers: Decoders) -> None:
        self._columns = [
            (index, readers[column_kind(each)], bool(each.nullable))
            for index, each in enumerate(columns)
            if column_kind(each) in readers
        ]

    def decode(self, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """The same rows with the values that were written; times are aware, in UTC."""
        if not rows:
            return rows
        columns: list[Any] = list(zip(*rows, strict=True))
        for index, read, may_be_none in self._columns:
            columns[index] = _convert((read, may_be_none), columns[index])
        return list(zip(*columns, strict=True))


def _convert(
    column: tuple[Callable[[Any], Any] | None, bool], values: Sequence[Any]
) -> Sequence[Any]:
    change, may_be_none = column
    if change is None:
        return values
    if may_be_none:
        return [None if value is None else change(value) for value in values]
    return list(map(change, values))
