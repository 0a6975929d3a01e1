"""A connection cut at a commit: in either outcome nothing is lost and nothing done twice.

A proxy between store and server cuts the connection before the server receives the commit, or
after it has committed and before the client receives the reply.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import (
    LEASE,
    VM,
    at,
    claim_all,
    ingest,
    make_event,
    matched_events,
    only_stream,
    ready_to_fire,
)
from support.probes.time_limits import BOUND_SECONDS
from support.servers.tcp_proxy import Cut, Proxy, proxied
from winchester_core.clock import FixedTime
from winchester_core.errors import DatabaseUnavailable
from winchester_core.model.stream import StreamState
from winchester_core.retry import OutageState, retry_until_stopped
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.storage.records import Completion
from winchester_core.storage.sql import clocks
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.store import SqlStore
from winchester_core.telemetry.counters import Counters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.servers.databases import Databases

DEFAULT_PORTS = {"postgresql": 5432, "mariadb": 3306}
NOW = FixedTime(at(0))


@dataclass
class Line:
    """A store, and the proxy between it and its server."""

    store: SqlStore
    proxy: Proxy
    direct_url: str

    def retry_until_available(self, action: Callable[[], Any]) -> Any:
        """Retry until the database responds, as ingesters and workers do."""
        return retry_until_stopped(OutageState("database", Counters()), threading.Event(), action)


@pytest.fixture
def line(server: str, databases: Databases) -> Iterator[Line]:
    direct = databases.emptied(server).engine.url
    with proxied(direct.port or DEFAULT_PORTS[server]) as proxy:
        through = direct.set(host="127.0.0.1", port=proxy.port)
        database = Database(through.render_as_string(hide_password=False))
        database.read(clocks.event_clock_time)  # connected, which takes a commit on MariaDB
        yield Line(SqlStore(database), proxy, direct.render_as_string(hide_password=False))
        database.close()


@pytest.mark.parametrize("cut", Cut)
def test_ingest_is_applied_once(line: Line, cut: Cut) -> None:
    batch = matched_events([VM], [make_event("a/1", instance="a"), make_event("b/1", instance="b")])
    line.proxy.cut_at_next_commit(cut)
    recorded = line.retry_until_available(lambda: line.store.record(batch, NOW))
    assert line.proxy.cuts == 1
    assert recorded.stored == ((True, True) if cut is Cut.BEFORE_COMMIT else (False, False))
    assert line.store.count_events(EventFilter()) == 2
    assert [only_stream(line.store, instance=each).event_count for each in "ab"] == [1, 1]


@pytest.mark.parametrize("cut", Cut)
def test_an_unknown_claim_expires(line: Line, cut: Cut) -> None:
    ready_to_fire(line.store, "a")
    line.proxy.cut_at_next_commit(cut)
    with pytest.raises(DatabaseUnavailable):
        claim_all(line.store, lease=timedelta(0))
    stream = only_stream(line.store, instance="a")
    if cut is Cut.BEFORE_COMMIT:
        assert stream.state is StreamState.ACTIVE
    else:  # no worker knows of it, so its lease is not renewed
        assert stream.state is StreamState.FIRING
        assert claim_all(line.store, worker="w2") == []
        assert line.store.rescue(max_attempts=5, limit=10) == (1, 0)
        trial = line.store.claim_trial(worker="w2", lease=LEASE)
        assert trial is not None
        assert (trial.attempt, trial.failures) == (2, 0)
        return
    (claim,) = claim_all(line.store, worker="w2")
    assert claim.attempt == 1


@pytest.mark.parametrize("cut", Cut)
def test_a_completion_is_applied_once(line: Line, cut: Cut) -> None:
    ready_to_fire(line.store, "a")
    (claim,) = claim_all(line.store)
    made = tuple(matched_events([VM], [make_event("made", instance="b")]))
    completion = Completion(claim, made, purge=False)
    line.proxy.cut_at_next_commit(cut)
    line.retry_until_available(lambda: line.store.complete([completion], NOW))
    stream = only_stream(line.store, instance="a")
    assert (stream.state, stream.state_serial_no) == (StreamState.COMPLETED, claim.serial + 1)
    assert line.store.count_events(EventFilter(event_type="vm.update")) == 1
    assert only_stream(line.store, instance="b").event_count == 1


@pytest.mark.parametrize("number", [1000, 3000])
def test_a_truncated_reply_is_an_outage(line: Line, number: int) -> None:
    instances = [f"i{each}" for each in range(50)]
    ready_to_fire(line.store, *instances)
    line.proxy.cut_after(number)
    with pytest.raises(DatabaseUnavailable):
        line.store.find_streams(StreamFilter())
    assert line.store.count_streams(StreamFilter()) == len(instances)


def test_work_resumes_with_the_connection(line: Line) -> None:
    ingest(line.store, VM, make_event("a/1", instance="a"))
    line.proxy.refuse()
    assert line.proxy.cut() > 0
    with pytest.raises(DatabaseUnavailable):
        line.store.event_clock()
    with ThreadPoolExecutor(1) as pool:
        batch = matched_events([VM], [make_event("a/2", instance="a")])
        recording = pool.submit(line.retry_until_available, lambda: line.store.record(batch, NOW))
        line.proxy.allow()
        assert recording.result(timeout=BOUND_SECONDS).stored == (True,)
    assert only_stream(line.store, instance="a").event_count == 2


def test_a_client_on_a_silent_connection_blocks_no_other(line: Line) -> None:
    ingest(line.store, VM, make_event("a/1", instance="a"))
    other = SqlStore(Database(line.direct_url))
    line.proxy.stall()
    with ThreadPoolExecutor(1) as pool:
        batch = matched_events([VM], [make_event("a/2", instance="a")])
        recording = pool.submit(line.store.record, batch, NOW)
        ingest(other, VM, make_event("a/3", instance="a"))
        assert not recording.done()
        line.proxy.allow()
        assert recording.result(timeout=BOUND_SECONDS).stored == (True,)
    assert only_stream(other, instance="a").event_count == 3
    other.close()
