"""MariaDB takes rows fastest as a VALUES list; its driver writes the values into the text."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from winchester_core.model.event_json import dump_traits
from winchester_core.storage.dialects.bulk.encoding import Encoders, Kind, RowEncoder
from winchester_core.storage.dialects.bulk.placeholders import repeated
from winchester_core.storage.dialects.bulk.writer import BulkWriter
from winchester_core.storage.sql.types import naive_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.storage.dialects.bulk.statements import RowInsert, RowLock, RowUpdate

_ENCODERS: Encoders = {Kind.MOMENT: naive_text, Kind.DOCUMENT: dump_traits}


class MariadbWriter(BulkWriter):
    """For MariaDB. Of a row passed over it does not say whether it is known or was refused."""

    name = "mariadb"

    def _insert(
        self, statement: RowInsert, rows: Sequence[Sequence[Any]]
    ) -> tuple[str, tuple[Any, ...]]:
        names = statement.names
        marks = ["%s"] * len(names)
        if statement.stamp is not None:
            names = (*names, statement.stamp)
            marks.append("utc_timestamp(6)")
        insert = "INSERT" if statement.known_by is None else "INSERT IGNORE"
        text = [f"{insert} INTO {statement.table.name} ({', '.join(names)})"]
        text.append(f"VALUES {repeated(tuple(marks), len(rows))}")
        if statement.returning:
            text.append(f"RETURNING {', '.join(statement.returning)}")
        listed = _encoder(statement).encode(rows)
        return " ".join(text), tuple(chain.from_iterable(listed))

    def _update(
        self, statement: RowUpdate, rows: Sequence[Sequence[Any]]
    ) -> tuple[str, tuple[Any, ...]]:
        # in this order and by this index: it locks what it reads
        table, columns = statement.table.name, statement.columns
        names = ", ".join(column.name for column in columns)
        values = repeated(("%s",) * len(columns), len(rows))
        changes = ", ".join(f"{table}.{name} = listed.{name}" for name in statement.names)
        text = [
            f"UPDATE (WITH listed ({names}) AS (VALUES {values}) SELECT * FROM listed) AS listed",
            f"STRAIGHT_JOIN {table} FORCE INDEX (PRIMARY)",
            f"ON {table}.{statement.key} = listed.{statement.key} SET {changes}",
        ]
        return " ".join(text), tuple(chain.from_iterable(_encoder(statement).encode(rows)))

    def _lock(self, statement: RowLock, keys: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
        text = [f"SELECT {', '.join(statement.names)} FROM {statement.table.name}"]
        text.append(f"FORCE INDEX ({statement.index})")
        text.append(f"WHERE {statement.key} IN {repeated(('%s',) * len(keys), 1)}")
        text.append(f"ORDER BY {statement.key} FOR UPDATE")
        return " ".join(text), tuple(keys)


@cache
def _encoder(statement: RowInsert | RowUpdate) -> RowEncoder:
    return RowEncoder(statement.columns, _ENCODERS)
