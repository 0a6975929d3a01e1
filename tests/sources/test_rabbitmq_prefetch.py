"""The `rabbitmq` source while the pump holds two batches: the broker or the database fails."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.embedding import create_database
from support.scenes.sites import wait_until
from support.servers.tcp_proxy import proxied
from winchester_core import TriggerManager
from winchester_core.config import SourceEntry
from winchester_core.errors import DatabaseUnavailable
from winchester_core.failpoints import Failpoint, on_hit
from winchester_core.ingest.runner import SourceRunner
from winchester_core.sources.rabbitmq import RabbitmqSource
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.servers.brokers import BrokerNamespace
    from winchester_core.ingest.pump import SourcePump

SIZE = 10
NUMBER = 50


class Scene:
    """A queue of `NUMBER` events, and the ingest of its messages into SQLite.

    The database counts as a server, so that the next batch is prepared meanwhile.
    """

    def __init__(self, namespace: BrokerNamespace, tmp_path: Path) -> None:
        self.namespace = namespace
        self.queue = namespace.name("queue")
        with namespace.channel() as channel:
            channel.queue_declare(self.queue, durable=True, auto_delete=False)
        namespace.publish([event(number) for number in range(NUMBER)], "", self.queue)
        self._database = create_database(tmp_path / "events.db")

    @contextmanager
    def ingesting(self, **params: Any) -> Iterator[tuple[SourcePump, TriggerManager]]:
        """Run the source in a thread until the context ends."""
        given = {"queues": [self.queue], "url": self.namespace.url, "format": "event", **params}
        entry = SourceEntry("queue", "rabbitmq", RabbitmqSource, given, batch_size=SIZE)
        stop = threading.Event()
        with TriggerManager({"database": {"url": f"sqlite:///{self._database}"}}) as manager:
            manager.store.is_embedded = False  # type: ignore[misc] # as a server
            runner = SourceRunner([entry], manager, stop=stop, statistics_period_seconds=60)
            thread = threading.Thread(target=runner.run)
            thread.start()
            try:
                yield runner.pumps["queue"], manager
            finally:
                stop.set()
                thread.join()


def event(number: int) -> dict[str, Any]:
    return {
        "message_id": f"id-{number}",
        "event_type": "thing.made",
        "timestamp": "2015-01-20T10:00:00Z",
    }


@pytest.fixture
def scene(namespace: BrokerNamespace, tmp_path: Path) -> Scene:
    return Scene(namespace, tmp_path)


@contextmanager
def before_the_first_commit(action: Callable[[], object]) -> Iterator[None]:
    """Call `action` before the first batch is committed, when the second is prepared."""
    prepared = threading.Semaphore(0)
    awaited = [Failpoint.BEFORE_INGEST_COMMIT]

    def hook(point: Failpoint) -> None:
        if point is Failpoint.PREPARED:
            prepared.release()
        elif awaited == [point]:
            awaited.clear()
            for _ in range(2):
                assert prepared.acquire(timeout=BOUND_SECONDS)
            action()

    on_hit(hook)
    try:
        yield
    finally:
        on_hit(None)


def test_two_batches_are_redelivered_when_the_connection_is_cut(scene: Scene) -> None:
    where = urlsplit(scene.namespace.url)
    with proxied(where.port or 5672) as proxy:
        address = where.netloc.rpartition("@")[0] + f"@127.0.0.1:{proxy.port}"
        url = where._replace(netloc=address).geturl()
        with (
            before_the_first_commit(proxy.cut),
            scene.ingesting(url=url, prefetch=2 * SIZE) as (pump, manager),
        ):
            wait_until(lambda: pump.totals.received == NUMBER + 2 * SIZE)
            wait_until(lambda: pump.in_flight == 0)
            assert pump.totals.duplicates == 2 * SIZE
            assert pump.totals.failures >= 1
            assert manager.store.count_events() == NUMBER
    assert scene.namespace.ready(scene.queue) == 0


def test_a_stop_stores_and_acknowledges_one_batch_and_returns_the_others(scene: Scene) -> None:
    stopped = threading.Event()
    held: list[int] = []

    def stop() -> None:
        held.append(pump.in_flight)
        stopped.set()
        assert stopping.wait(BOUND_SECONDS)

    stopping = threading.Event()
    with before_the_first_commit(stop), scene.ingesting() as (pump, manager):
        assert stopped.wait(BOUND_SECONDS)
        pump._stop.set()
        stopping.set()
        wait_until(lambda: pump.in_flight == 0)
        assert manager.store.count_events() == SIZE
    assert held == [2 * SIZE]
    assert scene.namespace.ready(scene.queue) == NUMBER - SIZE


def test_a_stop_while_the_database_is_unavailable_returns_all_messages(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def fail(*_: Any) -> Any:
        failed.set()
        raise DatabaseUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(SqlStore, "record", fail)
        with scene.ingesting() as (pump, _):
            assert failed.wait(BOUND_SECONDS)
            wait_until(lambda: pump.in_flight == 2 * SIZE)
    assert scene.namespace.ready(scene.queue) == NUMBER
    with scene.ingesting() as (pump, manager):
        wait_until(lambda: pump.totals.stored == NUMBER)
        assert manager.store.count_events() == NUMBER
    assert scene.namespace.ready(scene.queue) == 0
