"""Description of the machine and of the databases' settings in sessions of the engine."""

from __future__ import annotations

import os
import platform
import re
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from benchmarks.databases import engine_url
from winchester_core.storage.sql.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

LIBRARIES = (
    "winchester-core",
    "SQLAlchemy",
    "psycopg",
    "PyMySQL",
    "mysqlclient",
    "orjson",
    "stackdistiller",
)
_POSTGRESQL = ("server_version", "fsync", "synchronous_commit", "full_page_writes")
_POSTGRESQL_MEMORY = ("shared_buffers", "max_wal_size")
_MARIADB = ("version", "innodb_flush_log_at_trx_commit", "innodb_doublewrite", "log_bin")
_MARIADB_MEMORY = ("sync_binlog", "innodb_buffer_pool_size", "innodb_flush_method")
_SQLITE = ("journal_mode", "synchronous")


def machine() -> dict[str, Any]:
    """Return processor, memory, versions and load average."""
    return {
        "processor": _search(Path("/proc/cpuinfo"), r"^model name\s*:\s*(.+)$"),
        "processors": os.cpu_count(),
        "memory_kib": _search(Path("/proc/meminfo"), r"^MemTotal:\s*(\d+) kB$"),
        "system": _system(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def database_settings(backends: Iterable[str], folder: Path) -> dict[str, dict[str, str]]:
    """Return the version and the durability settings of each database."""
    found = {}
    for backend in backends:
        with engine_url(backend, folder) as url, closing(Database(url)) as database:
            found[backend] = database.read(_READERS[backend])
    return found


def _of_sqlite(connection: Connection) -> dict[str, str]:
    values = {name: _scalar(connection, f"PRAGMA {name}") for name in _SQLITE}
    return {"version": _scalar(connection, "SELECT sqlite_version()"), **values}


def _of_postgresql(connection: Connection) -> dict[str, str]:
    names = (*_POSTGRESQL, *_POSTGRESQL_MEMORY)
    return {name: _scalar(connection, f"SHOW {name}") for name in names}


def _of_mariadb(connection: Connection) -> dict[str, str]:
    return {name: _scalar(connection, f"SELECT @@{name}") for name in (*_MARIADB, *_MARIADB_MEMORY)}


_READERS = {"sqlite": _of_sqlite, "postgresql": _of_postgresql, "mariadb": _of_mariadb}


def _system() -> str:
    kernel = ".".join(platform.release().split(".")[:2])
    return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {platform.system()} {kernel}"


def _scalar(connection: Connection, query: str) -> str:
    return str(connection.execute(text(query)).scalar_one())


def _search(path: Path, pattern: str) -> str | None:
    found = re.search(pattern, path.read_text(), re.MULTILINE) if path.is_file() else None
    return found[1] if found else None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
