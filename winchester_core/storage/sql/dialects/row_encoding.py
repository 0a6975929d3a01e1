"""How values are written and read: by columns, for one by one would cost as much again."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import JSON, BigInteger, Integer, LargeBinary

from winchester_core.storage.sql.types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Column


class ColumnKind(Enum):
    """What a column holds."""

    TIMESTAMP = "an aware UTC time"
    JSON = "typed values by name"
    BYTES = "bytes"
    BIGINT = "an integer of 64 bits"
    INTEGER = "an integer of 32 bits"
    TEXT = "text"


Encoders: TypeAlias = "Mapping[ColumnKind, Callable[[Any], Any]]"
"""How a database wants the kinds of values that it does not take as they are."""

Decoders: TypeAlias = "Mapping[ColumnKind, Callable[[Any], Any]]"
"""What makes values of what a driver gives."""

_COLUMN_KINDS: tuple[tuple[type[Any], ColumnKind], ...] = (
    (UtcDateTime, ColumnKind.TIMESTAMP),
    (JSON, ColumnKind.JSON),
    (LargeBinary, ColumnKind.BYTES),
    (BigInteger, ColumnKind.BIGINT),
    (Integer, ColumnKind.INTEGER),
)


def column_kind(column: Column[Any]) -> ColumnKind:
    """What `column` holds."""
    return next(
        (kind for type_, kind in _COLUMN_KINDS if isinstance(column.type, type_)), ColumnKind.TEXT
    )


class RowEncoder:
    """Writes rows of certain columns, each kind of value in a database's way."""

    def __init__(self, columns: Sequence[Column[Any]], encoders: Encoders) -> None:
        self._columns = [(encoders.get(column_kind(each)), bool(each.nullable)) for each in columns]

    def encode(self, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
        """`rows` as they are written; None stays None."""
        return zip(*self.encode_columns(rows), strict=True)

    def encode_columns(self, rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        """The columns of `rows` as they are written."""
        return map(_convert, self._columns, zip(*rows, strict=True))


class RowDecoder:
    """Makes of the rows that a driver gives what was written."""

    def __init__(self, columns: Sequence[Column[Any]], readers: Decoders) -> None:
        self._columns = [
            (index, readers[column_kind(each)], bool(each.nullable))
            for index, each in enumerate(columns)
            if column_kind(each) in readers
        ]

    def decode(self, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """The same rows with the values that were written; times are aware, in UTC."""
        if not rows:
            return rows
        columns: list[Any] = list(zip(*rows, strict=True))
        for index, read, may_be_none in self._columns:
            columns[index] = _convert((read, may_be_none), columns[index])
        return list(zip(*columns, strict=True))


def _convert(
    column: tuple[Callable[[Any], Any] | None, bool], values: Sequence[Any]
) -> Sequence[Any]:
    change, may_be_none = column
    if change is None:
        return values
    if may_be_none:
        return [None if value is None else change(value) for value in values]
    return list(map(change, values))
