"""Limits of a program whose queries must not disturb others: connections and times."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseLimits:
    """Limits for a program whose queries must not disturb ingesters and workers.

    There are at most `pool_size` connections. If all are in use for `pool_timeout_seconds`, raises
    `DatabaseUnavailable`. A statement that takes longer than `statement_timeout_seconds` is
    cancelled and raises `QueryTimeout`; on SQLite, this is the time of the whole transaction. A
    server ends the transaction of a paused process after 30 seconds, also while it sends a result.
    """

    pool_size: int = 4
    pool_timeout_seconds: float = 3.0
    statement_timeout_seconds: float = 5.0
