"""Kafka and the ingester with all faults combined: nothing is lost, nothing stored twice.

`docs/how-to/kafka.md` has the command for a run with 20,000 messages.
"""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import orjson
from confluent_kafka import KafkaException, Producer

from support.scenes.background_publisher import BackgroundPublisher, enveloped, make_notification
from support.scenes.program_groups import program_group
from support.scenes.sites import Site, wait_until
from support.scenes.source_faults import SETTINGS, Origin, run_with_faults
from support.servers.kafka import MIN_SESSION, KafkaServer, tansu_broker
from support.servers.private_servers import free_port
from support.servers.tcp_proxy import proxied
from winchester_core.interfaces.kafka_client import LibraryLog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.scenes.background_publisher import Publish
    from support.scenes.program_groups import RunningProgram

PARTITIONS = 3
NUMBER = 10
PART = 100
CONFIRM_SECONDS = 10
GROUP = "winchester"


class Topic:
    """A topic, and the confirmed ends of its partitions: those that Tansu returns may be wrong."""

    def __init__(self, broker: KafkaServer) -> None:
        self.name = broker.create_topic(PARTITIONS)
        self._broker = broker
        self._ends = dict.fromkeys(range(PARTITIONS), 0)

    @contextmanager
    def publisher(self) -> Iterator[Publish]:
        """Yield a function that publishes a message and waits until it is confirmed."""
        producer = Producer({**self._broker.settings(), "linger.ms": 0}, logger=LibraryLog())

        def publish(body: bytes) -> None:
            reports: list[Any] = []
            producer.produce(self.name, body, on_delivery=lambda *report: reports.append(report))
            producer.flush(CONFIRM_SECONDS)
            ((error, message),) = reports
            if error is not None:
                raise KafkaException(error)
            end = self._ends[message.partition()]
            self._ends[message.partition()] = max(end, message.offset() + 1)

        yield publish

    def unsettled(self) -> int:
        """Return the number of confirmed messages without a committed offset."""
        committed = self._broker.committed(GROUP, self.name, PARTITIONS)
        return sum(max(0, end - committed.get(each, 0)) for each, end in self._ends.items())


def test_every_notification_is_stored_exactly_once(tmp_path: Path) -> None:
    port = free_port()
    with proxied(port) as proxy, tansu_broker(port, advertised_port=proxy.port) as broker:
        topic = Topic(broker)
        params = source_params(broker, topic.name)
        origin = Origin(
            proxy,
            entries=[{"source": "kafka", "params": params}] * 2,
            open_publisher=topic.publisher,
            unsettled=topic.unsettled,
        )
        run_with_faults(origin, tmp_path)


def test_ingesters_join_and_leave_a_group_in_mid_batch(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.migrate()
    with tansu_broker() as broker, program_group(site) as programs, site.store() as store:
        topic = Topic(broker)
        params = source_params(broker, topic.name)
        sources = {"nova": {"source": "kafka", "batch_size": 20, "params": params}}
        site.add_settings(SETTINGS.format(sources=json.dumps(sources)))

        def start(name: str) -> RunningProgram:
            """Start an ingester while messages arrive, and wait until it has partitions."""
            publisher.publish(PART)
            ingester = programs.start(name, "winchester", "ingest", "-c", site.config)
            wait_until(lambda: f"partitions={topic.name}" in ingester.text())
            publisher.publish(PART)
            return ingester

        with closing(BackgroundPublisher(topic.publisher)) as publisher:
            first, second = start("first"), start("second")
            assert second.end() == 0, second.text()
            third = start("third")
            third.kill()
            last = start("last")
            publisher.wait()
            wait_until(lambda: store.count_events() == len(publisher.published))
            wait_until(lambda: topic.unsettled() == 0)
            for ingester in (first, last):
                assert ingester.end() == 0, ingester.text()
            assert len(publisher.published) == 8 * PART
        assert store.count_rejected() == 0


def source_params(broker: KafkaServer, topic: str) -> dict[str, Any]:
    return {
        **broker.params,
        "topics": [topic],
        "group": GROUP,
        "session_timeout_seconds": MIN_SESSION,
    }


def test_a_broker_may_be_down_at_the_start_and_at_the_end(tmp_path: Path) -> None:
    site, port = Site(tmp_path), free_port()
    params = {
        "bootstrap_servers": f"127.0.0.1:{port}",
        "topics": ["notifications.info"],
        "group": GROUP,
        "session_timeout_seconds": MIN_SESSION,
        "timeout_seconds": 5,
    }
    sources = {"nova": {"source": "kafka", "params": params}}
    site.add_settings(SETTINGS.format(sources=json.dumps(sources)))
    site.migrate()
    with program_group(site) as programs:
        ingester = programs.start("ingester", "winchester", "ingest", "-c", site.config)
        wait_until(lambda: "event source 'nova'" in ingester.text())
        with tansu_broker(port) as broker:
            topic = broker.create_topic(PARTITIONS, "notifications.info")
            notifications = [enveloped(make_notification(number)) for number in range(NUMBER)]
            broker.publish(topic, [orjson.dumps(each) for each in notifications])
            with site.store() as store:
                wait_until(lambda: store.count_events() == NUMBER)
            wait_until(lambda: sum(broker.committed(GROUP, topic, PARTITIONS).values()) == NUMBER)
        assert ingester.end() == 0, ingester.text()  # without a broker
    assert "Connection refused" in ingester.text()
    assert "resource available again" in ingester.text()
