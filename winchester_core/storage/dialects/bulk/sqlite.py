"""SQLite takes rows fastest as a VALUES list with a parameter for each value."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from winchester_core.model.json import dump_traits
from winchester_core.storage.dialects.bulk.encoding import Encoders, Kind, RowEncoder
from winchester_core.storage.dialects.bulk.placeholders import repeated
from winchester_core.storage.dialects.bulk.writer import BulkWriter
from winchester_core.storage.sql.types import naive_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.clock import Clock
    from winchester_core.storage.dialects.bulk.statements import (
        RowDelete,
        RowInsert,
        RowLock,
        Rows,
        RowUpdate,
        Statement,
    )

_ENCODERS: Encoders = {Kind.MOMENT: naive_text, Kind.DOCUMENT: dump_traits}


class SqliteWriter(BulkWriter):
    """For SQLite, whose time is the host's."""

    name = "sqlite"

    def __init__(self, host_clock: Clock) -> None:
        self._host_clock = host_clock

    def _insert(self, statement: RowInsert, rows: Rows) -> Statement:
        names, listed = statement.names, _encoder(statement).encode(rows)
        if statement.stamp is not None:
            names = (*names, statement.stamp)
            now = (naive_text(self._host_clock.now()),)
            listed = (row + now for row in listed)
        text = [f"INSERT INTO {statement.table.name} ({', '.join(names)})"]
        text.append(f"VALUES {repeated(('?',) * len(names), len(rows))}")
        if statement.known_by is not None:
            text.append(f"ON CONFLICT ({statement.known_by}) DO NOTHING")
        if statement.returning:
            text.append(f"RETURNING {', '.join(statement.returning)}")
        return " ".join(text), tuple(chain.from_iterable(listed))

    def _update(self, statement: RowUpdate, rows: Rows) -> Statement:
        table, columns = statement.table.name, statement.columns
        names = ", ".join(column.name for column in columns)
        values = repeated(("?",) * len(columns), len(rows))
        changes = ", ".join(f"{name} = listed.{name}" for name in statement.names)
        text = [f"WITH listed ({names}) AS (VALUES {values}) UPDATE {table} SET {changes}"]
        text.append(f"FROM listed WHERE {table}.{statement.key} = listed.{statement.key}")
        return " ".join(text), tuple(chain.from_iterable(_encoder(statement).encode(rows)))

    def _lock(self, statement: RowLock, keys: Sequence[Any]) -> Statement:
        # whoever writes has locked the whole file
        text = [f"SELECT {', '.join(statement.names)} FROM {statement.table.name}"]
        text.append(f"WHERE {statement.key} IN {repeated(('?',) * len(keys), 1)}")
        text.append(f"ORDER BY {statement.key}")
        return " ".join(text), tuple(keys)

    def _delete(self, statement: RowDelete, keys: Sequence[Any]) -> Statement:
        values = repeated(("?",) * len(keys), 1)
        text = f"DELETE FROM {statement.table.name} WHERE {statement.key} IN {values}"
        return text, tuple(keys)


@cache
def _encoder(statement: RowInsert | RowUpdate) -> RowEncoder:
    return RowEncoder(statement.columns, _ENCODERS)
