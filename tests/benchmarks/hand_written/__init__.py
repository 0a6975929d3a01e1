"""The second yardstick: the engine's whole write pattern, by hand, for each database.

Events with unique ids, one stream for each instance and day, links between both; claims, loading
and completion. What the engine does besides (criteria, time expressions, checks of what it is
given, leases, retries) is left out, and the one trigger is written into the code. The yardstick is
the pattern in SQLAlchemy Core; a stricter one goes past it, in each database's own SQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.hand_written.core import CoreByHand
from benchmarks.hand_written.mariadb import MariadbByHand
from benchmarks.hand_written.postgresql import PostgresqlByHand
from benchmarks.hand_written.sqlite import SqliteByHand

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from benchmarks.hand_written.pattern import ByHand

_KINDS: dict[str, type[ByHand]] = {
    "sqlite": SqliteByHand,
    "postgresql": PostgresqlByHand,
    "mariadb": MariadbByHand,
}


def in_core(engine: Engine) -> ByHand:
    """The pattern in SQLAlchemy Core, in an empty database."""
    return CoreByHand(engine)


def past_core(backend: str, engine: Engine) -> ByHand:
    """The pattern in the SQL of this kind of database, which is empty."""
    return _KINDS[backend](engine)
