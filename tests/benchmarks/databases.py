"""Databases for contestants: each its own on the same server, dropped afterwards."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import create_engine, event

from benchmarks.workload import TRIGGER
from support.servers.databases import temporary_database
from winchester_core import TriggerManager
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema_migration import DatabaseSchema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Connection, Engine


@contextmanager
def engine_url(backend: str, folder: Path) -> Iterator[str]:
    """Yield the URL of a database with the engine's tables."""
    with temporary_database(backend, folder) as url:
        with closing(Database(url)) as database:
            DatabaseSchema(database).upgrade()
        yield url


@contextmanager
def engine_manager(
    backend: str, folder: Path, trigger: Mapping[str, Any] = TRIGGER
) -> Iterator[TriggerManager]:
    """Yield a trigger manager on its own database, with one trigger."""
    with (
        engine_url(backend, folder) as url,
        TriggerManager(settings(url, trigger_definitions=[trigger])) as manager,
    ):
        yield manager


def settings(url: str, **others: Any) -> dict[str, Any]:
    """Return the engine's default settings with the workload's trigger."""
    return {"database": {"url": url}, "trigger_definitions": [TRIGGER]} | others


@contextmanager
def plain_engine(backend: str, folder: Path) -> Iterator[Engine]:
    """Yield a SQLAlchemy engine on an empty database with the same durability."""
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
