"""Query plans of SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.storage.sql.tables import metadata

if TYPE_CHECKING:
    from winchester_core.storage.sql.store import SqlStore


def plans(store: SqlStore, statements: list[str]) -> dict[str, list[str]]:
    """Return the plan steps of each statement that reads or changes rows."""
    with store.database.engine.connect() as connection:
        cursor = connection.connection.cursor()
        return {
            statement: [row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}")]
            for statement in statements
            if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"))
        }


def full_scans(store: SqlStore, statements: list[str]) -> list[str]:
    """Return the statements that scan all rows of a table or index.

    A scan of a subquery's result is not counted.
    """
    return [
        statement
        for statement, steps in plans(store, statements).items()
        if any(step.startswith("SCAN ") and step.split()[1] in metadata.tables for step in steps)
    ]
