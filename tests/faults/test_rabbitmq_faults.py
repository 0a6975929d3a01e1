"""RabbitMQ and the ingester with all faults combined: nothing is lost, nothing stored twice.

WINCHESTER_TEST_NOTIFICATIONS sets the number of messages; `docs/how-to/rabbitmq.md` has the command
for a run with 20,000.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection
from sqlalchemy.engine import make_url

from support.scenes.notification_publisher import Notifier
from support.scenes.program_groups import program_group
from support.scenes.sites import Site, wait_until
from support.servers.brokers import private_broker
from support.servers.databases import temporary_database
from support.servers.tcp_proxy import proxied
from winchester_core.bootstrap import open_store
from winchester_core.failpoints import Failpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.scenes.program_groups import ProgramGroup, RunningProgram
    from support.servers.brokers import PrivateBroker
    from support.servers.tcp_proxy import Proxy
    from winchester_core.storage.sql.store import SqlStore

NUMBER = int(os.environ.get("WINCHESTER_TEST_NOTIFICATIONS", "2000"))
PROGRAM = Path(__file__).parents[1] / "support" / "scenes" / "failpoint_program.py"

KILLS = (
    Failpoint.RECEIVED,
    Failpoint.INGEST_COMMITTED,
    Failpoint.BEFORE_INGEST_COMMIT,
    Failpoint.RECEIVED,
    Failpoint.INGEST_COMMITTED,
)
CLOSURES = 10
STAGES = len(KILLS) + CLOSURES + 2

EXCHANGE, QUEUE = "nova", "monitor.info"
SETTINGS = """\
catch_all_notifications: true
distiller_config: []
statistics_period: 1
event_sources:
  nova:
    source: rabbitmq
    batch_size: 20
    params:
      url: {url}
      queues:
        - {{name: monitor.info, exchange: nova, routing_keys: [monitor.info]}}
"""


class Scene:
    """A private broker and database, a publisher, and one ingester after another."""

    def __init__(
        self,
        broker: PrivateBroker,
        proxy: Proxy,
        site: Site,
        programs: ProgramGroup,
        store: SqlStore,
    ) -> None:
        self.broker, self.proxy, self.store = broker, proxy, store
        self._site, self._program_group = site, programs
        with Connection(broker.url) as connection, connection.channel() as channel:
            channel.exchange_declare(EXCHANGE, "topic", durable=True, auto_delete=False)
            channel.queue_declare(QUEUE, durable=True, auto_delete=False)
            channel.queue_bind(QUEUE, EXCHANGE, QUEUE)
        self.notifier = Notifier(broker.url, EXCHANGE, QUEUE)

    def ingester(self) -> RunningProgram:
        """Start an ingester."""
        return self._program_group.start(
            "ingester", "winchester", "ingest", "-c", self._site.config
        )

    def self_killing_ingester(self, point: Failpoint) -> RunningProgram:
        """Start an ingester that kills itself when it reaches a failpoint for the third time."""
        command = [str(PROGRAM), point, "3", "ingest", "-c", str(self._site.config)]
        return self._program_group.start("ingester", sys.executable, *command)

    def stored(self) -> int:
        """Return the number of stored events."""
        return self.store.count_events()

    def ready(self) -> int:
        """Return the number of messages in the queue, once no ingester holds any."""
        found = self._queue()
        if found.consumer_count:
            wait_until(lambda: self._queue().consumer_count == 0)
        return int(self._queue().message_count)

    def publish(self, number: int) -> None:
        """Publish this many more, and wait until the ingester has stored one of them."""
        before = self.stored()
        self.notifier.publish(number)
        wait_until(lambda: self.stored() > before)

    def close_connections(self) -> None:
        """Close all connections of the broker, the consuming ingester's included."""
        self.wait_for_consumer()
        self.broker.close_connections()

    def wait_for_consumer(self) -> None:
        """Wait until the ingester consumes."""
        wait_until(lambda: self._queue().consumer_count == 1)

    def _queue(self) -> Any:
        with Connection(self.broker.url) as connection, connection.channel() as channel:
            return channel.queue_declare(QUEUE, passive=True)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        broker = stack.enter_context(private_broker())
        url = make_url(stack.enter_context(temporary_database("postgresql", tmp_path)))
        proxy = stack.enter_context(proxied(url.port or 5432))
        through = url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
        site = Site(tmp_path, through)
        site.add_settings(SETTINGS.format(url=broker.url))
        site.migrate()
        programs = stack.enter_context(program_group(site))
        direct = {"database": {"url": url.render_as_string(hide_password=False)}}
        store = stack.enter_context(closing(open_store(direct)))
        made = Scene(broker, proxy, site, programs, store)
        stack.callback(made.notifier.close)
        yield made


def test_every_notification_is_stored_exactly_once(scene: Scene) -> None:
    a_stage = NUMBER // STAGES
    for point in KILLS:
        ingester = scene.self_killing_ingester(point)
        scene.notifier.publish(a_stage)
        assert ingester.wait() == -9, ingester.text()
        scene.notifier.wait()
        check_acknowledgements(scene, point)
    ingester = scene.ingester()
    for _ in range(CLOSURES):
        scene.publish(a_stage // 2)
        scene.close_connections()
        scene.publish(a_stage - a_stage // 2)
    scene.publish(a_stage // 2)
    cut_database(scene, ingester, a_stage - a_stage // 2)
    last = NUMBER - a_stage * (STAGES - 1)
    scene.publish(last // 2)
    scene.broker.restart()
    scene.publish(last - last // 2)
    scene.notifier.wait()
    wait_until(lambda: scene.stored() >= NUMBER)
    assert ingester.end() == 0, ingester.text()
    assert scene.ready() == 0
    assert scene.store.count_rejected() == 0
    assert len(set(scene.notifier.published)) == NUMBER == scene.stored()


def check_acknowledgements(scene: Scene, point: Failpoint) -> None:
    """Assert that unstored messages are queued, and after a commit stored ones too."""
    kept = scene.stored() + scene.ready()
    published = len(scene.notifier.published)
    if point is Failpoint.INGEST_COMMITTED:
        assert kept > published
    else:
        assert kept >= published


def cut_database(scene: Scene, ingester: RunningProgram, number: int) -> None:
    """Make the database unavailable while the ingester holds messages and the broker goes down."""
    scene.wait_for_consumer()
    gone = "resource unavailable, retrying: resource='database'"
    reported = ingester.text().count(gone)
    scene.proxy.refuse()
    scene.proxy.cut()
    scene.notifier.publish(number)
    wait_until(lambda: ingester.text().count(gone) > reported)
    stored = scene.stored()
    scene.close_connections()
    assert scene.stored() == stored
    scene.proxy.allow()
