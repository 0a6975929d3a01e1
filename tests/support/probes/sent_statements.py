"""Observation of the statements sent to a database, through SQLAlchemy or past it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from winchester_core.storage.sql.dialects import bulk, driver_statements, postgresql_bulk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from winchester_core.storage.sql.database import Database

    See = Callable[[Connection, str, Any], None]


@contextmanager
def before_each_statement(database: Database, see: See) -> Iterator[None]:
    """Call `see` with connection, statement and values before each execution.

    Statements are sent one by one meanwhile.
    """

    def look(connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        see(connection, statement, values)

    def seen(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(
            connection: Connection,
            text: str,
            parameters: Sequence[Any],
            **driver_options: bool | None,
        ) -> Any:
            if connection.engine is database.engine:
                see(connection, text, parameters)
            return original(connection, text, parameters, **driver_options)

        return call

    event.listen(database.engine, "before_cursor_execute", look)
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("execute", "execute_insert", "fetch"):
                patch.setattr(driver_statements, name, seen(getattr(driver_statements, name)))
            patch.setattr(postgresql_bulk, "supports_pipeline", lambda: False)
            if database.dialect.name == "mariadb":  # else several statements are one text
                patch.setattr(bulk, "SMALL_BATCH_ROWS", -1)
            yield
    finally:
        event.remove(database.engine, "before_cursor_execute", look)
