"""Statements that go to PostgreSQL one behind the other, none waiting for the answer before it.

psycopg's pipeline mode.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from winchester_core.storage.dialects.bulk.driver import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    Send = Callable[[str, Sequence[Any]], Any]


@contextmanager
def pipeline(connection: Connection, **how: bool | None) -> Iterator[Send]:
    """Give what sends a statement and returns the cursor for its rows, to be read afterwards.

    The server begins with a statement as soon as it has it. Raises `DBAPIError` as SQLAlchemy
    does: the statements of a pipeline after one that failed are not carried out.
    """
    psycopg: Any = connection.connection.driver_connection
    sent: list[str] = []

    def send(text: str, parameters: Sequence[Any]) -> Any:
        sent.append(text)
        return psycopg.cursor().execute(text, parameters, **how)

    try:
        with psycopg.pipeline():
            yield send
    except BaseException as error:  # noqa: BLE001 - raised again
        tell(connection, sent[-1] if sent else None, error)


def can_pipeline() -> bool:
    """Whether the driver's library has this mode: libpq from 14 on."""
    from psycopg import Pipeline

    return Pipeline.is_supported()
