"""Where contestants work: databases of their own on the same server, removed afterwards."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import create_engine, event

from benchmarks.workload import TRIGGER
from support.servers.databases import temporary_database
from winchester_core import TriggerManager
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema import DatabaseSchema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine


@contextmanager
def engine_url(backend: str, folder: Path) -> Iterator[str]:
    """The URL of a database with the engine's tables."""
    with temporary_database(backend, folder) as url:
        with closing(Database(url)) as database:
            DatabaseSchema(database).upgrade()
        yield url


@contextmanager
def engine_manager(backend: str, folder: Path) -> Iterator[TriggerManager]:
    """The engine's ingesting side on a database of its own, with the workload's trigger."""
    with engine_url(backend, folder) as url, TriggerManager(settings(url)) as manager:
        yield manager


def settings(url: str, **others: Any) -> dict[str, Any]:
    """The engine's settings: as they come, with the workload's trigger."""
    return {"database": {"url": url}, "trigger_definitions": [TRIGGER], **others}


@contextmanager
def plain_engine(backend: str, folder: Path) -> Iterator[Engine]:
    """SQLAlchemy on an empty database, as durable as the engine's."""
    with temporary_database(backend, folder) as url:
        options = {} if backend == "sqlite" else {"isolation_level": "READ COMMITTED"}
        engine = create_engine(url, json_serializer=_dumps, **options)
        if backend == "sqlite":
            event.listen(engine, "connect", _set_up_sqlite)
            event.listen(engine, "begin", _begin_at_once)
        try:
            yield engine
        finally:
            engine.dispose()


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _begin_at_once(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
