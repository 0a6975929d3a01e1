"""MariaDB takes rows fastest as a VALUES list; its driver writes the values into the text."""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

import orjson

from winchester_core.model.json import dump_traits
from winchester_core.storage.dialects.bulk import driver
from winchester_core.storage.dialects.bulk.encoding import (
    Encoders,
    Kind,
    Readers,
    RowDecoder,
    RowEncoder,
    kind_of,
)
from winchester_core.storage.dialects.bulk.placeholders import repeated
from winchester_core.storage.dialects.bulk.writer import FEW, BulkWriter
from winchester_core.storage.sql.types import moment_of, naive_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Column, Connection

    from winchester_core.storage.dialects.bulk.statements import (
        ChildInsert,
        Family,
        RowDelete,
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


_TEXTS = 32
"""How many texts of a statement are kept, one for each number of rows."""

_ENCODERS: Encoders = {Kind.MOMENT: naive_text, Kind.DOCUMENT: Document}

_READERS: Readers = {Kind.MOMENT: moment_of, Kind.BYTES: bytes.fromhex}
"""Of what `_told` tells."""


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
        alone = len(rows) == 1
        insertion = _plain(insert, rows) if alone else self._insert(insert, rows)
        answer, locked = _at_once(connection, [insertion, self._lock(lock, keys)])
        inserted = _the_one(insert, rows[0], answer) if alone else list(answer.rows)
        return inserted, list(self._decoded(lock, locked.rows))

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
            *(_plain(insert, rows) for insert, rows in parents),
            *(self._written(statement, rows) for statement, rows in work if rows),
            *(_children(child, rows) for child, rows in children if rows),
        ]
        if statements:
            _at_once(connection, statements)

    def delete(
        self, connection: Connection, statements: Sequence[RowDelete], keys: Sequence[Any]
    ) -> None:
        """Carry them out, all at once where few rows are meant."""
        if not keys or len(keys) > FEW:
            super().delete(connection, statements, keys)
        else:
            _at_once(connection, [self._delete(each, keys) for each in statements])

    def _insert(self, statement: RowInsert, rows: Rows) -> Statement:
        return _returning_text(statement, len(rows)), _parameters(statement, rows)

    def _update(self, statement: RowUpdate, rows: Rows) -> Statement:
        if len(rows) == 1:
            key, *values = _parameters(statement, rows)
            return _update_one_text(statement), (*values, key)
        return _update_text(statement, len(rows)), _parameters(statement, rows)

    def _lock(self, statement: RowLock, keys: Sequence[Any]) -> Statement:
        return _lock_text(statement, len(keys)), tuple(keys)

    def _delete(self, statement: RowDelete, keys: Sequence[Any]) -> Statement:
        values = repeated(("%s",) * len(keys), 1)
        text = f"DELETE FROM {statement.table.name} WHERE {statement.key} IN {values}"
        return text, tuple(keys)

    def _decoded(self, statement: RowLock, rows: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return _decoder(statement).decode([orjson.loads(text) for (text,) in rows])


def _the_one(
    statement: RowInsert, row: Sequence[Any], answer: driver.Answer
) -> list[tuple[Any, ...]]:
    """What a row's insert was to return: its key and its id, which is told with the answer.

    To read it as a row would take the driver longer than to send the values.
    """
    key, _ = statement.returning
    return [(row[statement.names.index(key)], answer.first_id)] if answer.inserted else []


def _at_once(connection: Connection, statements: Sequence[Statement]) -> list[driver.Answer]:
    texts, parameters = zip(*statements, strict=True)
    return driver.fetch_each(connection, "; ".join(texts), tuple(chain.from_iterable(parameters)))


def _plain(statement: RowInsert, rows: Rows) -> Statement:
    """Insert them, and return nothing: children find theirs by key."""
    return _insert_text(statement, len(rows)), _parameters(statement, rows)


def _children(statement: ChildInsert, rows: Rows) -> Statement:
    return _child_text(statement, len(rows)), _parameters(statement, rows)


def _parameters(statement: RowInsert | RowUpdate | ChildInsert, rows: Rows) -> tuple[Any, ...]:
    return tuple(chain.from_iterable(_encoder(statement).encode(rows)))


@lru_cache(maxsize=_TEXTS)
def _insert_text(statement: RowInsert, rows: int) -> str:
    names = statement.names
    versions = ["%s"] * len(names)
    if statement.stamp is not None:
        names = (*names, statement.stamp)
        versions.append("utc_timestamp(6)")
    insert = "INSERT" if statement.known_by is None else "INSERT IGNORE"
    text = f"{insert} INTO {statement.table.name} ({', '.join(names)})"
    return f"{text} VALUES {repeated(tuple(versions), rows)}"


@lru_cache(maxsize=_TEXTS)
def _returning_text(statement: RowInsert, rows: int) -> str:
    text = _insert_text(statement, rows)
    return f"{text} RETURNING {', '.join(statement.returning)}" if statement.returning else text


@lru_cache(maxsize=_TEXTS)
def _child_text(statement: ChildInsert, rows: int) -> str:
    key, row_id = statement.parent.returning
    parent = f"(SELECT {row_id} FROM {statement.parent.table.name} WHERE {key} = %s)"
    insert = statement.insert
    versions = (parent, *["%s"] * (len(insert.names) - 1))
    text = f"INSERT INTO {insert.table.name} ({', '.join(insert.names)})"
    return f"{text} VALUES {repeated(versions, rows)}"


@cache
def _update_one_text(statement: RowUpdate) -> str:
    changes = ", ".join(f"{name} = %s" for name in statement.names)
    return f"UPDATE {statement.table.name} SET {changes} WHERE {statement.key} = %s"


@lru_cache(maxsize=_TEXTS)
def _update_text(statement: RowUpdate, rows: int) -> str:
    # in this order and by this index: it locks what it reads
    table, columns = statement.table.name, statement.columns
    names = ", ".join(column.name for column in columns)
    values = repeated(("%s",) * len(columns), rows)
    changes = ", ".join(f"{table}.{name} = listed.{name}" for name in statement.names)
    text = [
        f"UPDATE (WITH listed ({names}) AS (VALUES {values}) SELECT * FROM listed) AS listed",
        f"STRAIGHT_JOIN {table} FORCE INDEX (PRIMARY)",
        f"ON {table}.{statement.key} = listed.{statement.key} SET {changes}",
    ]
    return " ".join(text)


@lru_cache(maxsize=_TEXTS)
def _lock_text(statement: RowLock, keys: int) -> str:
    # the driver takes as long for the head of a column as for all else of a single row
    values = ", ".join(map(_told, statement.columns))
    text = [f"SELECT JSON_ARRAY({values}) FROM {statement.table.name}"]
    text.append(f"FORCE INDEX ({statement.index})")
    text.append(f"WHERE {statement.key} IN {repeated(('%s',) * keys, 1)}")
    text.append(f"ORDER BY {statement.key} FOR UPDATE")
    return " ".join(text)


def _told(column: Column[Any]) -> str:
    """What a JSON array tells of a column."""
    return f"HEX({column.name})" if kind_of(column) is Kind.BYTES else column.name


@cache
def _encoder(statement: RowInsert | RowUpdate | ChildInsert) -> RowEncoder:
    return RowEncoder(statement.columns, _ENCODERS)


@cache
def _decoder(statement: RowLock) -> RowDecoder:
    return RowDecoder(statement.columns, _READERS)
