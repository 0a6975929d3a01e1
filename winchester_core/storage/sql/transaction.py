"""The transaction that the modules of the SQL store run in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVarTuple, overload

from sqlalchemy import Text, literal, select

from winchester_core.storage.records import history_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, CursorResult, Executable
    from sqlalchemy.sql.selectable import TypedReturnsRows

    from winchester_core.storage.sql.dialects import SqlDialect


Parameters: TypeAlias = "Mapping[str, Any] | Sequence[Mapping[str, Any]]"
Columns = TypeVarTuple("Columns")


@dataclass(frozen=True, slots=True)
class Transaction:
    """A connection with an open transaction, and the dialect of its database."""

    connection: Connection
    dialect: SqlDialect

    @overload
    def execute(  # type: ignore[overload-overlap]
        self, statement: TypedReturnsRows[*Columns], parameters: Parameters | None = None
    ) -> CursorResult[*Columns]: ...
    @overload
    def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[Any]: ...
    def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[Any]:
        """Execute a statement, once for each mapping of `parameters`. Raises `DBAPIError`."""
        return self.connection.execute(statement, parameters)

    def real_time(self) -> datetime:
        """Return the database server's time, aware UTC; for SQLite the host's."""
        if self.dialect.embedded:
            return self.dialect.host_clock.now()
        return self.connection.execute(select(self.dialect.real_time())).scalar_one()

    def real_time_text(self) -> ColumnElement[str]:
        """Return the same time as a text expression, which saves a round trip to read it first."""
        if self.dialect.embedded:
            return literal(history_time(self.dialect.host_clock.now()), Text())
        return self.dialect.real_time_text()
