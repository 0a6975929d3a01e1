"""Real deadlocks and lock timeouts: the transaction is retried and counted, with the right result.

Another connection holds a lock that the transaction under test takes last, and then requests one
that it has already taken: the opposite order. The database aborts the transaction under test,
because the other one does not check for deadlocks (PostgreSQL) or has more to lose (MariaDB).
"""

from __future__ import annotations

import logging
import re
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, insert, text

from support.builders.events import (
    FAR,
    VM,
    at,
    claim_all,
    ingest,
    make_event,
    matched_events,
    only_stream,
)
from support.probes.lock_waits import disable_timeouts, wait_until_a_transaction_waits
from support.probes.sent_statements import before_each_statement
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from winchester_core.clock import FixedTime
from winchester_core.model.stream import Reason, StreamState
from winchester_core.storage.filters import EventFilter
from winchester_core.storage.records import Completion
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.store import SqlStore
from winchester_core.storage.sql.tables import rejected_messages
from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from support.servers.databases import Databases


HOLDS = {
    # writing the table waits for this; locking its rows does not
    "postgresql": ("SET LOCAL deadlock_timeout = '1h'", "LOCK TABLE streams IN SHARE MODE"),
    # an entry of an index that the change of the row moves; the row itself stays free
    "mariadb": ("SELECT {column} FROM streams FORCE INDEX ({index}) LOCK IN SHARE MODE",),
}
SHORT_LOCK_TIMEOUT = {
    "postgresql": "SET lock_timeout = '200ms'",
    "mariadb": "SET innodb_lock_wait_timeout = 1",
}

# PostgreSQL has several in one; MariaDB's update of many rows begins with the list of new values
_WRITES_STREAMS = re.compile(
    r"(WITH part0 AS \()?(INSERT INTO|UPDATE|DELETE FROM) (streams |\(WITH listed)"
)


class LockHolder:
    """The other connection, with its own transaction and thread."""

    def __init__(self, store: SqlStore, index: str, column: str) -> None:
        self._store = store
        self._index = {"index": index, "column": column}
        self._pool = ThreadPoolExecutor(1)
        self._connection: Connection | None = None
        self._asking: Future[Any] | None = None

    @property
    def _backend(self) -> str:
        return self._store.database.dialect.name

    def hold(self) -> None:
        """Take the lock that the transaction under test takes last."""
        self._connection = self._store.database.engine.connect()
        disable_timeouts(self._connection)
        for statement in HOLDS[self._backend]:
            self._connection.execute(text(statement.format(**self._index)))
        rows = [_row(number) for number in range(500)]  # more to lose than the other
        self._connection.execute(insert(rejected_messages), rows)

    def request(self, stream_id: int) -> None:
        """Request the stream's row; return once the request waits."""
        assert self._connection is not None
        query = text("SELECT id FROM streams WHERE id = :id FOR UPDATE")
        self._asking = self._pool.submit(self._connection.execute, query, {"id": stream_id})
        wait_until_a_transaction_waits(self._store.database)

    def release(self) -> None:
        """Release everything, after the requested lock was granted."""
        assert self._connection is not None
        if self._asking is not None:
            self._asking.result(timeout=BOUND_SECONDS)
        self._connection.rollback()

    def close(self) -> None:
        """Release everything in any case."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
        self._pool.shutdown()


@pytest.fixture
def store(server: str, databases: Databases) -> Iterator[SqlStore]:
    database = Database(databases.emptied(server).engine.url.render_as_string(hide_password=False))
    yield SqlStore(database)
    database.close()


@pytest.fixture
def database_log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The database error of each failed attempt."""
    caplog.set_level(logging.DEBUG, "winchester_core.storage.sql.database")
    return caplog


@contextmanager
def before_writing_streams(store: SqlStore, action: Callable[[], None]) -> Iterator[None]:
    """Run an action once, when the store is about to change the table of streams."""
    done: list[str] = []

    def look(_connection: Any, statement: str, _values: Any) -> None:
        if not done and _WRITES_STREAMS.match(statement):
            done.append(statement)
            action()

    with before_each_statement(store.database, look):
        yield
    assert done


def lose_a_deadlock(
    store: SqlStore, index: str, column: str, stream_id: int, action: Callable[[], Any]
) -> Any:
    """Run `action` into a deadlock that it loses; return its result."""
    opponent = LockHolder(store, index, column)
    retried = store.database.counters[Count.TRANSACTIONS_RETRIED]
    under_test = ThreadPoolExecutor(1)
    try:
        opponent.hold()
        with before_writing_streams(store, lambda: opponent.request(stream_id)):
            result = under_test.submit(action)
            wait_until(lambda: store.database.counters[Count.TRANSACTIONS_RETRIED] > retried)
            opponent.release()
            return result.result(timeout=BOUND_SECONDS)
    finally:
        opponent.close()
        under_test.shutdown()


