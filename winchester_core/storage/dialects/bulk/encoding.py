"""How the values of a column are written: by columns, for one by one would cost as much again."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import JSON, BigInteger, Integer, LargeBinary

from winchester_core.storage.sql.types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Column


class Kind(Enum):
    """What a column holds."""

    MOMENT = "an aware UTC time"
    DOCUMENT = "typed values by name"
    BYTES = "bytes"
    LONG = "an integer of 64 bits"
    INTEGER = "an integer of 32 bits"
    TEXT = "text"


Encoders: TypeAlias = "Mapping[Kind, Callable[[Any], Any]]"

_KINDS: tuple[tuple[type[Any], Kind], ...] = (
    (UtcDateTime, Kind.MOMENT),
    (JSON, Kind.DOCUMENT),
    (LargeBinary, Kind.BYTES),
    (BigInteger, Kind.LONG),
    (Integer, Kind.INTEGER),
)


def kind_of(column: Column[Any]) -> Kind:
    """What `column` holds."""
    return next((kind for type_, kind in _KINDS if isinstance(column.type, type_)), Kind.TEXT)


def encoded(
    columns: Sequence[Column[Any]], encoders: Encoders, rows: Sequence[Sequence[Any]]
) -> Iterator[tuple[Any, ...]]:
    """`rows` with each value as its column's encoder writes it; None stays None."""
    by_column = zip(*rows, strict=True)
    return zip(
        *(
            _encoded(column, encoders.get(kind_of(column)), values)
            for column, values in zip(columns, by_column, strict=True)
        ),
        strict=True,
    )


def _encoded(
    column: Column[Any], encoder: Callable[[Any], Any] | None, values: Sequence[Any]
) -> Sequence[Any]:
    if encoder is None:
        return values
    if column.nullable:
        return [None if value is None else encoder(value) for value in values]
    return list(map(encoder, values))
