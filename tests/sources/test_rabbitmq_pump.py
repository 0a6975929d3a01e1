"""The `rabbitmq` source pumped into a database that may be slow."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import make_url

from support.scenes.sites import wait_until
from support.servers.brokers import HEARTBEAT_SECONDS, wait_until_neglected
from support.servers.databases import temporary_database
from support.servers.tcp_proxy import proxied
from winchester_core.bootstrap import TriggerManager, load_settings, open_database
from winchester_core.ingest.pump import SourcePump
from winchester_core.sources.rabbitmq import RabbitmqSource
from winchester_core.storage.sql.schema_migration import DatabaseSchema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.servers.brokers import BrokerNamespace
    from winchester_core.ingest.pump import PumpTotals


def notification(number: int) -> dict[str, Any]:
    return {
        "message_id": f"id-{number}",
        "event_type": "thing.made",
        "timestamp": "2015-01-20T10:00:00",
        "payload": {},
    }


def test_invalid_messages_are_kept_as_rejected_and_acknowledged(
    namespace: BrokerNamespace, tmp_path: Path
) -> None:
    queue = namespace.name("queue")
    url = f"sqlite:///{tmp_path}/events.db"
    bodies = [b"no json", b"[1]", {**notification(0), "message_id": None}, notification(1)]
    with pumping(url, RabbitmqSource(queues=[queue], url=namespace.url)) as (pump, manager):
        wait_until(lambda: namespace.consumers(queue) == 1)
        namespace.publish(bodies, "", queue)
        wait_until(lambda: pump.totals.received == len(bodies))
        assert manager.store.count_rejected() == 3
        assert manager.store.count_events() == 1
    assert namespace.ready(queue) == 0


def test_the_connection_survives_a_stalled_database(
    namespace: BrokerNamespace, tmp_path: Path
) -> None:
    queue = namespace.name("queue")
    source = RabbitmqSource(queues=[queue], url=namespace.url, heartbeat_seconds=HEARTBEAT_SECONDS)
    with temporary_database("postgresql", tmp_path) as direct:
        url = make_url(direct)
        with proxied(url.port or 5432) as proxy:
            through = url.set(host="127.0.0.1", port=proxy.port)
            database_url = through.render_as_string(hide_password=False)
            with pumping(database_url, source) as (pump, _):
                wait_until(lambda: namespace.consumers(queue) == 1)
                namespace.publish([notification(0)], "", queue)
                wait_until(lambda: pump.totals.stored == 1)
                session = source._session
                proxy.stall()
                namespace.publish([notification(1)], "", queue)
                wait_until(lambda: namespace.ready(queue) == 0)
                # the broker gives up who is silent for two heartbeats; this one is not
                for _ in range(2):
                    wait_until_neglected(namespace.url)
                assert pump.totals.stored == 1
                proxy.allow()
                wait_until(lambda: pump.totals.stored == 2)
                assert source._session is session
                assert session is not None
                assert session.failure is None
                assert pump.totals == type(pump.totals)(received=2, stored=2)
    assert namespace.ready(queue) == 0


@contextmanager
def pumping(url: str, source: RabbitmqSource) -> Iterator[tuple[SourcePump, TriggerManager]]:
    """Pump a source into a new database, in a thread, until the context ends."""
    settings = {
        "database": {"url": url},
        "distiller_config": [],
        "catch_all_notifications": True,
    }
    database = open_database(load_settings(settings))
    DatabaseSchema(database).upgrade()
    database.close()
    stop = threading.Event()
    with TriggerManager(settings) as manager:
        pump = SourcePump("test", source, manager, batch_size=10, stop=stop)
        totals: list[PumpTotals] = []
        thread = threading.Thread(target=lambda: totals.append(pump.run()))
        thread.start()
        try:
            yield pump, manager
        finally:
            stop.set()
            thread.join()
    assert totals == [pump.totals]
