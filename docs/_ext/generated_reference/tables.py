"""Database tables, from their definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import UniqueConstraint
from sqlalchemy.dialects import postgresql

from generated_reference.markdown import code, table
from generated_reference.wording import words_for
from winchester_core.storage.sql.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Column, Table

PURPOSES = {
    "events": "Events, one row each.",
    "streams": (
        "Streams, with the state that decides when they fire or expire. A row with the state "
        "`holding` is not a stream: its events wait for an event that opens one."
    ),
    "stream_traits": "Distinguishing values of streams: one row for each distinguishing trait.",
    "stream_events": "Members of streams, in the order in which they joined.",
    "silent_groups": (
        "Silent groups of triggers with `suppress`: one row for each group, from the decision to "
        "fire until the silence is over."
    ),
    "rejected_messages": "Rejected messages, each once per source.",
    "effects": "The outbox: effects that wait for their delivery, and dead letters.",
    "debug_counts": "Debug counts: one row for each trigger with a debug level.",
    "processes": (
        "Running ingesters, workers and consoles, and for a day those that were killed: one row "
        "each."
    ),
    "activity": "Counts by minute or hour, and by trigger or pipeline, summed over all processes.",
    "actions": "Actions of operators in the API and the console, kept for 90 days.",
    "event_clock": "The time of the event clock: one row.",
}


def render() -> str:
    """Render every table. Raises `Undescribed` for a table without a purpose."""
    return "\n\n".join(part for each in metadata.tables.values() for part in _table(each))


def _table(each: Table) -> Iterator[str]:
    yield f"## {each.name}"
    yield words_for(each.name, PURPOSES, "tables.PURPOSES")
    yield table(["column", "type", "", "content"], map(_row, each.columns))
    indexes = [*_unique(each), *_indexes(each)]
    if indexes:
        yield "\n".join(f"- {line}" for line in sorted(indexes))


def _row(column: Column[object]) -> tuple[str, str, str, str]:
    notes = []
    if column.primary_key:
        notes.append("key")
    if column.nullable:
        notes.append("nullable")
    shown = column.type.compile(dialect=postgresql.dialect()).lower()  # type: ignore[no-untyped-call]
    return code(column.name), code(shown), ", ".join(notes), column.comment or ""


def _unique(each: Table) -> Iterator[str]:
    for constraint in each.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield f"unique: {_names(constraint.columns)}"


def _indexes(each: Table) -> Iterator[str]:
    for index in each.indexes:
        yield f"index: {_names(index.columns)}"


def _names(columns: object) -> str:
    return ", ".join(code(column.name) for column in columns)  # type: ignore[attr-defined]
