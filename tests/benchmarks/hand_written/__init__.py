"""The hand-written baseline: the engine's whole write pattern, for each database.

Events with unique ids, one stream for each instance and day, links between both; claims, loading
and completion. It omits criteria, time expressions, input validation, leases and retries, and its
one trigger is in the code. The baseline is the pattern in SQLAlchemy Core; a stricter one uses each
database's own SQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.hand_written.core import CorePattern
from benchmarks.hand_written.mariadb import MariadbPattern
from benchmarks.hand_written.postgresql import PostgresqlPattern
from benchmarks.hand_written.sqlite import SqlitePattern

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from benchmarks.hand_written.pattern import WritePattern

_KINDS: dict[str, type[WritePattern]] = {
    "sqlite": SqlitePattern,
    "postgresql": PostgresqlPattern,
    "mariadb": MariadbPattern,
}


def in_sqlalchemy_core(engine: Engine) -> WritePattern:
    """Return the pattern in SQLAlchemy Core, on an empty database."""
    return CorePattern(engine)


def in_native_sql(backend: str, engine: Engine) -> WritePattern:
    """Return the pattern in this database's own SQL, on an empty database."""
    return _KINDS[backend](engine)
