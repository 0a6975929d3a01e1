"""Transactions that wait for each other's locks, and transactions that hold a lock meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from support.scenes.sites import wait_until

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from winchester_core.storage.sql.database import Database

_WAITING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'",
    # InnoDB refreshes that table only when nobody has read it for a tenth of a second
    "mariadb": "SELECT count(*) + sleep(0.15) FROM information_schema.innodb_trx"
    " JOIN information_schema.processlist ON trx_mysql_thread_id = processlist.id"
    " WHERE trx_state = 'LOCK WAIT' AND db = database()",
}


_WITHOUT_TIMEOUTS = {
    "postgresql": (
        "SET LOCAL idle_in_transaction_session_timeout = 0",
        "SET LOCAL lock_timeout = 0",
    ),
    "mariadb": ("SET idle_transaction_timeout = 0", "SET innodb_lock_wait_timeout = 86400"),
}


def disable_timeouts(connection: Connection) -> None:
    """Let the transaction of `connection` last as long as a slow machine needs.

    On MariaDB this applies to the whole session.
    """
    for statement in _WITHOUT_TIMEOUTS[connection.dialect.name]:
        connection.execute(text(statement))


def wait_until_a_transaction_waits(database: Database) -> None:
    """Return once a transaction in the server's `database` waits for a lock."""
    waiting = text(_WAITING[database.dialect.name])
    wait_until(lambda: database.read(lambda it: it.execute(waiting).scalar_one() > 0))
