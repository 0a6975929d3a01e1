"""What all writers of many rows share."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from winchester_core.storage.dialects.bulk import driver
from winchester_core.storage.dialects.bulk.encoding import Kind, RowDecoder
from winchester_core.storage.dialects.bulk.statements import RowUpdate
from winchester_core.storage.sql.pages import pages
from winchester_core.storage.sql.types import time_reader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from winchester_core.storage.dialects.bulk.statements import (
        Family,
        RowDelete,
        RowInsert,
        RowLock,
        Rows,
        Statement,
        Work,
    )

MAX_ROWS = 1_000
"""Rows in one statement: those of a whole batch of ingest."""

FEW = 100
"""Up to so many rows the journey to the server costs more than the rows themselves."""


class BulkWriter:
    """Sends many rows in one statement.

    The library would make a statement with a parameter for each value, converting one by one;
    that took more time than the databases need for the rows.
    """

    name = ""
    """The dialect's."""

    how: Mapping[str, bool | None] = MappingProxyType({})
    """What the driver is told with each statement."""

    def insert(
        self, connection: Connection, statement: RowInsert, rows: Rows
    ) -> list[tuple[Any, ...]]:
        """Carry out `statement`; return what it is to return, of the rows that went in."""
        returned: list[tuple[Any, ...]] = []
        for page in pages(rows, MAX_ROWS):
            text, parameters = self._insert(statement, page)
            if statement.returning:
                returned += driver.fetch(connection, text, parameters, **self.how)
            else:
                driver.execute(connection, text, parameters, **self.how)
        return returned

    def lock(
        self, connection: Connection, statement: RowLock, keys: Sequence[Any]
    ) -> list[Sequence[Any]]:
        """Carry out `statement` for these values of its key, which are in order."""
        locked: list[Sequence[Any]] = []
        for page in pages(keys):
            text, parameters = self._lock(statement, page)
            rows = driver.fetch(connection, text, parameters, **self.how)
            locked += self._decoded(statement, rows)
        return locked

    def insert_and_lock(
        self,
        connection: Connection,
        insert: RowInsert,
        rows: Rows,
        lock: RowLock,
        keys: Sequence[Any],
    ) -> tuple[list[tuple[Any, ...]], list[Sequence[Any]]]:
        """Carry out `insert`, then `lock`; return what each gives."""
        inserted = self.insert(connection, insert, rows)
        return inserted, self.lock(connection, lock, keys)

    def carry_out(
        self, connection: Connection, work: Sequence[Work], family: Family | None = None
    ) -> None:
        """Do several things, of which none needs another done, and let a family in."""
        if family is not None and family.rows:
            work = _merged([*work, *self._insert_parents(connection, family)])
        self._carry_out(connection, work)

    def delete(
        self, connection: Connection, statements: Sequence[RowDelete], keys: Sequence[Any]
    ) -> None:
        """Carry out `statements`, in their order, for the same values of their keys."""
        for page in pages(keys):
            self._execute(connection, [self._delete(each, page) for each in statements])

    def _execute(self, connection: Connection, statements: Sequence[Statement]) -> None:
        for text, parameters in statements:
            driver.execute(connection, text, parameters, **self.how)

    def _insert_parents(self, connection: Connection, family: Family) -> list[Work]:
        """Insert the parents; return what is left to do for their children."""
        ids = {
            bytes(key): row_id
            for key, row_id in self.insert(connection, family.parent, family.rows)
        }
        return [
            (child.insert, [(ids[key], *others) for key, *others in rows])
            for child, rows in family.children
        ]

    def _carry_out(self, connection: Connection, work: Sequence[Work]) -> None:
        for statement, rows in work:
            for page in pages(rows, MAX_ROWS):
                text, parameters = self._written(statement, page)
                driver.execute(connection, text, parameters, **self.how)

    def _written(self, statement: RowInsert | RowUpdate, rows: Rows) -> Statement:
        if isinstance(statement, RowUpdate):
            return self._update(statement, rows)
        return self._insert(statement, rows)

    def _decoded(self, statement: RowLock, rows: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return _decoder(statement, self.name).decode(rows)

    def _insert(self, statement: RowInsert, rows: Rows) -> Statement:
        raise NotImplementedError

    def _lock(self, statement: RowLock, keys: Sequence[Any]) -> Statement:
        raise NotImplementedError

    def _update(self, statement: RowUpdate, rows: Rows) -> Statement:
        raise NotImplementedError

    def _delete(self, statement: RowDelete, keys: Sequence[Any]) -> Statement:
        raise NotImplementedError


def _merged(work: Sequence[Work]) -> list[Work]:
    """The same with each statement once."""
    merged: dict[RowInsert | RowUpdate, list[Sequence[Any]]] = {}
    for statement, rows in work:
        merged.setdefault(statement, []).extend(rows)
    return list(merged.items())


@cache
def _decoder(statement: RowLock, name: str) -> RowDecoder:
    return RowDecoder(statement.columns, {Kind.MOMENT: time_reader(name)})
