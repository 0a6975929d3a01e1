"""Statements that bypass SQLAlchemy's execution and go directly to the driver.

For these statements, SQLAlchemy needs more time than some drivers, and a single event needs three
or four of them. SQLAlchemy still manages connections, transactions and errors, but its execution
events do not fire.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

from sqlalchemy import JSON, BigInteger, Integer, LargeBinary
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from winchester_core.errors import DatabaseUnavailable, DataRefused, StorageError
from winchester_core.pipelines import describe_error
from winchester_core.storage.sql.types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Column, Connection, CursorResult


FETCH_ROWS = 500
"""Number of rows to fetch at a time, small enough to avoid full garbage collections."""


class StatementResult(NamedTuple):
    """Result of one of several statements: rows, or number of inserted rows and first id."""

    rows: Sequence[Any]
    inserted: int
    first_id: int | None


def execute(
    connection: Connection, text: str, parameters: Sequence[Any], **driver_options: bool | None
) -> None:
    """Execute a statement that returns no rows. Raises `DBAPIError`."""
    try:
        cursor = connection.connection.cursor()
        cursor.execute(text, parameters, **driver_options)
        cursor.close()
    except BaseException as error:  # noqa: BLE001 - raised again
        raise_dbapi_error(connection, text, error)


def execute_insert(connection: Connection, text: str, parameters: Sequence[Any]) -> tuple[int, int]:
    """Execute an INSERT; return the number of inserted rows and the id of the last one.

    The id is undefined if no row was inserted. For SQLite. Raises `DBAPIError`.
    """
    try:
        cursor = connection.connection.cursor()
        cursor.execute(text, parameters)
        inserted, last_id = cursor.rowcount, cursor.lastrowid or 0
        cursor.close()
    except BaseException as error:  # noqa: BLE001 - raised again
        raise_dbapi_error(connection, text, error)
    return inserted, last_id


def fetch(
    connection: Connection, text: str, parameters: Sequence[Any], **driver_options: bool | None
) -> Sequence[Any]:
    """Execute a statement; return its rows without decoding. Raises `DBAPIError`."""
    try:
        cursor = connection.connection.cursor()
        cursor.execute(text, parameters, **driver_options)
        rows: Sequence[Any] = cursor.fetchall()
        cursor.close()
    except BaseException as error:  # noqa: BLE001 - raised again
        raise_dbapi_error(connection, text, error)
    return rows


def fetch_parts(
    connection: Connection, result: CursorResult[Any], size: int = FETCH_ROWS
) -> Iterator[Sequence[Any]]:
    """Yield the rows of an executed query, `size` at a time, without decoding.

    Raises `DBAPIError`.
    """
    cursor: Any = result.cursor
    while True:
        try:
            rows = cursor.fetchmany(size)
        except BaseException as error:  # noqa: BLE001 - raised again
            raise_dbapi_error(connection, None, error)
        if not rows:
            break
        yield rows
    result.close()


def fetch_multiple(
    connection: Connection, text: str, parameters: Sequence[Any]
) -> list[StatementResult]:
    """Execute the statements of `text` in one round trip; return the result of each.

    If a statement fails, later statements are not executed. Raises `DBAPIError`.
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


def value_error(error: BaseException) -> StorageError:
    """Return the error for an exception that is not one of the driver's own.

    If a library does not support a value, it may raise any exception, and the value counts as
    refused. `MemoryError` and errors of SQLAlchemy have other causes.
    """
    reason = describe_error(error)
    if isinstance(error, MemoryError):
        return DatabaseUnavailable(reason)
    if isinstance(error, SQLAlchemyError):
        return StorageError(reason)
    return DataRefused(f"a library fails on a value: {reason}")


def first_line(error: BaseException) -> str:
    """Return the message of an error without the statement's values, because they may be secret."""
    return str(error).partition("\n")[0][:300]


def raise_dbapi_error(connection: Connection, text: str | None, error: BaseException) -> NoReturn:
    """Raise `error` as SQLAlchemy would. For errors of other libraries, see `value_error`.

    Invalidate a connection that can no longer be used.

    An interrupt (`KeyboardInterrupt`, `SystemExit`) leaves an unread response on the connection.
    """
    if not isinstance(error, Exception):
        connection.invalidate(error)
        raise error
    dialect = connection.dialect
    if dialect.loaded_dbapi is None or not isinstance(error, dialect.loaded_dbapi.Error):
        raise value_error(error) from error
    driver: Any = connection.connection.dbapi_connection
    is_lost = dialect.is_disconnect(error, driver, None)
    if is_lost:
        connection.invalidate(error)
    raise DBAPIError(text, None, error, connection_invalidated=is_lost) from error


# Encoding and decoding of values. This is done by column, because single values would cost twice as
# much.


class ColumnKind(Enum):
    """The kind of a column's values."""

    TIMESTAMP = "an aware UTC time"
    JSON = "typed values by name"
    BYTES = "bytes"
    BIGINT = "an integer of 64 bits"
    INTEGER = "an integer of 32 bits"
    TEXT = "text"


ColumnConverter: TypeAlias = "Callable[[Sequence[Any]], Sequence[Any]]"
"""Converts the values of a column, none of which is None."""

Converters: TypeAlias = "Mapping[ColumnKind, ColumnConverter]"
"""Converters to or from a driver's values. Columns of other kinds are not converted."""


def by_value(convert: Callable[[Any], Any]) -> ColumnConverter:
    """Return a converter that converts value by value."""
    return lambda values: list(map(convert, values))


_COLUMN_KINDS: tuple[tuple[type[Any], ColumnKind], ...] = (
    (UtcDateTime, ColumnKind.TIMESTAMP),
    (JSON, ColumnKind.JSON),
    (LargeBinary, ColumnKind.BYTES),
    (BigInteger, ColumnKind.BIGINT),
    (Integer, ColumnKind.INTEGER),
)


def column_kind(column: Column[Any]) -> ColumnKind:
    """Return the kind of a column's values."""
    return next(
        (kind for type_, kind in _COLUMN_KINDS if isinstance(column.type, type_)), ColumnKind.TEXT
    )


class _RowConverter:
    """Converts rows of certain columns."""

    def __init__(self, columns: Sequence[Column[Any]], converters: Converters) -> None:
        self._converted = [
            (index, converters[column_kind(column)], bool(column.nullable))
            for index, column in enumerate(columns)
            if column_kind(column) in converters
        ]

    def _columns(self, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """Return the converted columns of `rows`; None stays None."""
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        if columns:
            for index, convert, nullable in self._converted:
                values = columns[index]
                columns[index] = (
                    _convert_others(convert, values)
                    if nullable and None in values
                    else convert(values)
                )
        return columns


def _convert_others(convert: ColumnConverter, values: Sequence[Any]) -> Sequence[Any]:
    """Convert the values that are not None."""
    converted = iter(convert([value for value in values if value is not None]))
    return [None if value is None else next(converted) for value in values]


class RowEncoder(_RowConverter):
    """Encodes rows of certain columns for a driver."""

    def encode(self, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
        """Return the encoded rows."""
        return zip(*self.encode_columns(rows), strict=True)

    def encode_columns(self, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """Return the encoded columns of `rows`."""
        return self._columns(rows)


class RowDecoder(_RowConverter):
    """Decodes a driver's rows of certain columns."""

    def decode(self, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """Return the decoded rows; times are aware, in UTC."""
        if not rows or not self._converted:
            return rows
        return list(zip(*self._columns(rows), strict=True))