@contextmanager
def short_lock_timeouts(store: SqlStore) -> Iterator[None]:
    """Set a short lock timeout for new connections."""
    statement = SHORT_LOCK_TIMEOUT[store.database.dialect.name]

    def configure(connection: Any, _record: object) -> None:
        connection.cursor().execute(statement)
        connection.commit()

    event.listen(store.database.engine, "connect", configure)
    store.database.engine.dispose()
    try:
        yield
    finally:
        event.remove(store.database.engine, "connect", configure)


def until_lock_timeout(store: SqlStore, stream_id: int, action: Callable[[], Any]) -> Any:
    """Run `action` while the stream's row is locked, until its first lock timeout."""
    with short_lock_timeouts(store), ThreadPoolExecutor(1) as under_test:
        holder = store.database.engine.connect()
        try:
            disable_timeouts(holder)
            query = text("SELECT id FROM streams WHERE id = :id FOR UPDATE")
            holder.execute(query, {"id": stream_id})
            result = under_test.submit(action)
            wait_until(lambda: store.database.counters[Count.TRANSACTIONS_RETRIED] > 0)
        finally:
            holder.invalidate()  # its session waits longer for locks than others
            holder.close()
        return result.result(timeout=BOUND_SECONDS)


def _row(number: int) -> dict[str, Any]:
    return {
        "source": "opponent",
        "digest": number.to_bytes(32, "big"),
        "kind": "event",
        "reason": "",
        "received_at": at(0),
        "body": b"",
        "body_length": 0,
    }


def record_the_end(store: SqlStore) -> Callable[[], Any]:
    batch = matched_events([VM], [make_event("a/2", "vm.end", 60, instance="a")])
    return lambda: store.record(batch, FixedTime(at(60)))


def check_the_end(store: SqlStore, recorded: Any) -> None:
    assert recorded.stored == (True,)
    assert store.count_events(EventFilter()) == 2
    stream = only_stream(store, instance="a")
    assert (stream.event_count, stream.last_event) == (2, at(60))
    assert stream.fire_timestamp == at(60)


def test_ingest_survives_a_deadlock(
    store: SqlStore, database_log: pytest.LogCaptureFixture
) -> None:
    ingest(store, VM, make_event("a/1", instance="a"))
    stream_id = only_stream(store, instance="a").id
    recorded = lose_a_deadlock(store, "ix_streams_due", "state", stream_id, record_the_end(store))
    check_the_end(store, recorded)
    assert "deadlock" in database_log.text.lower()


def test_ingest_survives_a_lock_timeout(
    store: SqlStore, database_log: pytest.LogCaptureFixture
) -> None:
    ingest(store, VM, make_event("a/1", instance="a"))
    stream_id = only_stream(store, instance="a").id
    check_the_end(store, until_lock_timeout(store, stream_id, record_the_end(store)))
    assert "timeout" in database_log.text.lower()


def test_claiming_survives_a_deadlock(
    store: SqlStore, database_log: pytest.LogCaptureFixture
) -> None:
    ingest(store, VM, make_event("a/1", "vm.end", instance="a"))
    stream_id = only_stream(store, instance="a").id
    claims = lose_a_deadlock(
        store, "uq_streams_open_key", "open_key", stream_id, lambda: claim_all(store)
    )
    # at the second attempt the other still held the row, and locked rows are skipped
    (claim,) = claims or claim_all(store)
    assert (claim.stream_id, claim.attempt) == (stream_id, 1)
    stream = only_stream(store, instance="a")
    assert (stream.state, stream.attempts) == (StreamState.FIRING, 1)
    assert claim_all(store, worker="w2") == []
    assert "deadlock" in database_log.text.lower()


def completion_of(store: SqlStore) -> tuple[int, Callable[[], Any]]:
    """Complete the stream of "a", with a new event that opens one of "b"."""
    ingest(store, VM, make_event("a/1", "vm.end", instance="a"))
    (claim,) = claim_all(store, Reason.FIRE, FAR)
    made = matched_events([VM], [make_event("b/1", "vm.end", instance="b")])
    completion = Completion(claim, tuple(made), purge=False)
    return claim.stream_id, lambda: store.complete([completion], FixedTime(at(0)))


def check_completion(store: SqlStore, completed: Any) -> None:
    stream = only_stream(store, instance="a")
    assert completed.stream_ids == {stream.id}
    assert stream.state is StreamState.COMPLETED
    assert completed.streams_opened == 1
    assert only_stream(store, instance="b").event_count == 1
    assert store.count_events(EventFilter()) == 2


def test_completion_survives_a_deadlock(
    store: SqlStore, database_log: pytest.LogCaptureFixture
) -> None:
    stream_id, complete = completion_of(store)
    check_completion(store, lose_a_deadlock(store, "ix_streams_due", "state", stream_id, complete))
    assert "deadlock" in database_log.text.lower()


def test_completion_survives_a_lock_timeout(
    store: SqlStore, database_log: pytest.LogCaptureFixture
) -> None:
    stream_id, complete = completion_of(store)
    check_completion(store, until_lock_timeout(store, stream_id, complete))
    assert "timeout" in database_log.text.lower()
