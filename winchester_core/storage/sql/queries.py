"""Parts of queries that several tables share: filters and records."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import and_, func, select

from winchester_core.model.event import text_problem
from winchester_core.storage.list_pages import MAX_LISTED_CHARACTERS
from winchester_core.storage.sql.types import equals_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Column, ColumnElement, Row, Table

    from winchester_core.storage.sql.database import Transaction
    from winchester_core.storage.sql.dialects import SqlDialect

Record = TypeVar("Record")


def filter_conditions(
    *filters: tuple[Any, Callable[[Any], ColumnElement[bool]]],
) -> list[ColumnElement[bool]]:
    """Return a condition for each filter that has a value."""
    return [condition(value) for value, condition in filters if value is not None]


def count_rows(
    tx: Transaction,
    row_id: Column[int],
    conditions: Sequence[ColumnElement[bool]],
    up_to: int | None = None,
) -> int:
    """Return the number of rows that meet all conditions, at most `up_to`."""
    if up_to is None:
        query = select(func.count()).select_from(row_id.table).where(*conditions)
    else:
        counted = select(row_id).where(*conditions).limit(up_to).subquery()
        query = select(func.count()).select_from(counted)
    return tx.execute(query).scalar_one()


def with_cut_texts(table: Table, *names: str) -> list[ColumnElement[Any]]:
    """Return the columns of a table; those with these names are cut to a length for lists."""
    return [
        func.substr(column, 1, MAX_LISTED_CHARACTERS, type_=column.type).label(column.name)
        if column.name in names
        else column
        for column in table.columns
    ]


def make_record(record_class: Callable[..., Record], row: Row[Any], **values: Any) -> Record:
    """Return a dataclass with the row's columns; `values` override them."""
    names = (field.name for field in fields(record_class) if field.name not in values)  # type: ignore[arg-type]
    return record_class(**{name: getattr(row, name) for name in names}, **values)


def distinct_texts(tx: Transaction, column: Column[str]) -> list[str]:
    """Return the different values of a column that is the first of an index."""
    with tx.dialect.without_sorting(tx.connection):
        return list(tx.execute(tx.dialect.distinct_values(column)).scalars())


WILDCARDS = frozenset("*?")
_GREATEST = "\U0010ffff"


def matches_glob(dialect: SqlDialect, column: ColumnElement[str], glob: str) -> ColumnElement[bool]:
    """Return the condition that `column` matches `glob`; the literal prefix is an index range."""
    prefix = literal_prefix(glob)
    if prefix == glob or text_problem(glob):
        return equals_text(column, glob)
    condition = dialect.matches_glob(column, glob)
    if not prefix:
        return condition
    return and_(column >= prefix, column < prefix + _GREATEST, condition)


def literal_prefix(glob: str) -> str:
    """Return the part of `glob` before its first wildcard."""
    for index, character in enumerate(glob):
        if character in WILDCARDS:
            return glob[:index]
    return glob
