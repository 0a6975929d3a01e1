"""Leases of claimed streams that end when a test wants it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import update

from winchester_core.storage.sql.tables import streams

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from support.scenes.sites import Site


def expire_leases(site: Site) -> None:
    """Let the leases of all claimed streams expire now."""
    with site.store() as store:
        past = store.real_time() - timedelta(seconds=1)
        has_lease = streams.c.lease_until.is_not(None)

        def expire(connection: Connection) -> int:
            statement = update(streams).where(has_lease).values(lease_until=past)
            return connection.execute(statement).rowcount

        assert store.database.write(expire) > 0
