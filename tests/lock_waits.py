"""Seeing that a transaction waits for the lock of another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from sites import wait_until

if TYPE_CHECKING:
    from winchester_core.storage.sql.database import Database

_WAITING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'",
    # InnoDB writes that table anew only when nobody has read it for a tenth of a second
    "mariadb": "SELECT count(*) + sleep(0.15) FROM information_schema.innodb_trx"
    " JOIN information_schema.processlist ON trx_mysql_thread_id = processlist.id"
    " WHERE trx_state = 'LOCK WAIT' AND db = database()",
}


def wait_until_somebody_waits(database: Database) -> None:
    """Return as soon as a transaction in `database`, which is a server's, waits for a lock."""
    waiting = text(_WAITING[database.dialect.name])
    wait_until(lambda: database.read(lambda it: it.execute(waiting).scalar_one() > 0))
