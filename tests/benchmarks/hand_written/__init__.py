"""The second yardstick: the engine's whole write pattern, by hand, for each database.

Events with unique ids, one stream for each instance and day, links between both; claims, loading
and completion. What the engine does besides (criteria, time expressions, checks of what it is
given, leases, retries) is left out, and the one trigger is written into the code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def by_hand(backend: str, engine: Engine) -> ByHand:
    """The pattern in an empty database of this kind."""
    return _KINDS[backend](engine)
