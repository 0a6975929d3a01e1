"""Parts of queries and records that several tables share."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import and_, func, select

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement, Row, Table

    from winchester_core.storage.sql.database import Transaction
    from winchester_core.storage.sql.dialects import SqlDialect

Record = TypeVar("Record")


def filter_conditions(
    *filters: tuple[Any, Callable[[Any], ColumnElement[bool]]],
) -> list[ColumnElement[bool]]:
    """Return a condition for each filter that has a value."""
    return [condition(value) for value, condition in filters if value is not None]


def count_rows(tx: Transaction, table: Table, conditions: Sequence[ColumnElement[bool]]) -> int:
    """Return the number of rows that meet all conditions."""
    return tx.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()


def has_version(
    dialect: SqlDialect,
    columns: tuple[ColumnElement[int], ColumnElement[int]],
    versions: Sequence[tuple[int, int]],
) -> ColumnElement[bool]:
    """Return the condition that a row has one of these ids and its serial in these `columns`."""
    return and_(
        dialect.is_one_of(columns[0], [row_id for row_id, _ in versions]),
        dialect.pair_is_one_of(columns, versions),
    )


def make_record(record_class: Callable[..., Record], row: Row[Any], **values: Any) -> Record:
    """Return a dataclass with the row's columns; `values` override them."""
    names = (field.name for field in fields(record_class) if field.name not in values)  # type: ignore[arg-type]
    return record_class(**{name: getattr(row, name) for name in names}, **values)
