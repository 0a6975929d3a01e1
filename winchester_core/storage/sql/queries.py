"""Parts of queries and records that several tables share: filters, records, pagination by id."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import and_, func, select

from winchester_core.model.event import text_problem
from winchester_core.storage.sql.dialects.bulk import parameter_batches
from winchester_core.storage.sql.types import equals_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Column, ColumnElement, Row, Select, Table

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


def make_record(record_class: Callable[..., Record], row: Row[Any], **values: Any) -> Record:
    """Return a dataclass with the row's columns; `values` override them."""
    names = (field.name for field in fields(record_class) if field.name not in values)  # type: ignore[arg-type]
    return record_class(**{name: getattr(row, name) for name in names}, **values)


# --- pagination by id, with filters of any selectivity -------------------------------------------
#
# To find the first rows by id that meet a filter, a database has two plans. It can scan the primary
# key, which reads the whole table if matches come last. Or it can scan the filter's index, which
# sorts millions of rows if most rows match. The planner assumes that matches are spread evenly, but
# ids of events and streams grow with their times. So both plans are used in turn, each where it is
# cheap.

SCAN_WINDOW_ROWS = 10_000
"""Number of rows to scan by id before the filters' indexes are used."""


def find_ids(
    tx: Transaction,
    row_id: ColumnElement[int],
    cursor: int | None,
    limit: int,
    conditions: Sequence[ColumnElement[bool]],
    *,
    indexed_conditions: Sequence[ColumnElement[bool]] | None = None,
) -> list[int]:
    """Return the first `limit` ids after `cursor` of rows that meet all `conditions`, ascending.

    `indexed_conditions` is equivalent to `conditions`, in a form that is fast if few rows match.
    """
    by_id = select(row_id).where(row_id > int(cursor or 0)).order_by(row_id)
    if not conditions:
        return _ids(tx, by_id.limit(limit))
    # the window counts rows, not ids, because trimming leaves gaps in the ids of events
    last = tx.execute(by_id.offset(SCAN_WINDOW_ROWS - 1).limit(1)).scalar_one_or_none()
    window = by_id if last is None else by_id.where(row_id <= last)
    found = _ids(tx, window.where(*map(tx.dialect.filter_only, conditions)).limit(limit))
    if len(found) < limit and last is not None:
        # `+ 0` keeps the planner from scanning the primary key, which would read all rows
        rest = select(row_id).where(row_id > last).order_by(row_id + 0)
        indexed = conditions if indexed_conditions is None else indexed_conditions
        found += _ids(tx, rest.where(*indexed).limit(limit - len(found)))
    return found


def rows_by_id(
    tx: Transaction, query: Select[Any], row_id: ColumnElement[int], ids: Sequence[int]
) -> list[Row[Any]]:
    """Return the rows of `query` with these ids, which must be ascending, by id."""
    rows: list[Row[Any]] = []
    for batch in parameter_batches(ids):
        rows += tx.execute(query.where(tx.dialect.is_one_of(row_id, batch)).order_by(row_id))
    return rows


def _ids(tx: Transaction, query: Any) -> list[int]:
    return list(tx.execute(query).scalars())


def distinct_texts(tx: Transaction, column: Column[str]) -> list[str]:
    """Return the different values of a column that is the first of an index."""
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
