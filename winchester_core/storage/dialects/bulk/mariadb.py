"""MariaDB takes rows fastest as a VALUES list; its driver writes the values into the text."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from winchester_core.model.event_json import dump_traits
from winchester_core.storage.dialects.bulk import driver
from winchester_core.storage.dialects.bulk.encoding import Encoders, Kind, RowEncoder
from winchester_core.storage.dialects.bulk.placeholders import repeated
from winchester_core.storage.dialects.bulk.writer import FEW, BulkWriter
from winchester_core.storage.sql.types import naive_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from winchester_core.storage.dialects.bulk.statements import (
        ChildInsert,
        Family,
        RowInsert,
        RowLock,
        Rows,
        RowUpdate,
        Statement,
        Work,
    )


class Document:
    """The text of a JSON document, which the driver quotes by `quoted`.

    Of a `str` it would put a backslash before each double quote, of which JSON is full: that took
    a fifth of Winchester's time for an event.
    """

    __slots__ = ("text",)

    def __init__(self, traits: Mapping[str, Any]) -> None:
        self.text = dump_traits(traits)

    @staticmethod
    def quoted(document: Document, _converters: object) -> str:
        """The literal, where a backslash escapes: which our `sql_mode` says (MariaDB manual)."""
        return "'" + document.text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_ENCODERS: Encoders = {Kind.MOMENT: naive_text, Kind.DOCUMENT: Document}


class MariadbWriter(BulkWriter):
    """For MariaDB. Of a row passed over it does not say whether it is known or was refused."""

    name = "mariadb"

    def insert_and_lock(
        self,
        connection: Connection,
        insert: RowInsert,
        rows: Rows,
        lock: RowLock,
        keys: Sequence[Any],
    ) -> tuple[list[tuple[Any, ...]], list[Sequence[Any]]]:
        """Carry out `insert`, then `lock`; both at once where few rows are meant."""
        if not keys or len(rows) + len(keys) > FEW:
            return super().insert_and_lock(connection, insert, rows, lock, keys)
        both = [self._insert(insert, rows), self._lock(lock, keys)]
        inserted, locked = _at_once(connection, both)
        return list(inserted), list(self._decoded(lock, locked))

    def carry_out(
        self, connection: Connection, work: Sequence[Work], family: Family | None = None
    ) -> None:
        """Do it, all at once where few rows are meant."""
        if family is not None and family.rows:
            parents, children = [(family.parent, family.rows)], family.children
        else:
            parents, children = [], []
        if sum(len(rows) for _, rows in (*work, *parents, *children)) > FEW:
            super().carry_out(connection, work, family)
            return
        statements = [
            # the children find their parents by key
            *(_insert(parent, rows) for parent, rows in parents),
            *(self._written(statement, rows) for statement, rows in work if rows),
            *(_child(child, rows) for child, rows in children if rows),
        ]
        if statements:
            _at_once(connection, statements)

    def _insert(self, statement: RowInsert, rows: Rows) -> Statement:
        text, parameters = _insert(statement, rows)
        if statement.returning:
            text = f"{text} RETURNING {', '.join(statement.returning)}"
        return text, parameters

    def _update(self, statement: RowUpdate, rows: Rows) -> Statement:
        # in this order and by this index: it locks what it reads
        table, columns = statement.table.name, statement.columns
        encoded = list(_encoder(statement).encode(rows))
        if len(encoded) == 1:
            (key, *values), changes = encoded[0], ", ".join(f"{each} = %s" for each in statement.names)
            return f"UPDATE {table} SET {changes} WHERE {statement.key} = %s", (*values, key)
        names = ", ".join(column.name for column in columns)
        values = repeated(("%s",) * len(columns), len(rows))
        changes = ", ".join(f"{table}.{name} = listed.{name}" for name in statement.names)
        text = [
            f"UPDATE (WITH listed ({names}) AS (VALUES {values}) SELECT * FROM listed) AS listed",
            f"STRAIGHT_JOIN {table} FORCE INDEX (PRIMARY)",
            f"ON {table}.{statement.key} = listed.{statement.key} SET {changes}",
        ]
        return " ".join(text), tuple(chain.from_iterable(encoded))

    def _lock(self, statement: RowLock, keys: Sequence[Any]) -> Statement:
        text = [f"SELECT {', '.join(statement.names)} FROM {statement.table.name}"]
        text.append(f"FORCE INDEX ({statement.index})")
        text.append(f"WHERE {statement.key} IN {repeated(('%s',) * len(keys), 1)}")
        text.append(f"ORDER BY {statement.key} FOR UPDATE")
        return " ".join(text), tuple(keys)


def _insert(statement: RowInsert, rows: Rows) -> Statement:
    """Insert, and return nothing."""
    names = statement.names
    marks = ["%s"] * len(names)
    if statement.stamp is not None:
        names = (*names, statement.stamp)
        marks.append("utc_timestamp(6)")
    insert = "INSERT" if statement.known_by is None else "INSERT IGNORE"
    text = [f"{insert} INTO {statement.table.name} ({', '.join(names)})"]
    text.append(f"VALUES {repeated(tuple(marks), len(rows))}")
    return " ".join(text), tuple(chain.from_iterable(_encoder(statement).encode(rows)))


def _child(statement: ChildInsert, rows: Rows) -> Statement:
    key, row_id = statement.parent.returning
    parent = f"(SELECT {row_id} FROM {statement.parent.table.name} WHERE {key} = %s)"
    insert = statement.insert
    marks = (parent, *["%s"] * (len(insert.names) - 1))
    text = [f"INSERT INTO {insert.table.name} ({', '.join(insert.names)})"]
    text.append(f"VALUES {repeated(marks, len(rows))}")
    return " ".join(text), tuple(chain.from_iterable(_encoder(statement).encode(rows)))


def _at_once(connection: Connection, statements: Sequence[Statement]) -> list[Sequence[Any]]:
    texts, parameters = zip(*statements, strict=True)
    return driver.fetch_each(connection, "; ".join(texts), tuple(chain.from_iterable(parameters)))


@cache
def _encoder(statement: RowInsert | RowUpdate | ChildInsert) -> RowEncoder:
    return RowEncoder(statement.columns, _ENCODERS)
