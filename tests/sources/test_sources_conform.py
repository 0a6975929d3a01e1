"""The built-in sources for brokers pass the conformance suite for sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import orjson
import pytest
from oslo_context.context import RequestContext

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from support.servers.kafka import MIN_SESSION, KafkaServer, tansu_broker
from support.servers.nats_servers import jetstream
from support.servers.redis_servers import GROUP, redis_stream
from winchester_core.distill import open_envelope
from winchester_core.sources.kafka import KafkaSource
from winchester_core.sources.mqtt import MqttSource
from winchester_core.sources.nats import NatsSource
from winchester_core.sources.oslo import OsloSource
from winchester_core.sources.oslo.listener import cfg, oslo_messaging
from winchester_core.sources.rabbitmq import RabbitmqSource
from winchester_core.sources.redis import RedisSource
from winchester_core.sources.yagi import YagiSource
from winchester_core.testing import SourceConformance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from support.servers.brokers import BrokerNamespace
    from support.servers.mosquitto import MqttNamespace
    from winchester_core.model.event import Event
    from winchester_core.model.message import Message

YAGI_CONF = """\
[rabbit_broker]
host = {where.hostname}
port = {where.port}
user = {where.username}
password = {where.password}
vhost = {vhost}
[consumers]
queues = {queue}
[consumer:{queue}]
apps = winchester.yagi_handler.WinchesterHandler
exchange = {exchange}
routing_key = {queue}
"""


class TestRabbitmq(SourceConformance):
    plugin = RabbitmqSource
    message_timeout_seconds = BOUND_SECONDS

    @pytest.fixture(autouse=True)
    def _queue(self, namespace: BrokerNamespace) -> None:
        self.namespace, self.queue = namespace, namespace.name("queue")

    def params(self) -> dict[str, Any]:
        return {"queues": [self.queue], "url": self.namespace.url, "format": "event"}

    def feed(self, events: Sequence[Event]) -> None:
        if events:
            self.namespace.publish([orjson.dumps(event) for event in events], "", self.queue)


class TestYagi(TestRabbitmq):
    plugin = YagiSource

    @pytest.fixture(autouse=True)
    def _conf(self, _queue: None, tmp_path: Path) -> None:
        where = urlsplit(self.namespace.url)
        vhost, exchange = unquote(where.path[1:]) or "/", self.namespace.name("exchange")
        self.conf = tmp_path / "yagi.conf"
        self.conf.write_text(
            YAGI_CONF.format(where=where, vhost=vhost, queue=self.queue, exchange=exchange)
        )

    def params(self) -> dict[str, Any]:
        return {"path": str(self.conf)}


class TestOslo(SourceConformance):
    plugin = OsloSource
    message_timeout_seconds = BOUND_SECONDS

    @pytest.fixture(autouse=True)
    def _notifier(self, namespace: BrokerNamespace) -> Iterator[None]:
        self.namespace = namespace
        self.url = namespace.url.replace("amqp://", "rabbit://").removesuffix("//") + "/"
        self.exchange, self.topic = namespace.name("exchange"), namespace.name("topic")
        self.queue = namespace.name("topic.info")
        conf = cfg.ConfigOpts()
        conf([], project="test", default_config_files=[])
        oslo_messaging.set_transport_defaults(self.exchange)
        transport = oslo_messaging.get_notification_transport(conf, url=self.url)
        self.notifier = oslo_messaging.Notifier(
            transport, "test.host", driver="messagingv2", topics=[self.topic]
        )
        yield
        transport.cleanup()

    def params(self) -> dict[str, Any]:
        where = {"transport_url": self.url, "topics": [self.topic], "exchanges": [self.exchange]}
        return {**where, "priorities": ["info"]}

    def feed(self, events: Sequence[Event]) -> None:
        """Send notifications once the queue exists; their ids are the notifier's."""
        for event in events:
            wait_until(lambda: self.namespace.consumers(self.queue) > 0)
            self.notifier.info(RequestContext(), event["event_type"], {"id": event["message_id"]})

    def identify(self, message: Message) -> str:
        return str(open_envelope(message.body)["payload"]["id"])


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaServer]:
    with tansu_broker() as broker:
        yield broker


class TestKafka(SourceConformance):
    plugin = KafkaSource
    remembers_position = True
    message_timeout_seconds = BOUND_SECONDS
    idle_seconds = MIN_SESSION

    @pytest.fixture(autouse=True)
    def _topic(self, kafka: KafkaServer) -> None:
        self.kafka, self.topic = kafka, kafka.create_topic()

    def params(self) -> dict[str, Any]:
        return {
            **self.kafka.params,
            "topics": [self.topic],
            "group": f"group-of-{self.topic}",
            "format": "event",
            "session_timeout_seconds": MIN_SESSION,
            "timeout_seconds": BOUND_SECONDS,
        }

    def feed(self, events: Sequence[Event]) -> None:
        self.kafka.publish(self.topic, [orjson.dumps(event) for event in events])


class TestMqtt(SourceConformance):
    plugin = MqttSource
    message_timeout_seconds = BOUND_SECONDS

    @pytest.fixture(autouse=True)
    def _topic(self, mqtt: MqttNamespace) -> None:
        self.mqtt, self.client_id, self.topic = mqtt, mqtt.client_id(), mqtt.topic("events")

    def params(self) -> dict[str, Any]:
        where = {
            "url": self.mqtt.url,
            "client_id": self.client_id,
            "timeout_seconds": BOUND_SECONDS,
        }
        return {**where, "subscriptions": [self.topic], "format": "event"}

    def feed(self, events: Sequence[Event]) -> None:
        self.mqtt.publish(self.topic, *(orjson.dumps(event) for event in events))


class TestMqtt3(TestMqtt):
    def params(self) -> dict[str, Any]:
        return {**super().params(), "protocol": "3.1.1"}


class TestNats(SourceConformance):
    plugin = NatsSource
    message_timeout_seconds = BOUND_SECONDS

    @pytest.fixture(autouse=True)
    def _stream(self) -> Iterator[None]:
        with jetstream() as self.origin:
            yield

    def params(self) -> dict[str, Any]:
        where = {"url": self.origin.url, "stream": self.origin.stream}
        return {**where, "consumer": "winchester", "format": "event"}

    def feed(self, events: Sequence[Event]) -> None:
        self.origin.publish([orjson.dumps(event) for event in events])


class TestRedis(SourceConformance):
    plugin = RedisSource
    message_timeout_seconds = BOUND_SECONDS

    @pytest.fixture(autouse=True)
    def _stream(self) -> Iterator[None]:
        with redis_stream() as self.origin:
            yield

    def params(self) -> dict[str, Any]:
        where = {"url": self.origin.url, "stream": self.origin.stream}
        return {**where, "group": GROUP, "format": "event"}

    def feed(self, events: Sequence[Event]) -> None:
        self.origin.publish([orjson.dumps(event) for event in events])
