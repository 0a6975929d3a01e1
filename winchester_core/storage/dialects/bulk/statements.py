"""What is to be done with many rows, before any database has its say.

A statement equals itself only: texts are kept by statement, and found for each event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, Table


@dataclass(frozen=True, slots=True, eq=False)
class RowInsert:
    """Insert rows, each a tuple of the values of `names`.

    A row whose unique column `known_by` holds a value that is stored does not go in. The column
    `stamp` is set to the database's time. The columns `returning` come back for each row that went
    in, in any order.
    """

    table: Table
    names: tuple[str, ...]
    known_by: str | None = None
    stamp: str | None = None
    returning: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[Column[Any], ...]:
        """The columns of a row."""
        return tuple(self.table.c[name] for name in self.names)


@dataclass(frozen=True, slots=True, eq=False)
class RowUpdate:
    """Set the columns `names` of existing rows, each a tuple of its `key` and the values."""

    table: Table
    key: str
    names: tuple[str, ...]

    @property
    def columns(self) -> tuple[Column[Any], ...]:
        """The columns of a row, its key first."""
        return tuple(self.table.c[name] for name in (self.key, *self.names))


@dataclass(frozen=True, slots=True, eq=False)
class RowLock:
    """Read the columns `names` of the rows whose unique column `key` has one of some values.

    The rows are locked until the transaction ends, in the order of `key`; `index` is its index.
    """

    table: Table
    key: str
    names: tuple[str, ...]
    index: str

    @property
    def columns(self) -> tuple[Column[Any], ...]:
        """The columns that are read."""
        return tuple(self.table.c[name] for name in self.names)


@dataclass(frozen=True, slots=True, eq=False)
class RowDelete:
    """Delete the rows whose column `key`, the first of an index, has one of some values."""

    table: Table
    key: str


@dataclass(frozen=True, slots=True, eq=False)
class ChildInsert:
    """Insert rows that belong to rows which `parent` inserts.

    `parent` returns two columns: one that tells its rows apart, and their id. The first of a
    child's columns is to hold that id; the rows that are handed in have the former in its place.
    """

    insert: RowInsert
    parent: RowInsert

    @property
    def columns(self) -> tuple[Column[Any], ...]:
        """The columns of a row as it is handed in."""
        key, _ = self.parent.returning
        return (self.parent.table.c[key], *self.insert.columns[1:])


Rows: TypeAlias = "Sequence[Sequence[Any]]"
"""The values of rows."""

Statement: TypeAlias = "tuple[str, tuple[Any, ...]]"
"""A statement's text, and its parameters as the driver takes them."""

Work: TypeAlias = "tuple[RowInsert | RowUpdate, Rows]"
"""A statement and its rows."""


@dataclass(frozen=True, slots=True)
class Family:
    """Rows for `parent` to insert, and the rows that belong to them."""

    parent: RowInsert
    rows: Rows
    children: Sequence[tuple[ChildInsert, Rows]]

    @property
    def size(self) -> int:
        """How many rows there are in all."""
        return len(self.rows) + sum(len(rows) for _, rows in self.children)
