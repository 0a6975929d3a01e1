"""Rows in one JSON document, which PostgreSQL takes apart.

Its driver goes through the text of a statement for its parameters, which with thousands of them
takes longer than everything else; here there is one. JSON keeps integers and text as they are;
a typed document travels as a text.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from winchester_core.model.event_json import dump_traits
from winchester_core.storage.dialects.bulk.encoding import Encoders, Kind, RowEncoder, kind_of
from winchester_core.storage.dialects.bulk.writer import BulkWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column

    from winchester_core.storage.dialects.bulk.statements import RowInsert, RowUpdate

_ENCODERS: Encoders = {
    Kind.DOCUMENT: dump_traits,
    Kind.BYTES: bytes.hex,
}

_DECODED = {
    Kind.MOMENT: "({})::timestamptz",
    Kind.DOCUMENT: "({})::json",
    Kind.BYTES: "decode({}, 'hex')",
    Kind.LONG: "({})::bigint",
    Kind.INTEGER: "({})::integer",
    Kind.TEXT: "{}",
}

_ROWS = "FROM jsonb_array_elements(%s::jsonb) AS listed"


class PostgresqlWriter(BulkWriter):
    """For PostgreSQL."""

    def _insert(
        self, statement: RowInsert, rows: Sequence[Sequence[Any]]
    ) -> tuple[str, tuple[Any, ...]]:
        return _insert_text(statement), (_document(statement, rows),)

    def _update(
        self, statement: RowUpdate, rows: Sequence[Sequence[Any]]
    ) -> tuple[str, tuple[Any, ...]]:
        keys = f"{{{','.join(str(row[0]) for row in rows)}}}"
        return _update_text(statement), (_document(statement, rows), keys)


def _document(statement: RowInsert | RowUpdate, rows: Sequence[Sequence[Any]]) -> str:
    return orjson.dumps(list(_encoder(statement).encode(rows))).decode()


@cache
def _insert_text(statement: RowInsert) -> str:
    names = [*statement.names]
    values = _values(statement.columns)
    if statement.stamp is not None:
        names.append(statement.stamp)
        values.append("clock_timestamp()")
    text = [f"INSERT INTO {statement.table.name} ({', '.join(names)})"]
    text.append(f"SELECT {', '.join(values)} {_ROWS}")
    if statement.known_by is not None:
        text.append(f"ON CONFLICT ({statement.known_by}) DO NOTHING")
    if statement.returning:
        text.append(f"RETURNING {', '.join(statement.returning)}")
    return " ".join(text)


@cache
def _update_text(statement: RowUpdate) -> str:
    table = statement.table.name
    key, *values = _values(statement.columns)
    changes = (f"{name} = {value}" for name, value in zip(statement.names, values, strict=True))
    text = [f"UPDATE {table} SET {', '.join(changes)} {_ROWS}"]
    # of the document the planner does not know how long it is, and would go through the table
    text.append(f"WHERE {table}.{statement.key} = ANY(%s::bigint[])")
    text.append(f"AND {table}.{statement.key} = {key}")
    return " ".join(text)


def _values(columns: Sequence[Column[Any]]) -> list[str]:
    return [
        _DECODED[kind_of(column)].format(f"listed->>{place}")
        for place, column in enumerate(columns)
    ]


@cache
def _encoder(statement: RowInsert | RowUpdate) -> RowEncoder:
    return RowEncoder(statement.columns, _ENCODERS)
