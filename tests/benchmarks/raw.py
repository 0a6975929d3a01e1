"""The raw baseline: events as rows, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import JSON, Column, DateTime, Integer, MetaData, String, Table, insert
from sqlalchemy.dialects.mysql import DATETIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Engine

REQUIRED = ("message_id", "event_type", "timestamp")

events = Table(
    "raw_events",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("message_id", String(255), nullable=False, unique=True),
    Column("event_type", String(255), nullable=False, index=True),
    Column(
        "timestamp",
        DateTime(timezone=True).with_variant(DATETIME(fsp=6), "mysql", "mariadb"),
        nullable=False,
        index=True,
    ),
    Column("traits", JSON(), nullable=False),
)


class RawEvents:
    """A table of events on one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        events.create(engine)

    def add(self, batches: Iterable[Sequence[Mapping[str, Any]]]) -> None:
        """Insert each batch in its own transaction."""
        for batch in batches:
            with self._engine.begin() as connection:
                connection.execute(insert(events), [_row(event) for event in batch])

    def copy(self, batches: Iterable[Sequence[Mapping[str, Any]]]) -> None:
        """Insert each batch by PostgreSQL's COPY."""
        for batch in batches:
            with self._engine.begin() as connection:
                cursor = connection.connection.cursor()
                with cursor.copy(
                    "COPY raw_events (message_id, event_type, timestamp, traits) FROM STDIN"
                ) as copy:
                    for event in batch:
                        row = _row(event)
                        traits = orjson.dumps(row["traits"]).decode()
                        copy.write_row((*(row[name] for name in REQUIRED), traits))


def _row(event: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "message_id": event["message_id"],
        "event_type": event["event_type"],
        "timestamp": event["timestamp"],
        "traits": {name: value for name, value in event.items() if name not in REQUIRED},
    }
