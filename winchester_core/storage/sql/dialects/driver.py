"""Statements that go straight to the driver.

SQLAlchemy takes longer for such a statement than many a driver does, and a single event needs three
or four. The connection, its transaction and the errors are SQLAlchemy's; its events are not told.
`how` are a driver's own options.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


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
