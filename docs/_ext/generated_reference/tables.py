"""The tables of the database, from their definitions."""

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
    "streams": "Streams, with all that decides when they fire or expire.",
    "stream_traits": "What distinguishes a stream: one row for each distinguishing trait.",
    "stream_events": "Which events a stream holds, in the order in which they joined it.",
    "rejected_messages": "Messages that could not be used, each once for its source.",
    "effects": "The outbox: effects that wait for their delivery, and dead letters.",
    "debug_counts": "What became of events at triggers that are debugged: one row each.",
    "event_clock": "The time of the event clock: one row.",
}


def render() -> str:
    """Every table. Raises `Undescribed` for one whose purpose is not said here."""
    return "\n\n".join(part for each in metadata.tables.values() for part in _table(each))


def _table(each: Table) -> Iterator[str]:
    yield f"## {each.name}"
    yield words_for(each.name, PURPOSES, "tables.PURPOSES")
    yield table(["column", "type", "", "holds"], map(_row, each.columns))
    indexes = [*_unique(each), *_indexes(each)]
    if indexes:
        yield "\n".join(f"- {line}" for line in sorted(indexes))


def _row(column: Column[object]) -> tuple[str, str, str, str]:
    notes = []
    if column.primary_key:
        notes.append("key")
    if column.nullable:
        notes.append("may be null")
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
