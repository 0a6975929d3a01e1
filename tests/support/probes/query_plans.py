"""Rows read by each statement of a program, as PostgreSQL and MariaDB report them."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg.types.json import set_json_loads

from support.probes.sent_statements import before_each_statement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from winchester_core.storage.sql.database import Database

LOOKING = ("SELECT", "UPDATE", "DELETE", "WITH")

BIG_TABLES = frozenset(
    {
        *("events", "streams", "stream_events", "stream_traits", "effects"),
        *("rejected_messages", "activity", "actions"),
    }
)


@dataclass
class Reading:
    """Reads of one statement: rows in all, full scans, and sorted rows.

    `whole_tables` are scans of a whole table or index; `table_scans` only those of a table.
    `index_entries` are those of `rows` of which only the entry in an index was read: PostgreSQL.
    """

    statement: str
    rows: int = 0
    index_entries: int = 0
    whole_tables: list[str] = field(default_factory=list)
    table_scans: list[str] = field(default_factory=list)
    sorts: list[str] = field(default_factory=list)


def excessive(measured: list[Reading], rows: int) -> list[Reading]:
    """Return the statements that read a whole table, or more than `rows`.

    A table of effects does not count, because it is empty in tests of other tables.
    """
    return [each for each in measured if {*each.whole_tables} - {"effects"} or each.rows > rows]


@contextmanager
def readings(database: Database) -> Iterator[list[Reading]]:
    """Record the reads of each query while it is executed.

    Each is executed twice: the first time for its plan, and rolled back.
    """
    noted: list[Reading] = []
    explain = _explain_postgresql if database.dialect.name == "postgresql" else _explain_mariadb

    def note(connection: Connection, statement: str, values: Any) -> None:
        if (
            statement.startswith(("SELECT", "UPDATE", "DELETE", "WITH"))
            and "FROM" in statement.upper()
        ):
            with connection.connection.cursor() as aside:
                aside.execute("SAVEPOINT plan")
                noted.append(explain(aside, statement, values))
                aside.execute("ROLLBACK TO SAVEPOINT plan")

    with before_each_statement(database, note):
        yield noted


def _explain_postgresql(cursor: Any, statement: str, values: Any) -> Reading:
    set_json_loads(json.loads, cursor)
    cursor.execute("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + statement, values)
    reading = Reading(statement)
    for node in _nodes(cursor.fetchone()[0][0]["Plan"]):
        table, kind = node.get("Relation Name"), node["Node Type"]
        passed_over = sum(
            node.get(each, 0)
            for each in ("Rows Removed by Filter", "Rows Removed by Index Recheck")
        )
        if table is not None and kind not in ("ModifyTable", "Update", "Delete"):
            reading.rows += round((node["Actual Rows"] + passed_over) * node["Actual Loops"])
        if kind == "Index Only Scan":
            read = (node["Actual Rows"] + passed_over) * node["Actual Loops"]
            reading.index_entries += max(0, round(read) - node["Heap Fetches"])
        if kind == "Bitmap Index Scan":
            reading.index_entries += round(node["Actual Rows"] * node["Actual Loops"])
            reading.rows += round(node["Actual Rows"] * node["Actual Loops"])
        is_whole = kind == "Seq Scan" or (kind.startswith("Index") and "Index Cond" not in node)
        if table in BIG_TABLES and is_whole:
            reading.whole_tables.append(table)
        if table in BIG_TABLES and kind == "Seq Scan":
            reading.table_scans.append(table)
        if kind in ("Sort", "Incremental Sort"):
            reading.sorts.append(str(node["Sort Key"]))
    return reading


_MARIADB_CONDITION = re.compile(r'"[a-z_]*condition": ".*?"(?=,?\n *["}\]])', re.DOTALL)
"""A condition contains the searched keys verbatim: bytes that are not JSON."""


def _explain_mariadb(cursor: Any, statement: str, values: Any) -> Reading:
    cursor.execute("ANALYZE FORMAT=JSON " + statement, values)
    reading = Reading(statement)
    plan = _MARIADB_CONDITION.sub('"condition": ""', cursor.fetchone()[0])
    for node in _nodes(json.loads(plan)):
        table = node.get("table_name")
        if table is not None:
            reading.rows += round((node.get("r_rows") or 0) * (node.get("r_loops") or 0))
            if table in BIG_TABLES and node.get("access_type") in ("ALL", "index"):
                reading.whole_tables.append(table)
            if table in BIG_TABLES and node.get("access_type") == "ALL":
                reading.table_scans.append(table)
        if "filesort" in node:
            reading.sorts.append(str(node["filesort"].get("sort_key")))
    return reading


def _nodes(part: Any) -> Iterator[dict[str, Any]]:
    """Yield every object within a plan."""
    if isinstance(part, dict):
        if "Node Type" in part or "table_name" in part or "filesort" in part:
            yield part
        for each in part.values():
            yield from _nodes(each)
    elif isinstance(part, list):
        for each in part:
            yield from _nodes(each)
