"""After a failover, connections to the old primary, which is read-only, are not used again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from support.builders.events import VM, ingest, make_event
from winchester_core.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from winchester_core.storage.sql.store import SqlStore

READ_ONLY = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}


@pytest.mark.parametrize("sql_store", READ_ONLY, indirect=True)
def test_the_pool_is_renewed_when_the_server_refuses_to_write(sql_store: SqlStore) -> None:
    def refuse_writes(connection: Connection) -> None:
        connection.execute(text(READ_ONLY[sql_store.database.dialect.name]))

    sql_store.database.engine.dispose()
    sql_store.database.read(refuse_writes)  # this session represents the old primary
    with pytest.raises(DatabaseUnavailable):
        ingest(sql_store, VM, make_event("1", instance="i"))
    ingest(sql_store, VM, make_event("1", instance="i"))
    assert sql_store.has_event("1")
