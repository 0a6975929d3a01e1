"""What is to be done with many rows, before any database has its say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, Table


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class RowUpdate:
    """Set the columns `names` of existing rows, each a tuple of its `key` and the values."""

    table: Table
    key: str
    names: tuple[str, ...]

    @property
    def columns(self) -> tuple[Column[Any], ...]:
        """The columns of a row, its key first."""
        return tuple(self.table.c[name] for name in (self.key, *self.names))


@dataclass(frozen=True, slots=True)
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


Work: TypeAlias = "tuple[RowInsert | RowUpdate, Sequence[Sequence[Any]]]"
"""A statement and its rows."""
