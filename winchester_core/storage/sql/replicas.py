"""Age of the data on a server that accepts no writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.model.statistics import Replica

if TYPE_CHECKING:
    from winchester_core.storage.sql.database import Transaction


def read(tx: Transaction) -> Replica | None:
    """Return the age of the data of a server that accepts no writes; None if it accepts them."""
    query = tx.dialect.replica_query()
    if query is None:
        return None
    row: Any = tx.execute(query).one()
    accepts_no_writes, lag_seconds = row
    if not accepts_no_writes:
        return None
    return Replica(None if lag_seconds is None else max(0.0, float(lag_seconds)))
