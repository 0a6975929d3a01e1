"""Counts of the statements executed by a database."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from winchester_core.storage.sql.database import Database


@dataclass
class Meter:
    """Counts of statements, and on request of the virtual machine's instructions."""

    statements: list[str] = field(default_factory=list)
    instructions: int = 0

    def __len__(self) -> int:
        return len(self.statements)

    def note(self, statement: str, times: int = 1) -> None:
        """Count a statement; an executemany counts once per row."""
        self.statements += [statement] * times


@contextmanager
def metered(database: Database, *, instructions: bool = False) -> Iterator[Meter]:
    """Count the statements that `database` executes within this context.

    SQLite reports them itself, BEGIN and COMMIT included; and, slowly, the `instructions` of its
    virtual machine, some for each row read. Elsewhere the driver's cursors are counted, since not
    all statements pass through SQLAlchemy.
    """
    meter = Meter()
    if database.dialect.embedded:
        listeners = _on_sqlite(meter, instructions)
    elif database.dialect.name == "postgresql":
        listeners = _on_postgresql(meter)
    else:
        listeners = _on_mariadb(meter)
    for name, listener in listeners.items():
        event.listen(database.engine, name, listener)
    try:
        yield meter
    finally:
        for name, listener in listeners.items():
            event.remove(database.engine, name, listener)


def _on_sqlite(meter: Meter, instructions: bool) -> dict[str, Callable[..., None]]:
    def advance() -> None:
        meter.instructions += 1

    def start(connection: Any, *_: object) -> None:
        connection.set_trace_callback(meter.note)
        if instructions:
            connection.set_progress_handler(advance, 1)

    def stop(connection: Any, *_: object) -> None:
        connection.set_trace_callback(None)
        connection.set_progress_handler(None, 1)

    return {"checkout": start, "checkin": stop}


def _on_postgresql(meter: Meter) -> dict[str, Callable[..., None]]:
    import psycopg

    class Counting(psycopg.Cursor[Any]):
        def execute(self, query: Any, *others: Any, **more: Any) -> Any:
            meter.note(query)
            return super().execute(query, *others, **more)

        def executemany(self, query: Any, params_seq: Any, **more: Any) -> None:
            rows = list(params_seq)
            meter.note(query, len(rows))
            super().executemany(query, rows, **more)

    def start(connection: Any, *_: object) -> None:
        connection.cursor_factory = Counting

    def stop(connection: Any, *_: object) -> None:
        connection.cursor_factory = psycopg.Cursor

    return {"checkout": start, "checkin": stop}


def _on_mariadb(meter: Meter) -> dict[str, Callable[..., None]]:
    def start(connection: Any, *_: object) -> None:
        class Counting(connection.cursorclass):  # type: ignore[misc]
            # the driver calls this for each row, or once with all rows in one statement
            def execute(self, query: Any, args: Any = None) -> Any:
                text = query if isinstance(query, str) else bytes(query).decode()
                for statement in text.split("; "):
                    meter.note(statement)
                return super().execute(query, args)

        connection.cursorclass = Counting

    def stop(connection: Any, *_: object) -> None:
        connection.cursorclass = connection.cursorclass.__base__

    return {"checkout": start, "checkin": stop}
