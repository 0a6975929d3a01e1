"""An ingester with the `oslo` source, killed before and after the commit, loses nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.scenes.background_publisher import enveloped, make_notification
from support.scenes.program_groups import program_group
from support.scenes.sites import Site, wait_until
from support.servers.brokers import broker_namespace
from winchester_core.failpoints import Failpoint

PROGRAM = Path(__file__).parents[1] / "support" / "scenes" / "failpoint_program.py"
NUMBER = 200
SETTINGS = """\
catch_all_notifications: true
distiller_config: []
event_sources:
  nova:
    source: oslo
    batch_size: 20
    params:
      transport_url: {url}
      topics: [{topic}]
      exchanges: [{exchange}]
      priorities: [info]
"""


@pytest.mark.parametrize("point", [Failpoint.RECEIVED, Failpoint.INGEST_COMMITTED])
def test_nothing_is_acknowledged_before_its_commit(tmp_path: Path, point: Failpoint) -> None:
    site = Site(tmp_path)
    with broker_namespace() as namespace, program_group(site) as programs:
        exchange, topic, queue = (
            namespace.name(name) for name in ("exchange", "topic", "topic.info")
        )
        url = namespace.url.replace("amqp://", "rabbit://").removesuffix("//") + "/"
        site.add_settings(SETTINGS.format(url=url, topic=topic, exchange=exchange))
        site.migrate()
        ingest = ["ingest", "-c", str(site.config)]
        armed = programs.start("ingester", sys.executable, str(PROGRAM), point, "3", *ingest)
        wait_until(lambda: namespace.consumers(queue) == 1 or not armed.is_running)
        messages = [enveloped(make_notification(number)) for number in range(NUMBER)]
        namespace.publish(messages, exchange, queue)
        assert armed.wait() == -9, armed.text()
        wait_until(lambda: namespace.consumers(queue) == 0)
        kept = stored(site) + namespace.ready(queue)
        assert kept > NUMBER if point is Failpoint.INGEST_COMMITTED else kept >= NUMBER
        ingester = programs.start("ingester", "winchester", *ingest)
        wait_until(lambda: stored(site) == NUMBER or not ingester.is_running)
        assert ingester.end() == 0, ingester.text()
        assert (stored(site), namespace.ready(queue)) == (NUMBER, 0)


def stored(site: Site) -> int:
    with site.store() as store:
        return store.count_events()
