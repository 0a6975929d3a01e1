"""The built-in handlers pass the conformance suite for handlers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from support.servers.brokers import broker_namespace
from support.servers.kafka import mock_cluster
from support.servers.nats_servers import jetstream
from support.servers.web_service import http_endpoint
from winchester_core.distribution import DISTRIBUTION
from winchester_core.plugins import HANDLERS, installed_plugins
from winchester_core.testing import HandlerConformance, make_event, make_stream_events
from winchester_handlers.atompub import AtomPubHandler
from winchester_handlers.emit import EmitHandler
from winchester_handlers.emit.aggregates import AGGREGATES
from winchester_handlers.kafka import KafkaHandler
from winchester_handlers.logger import LoggerHandler
from winchester_handlers.nats import NatsHandler
from winchester_handlers.notabene import NotabeneHandler
from winchester_handlers.notify import NotifyHandler
from winchester_handlers.usage import UsageHandler
from winchester_handlers.webhook import WebhookHandler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.model import Event


class TestLogger(HandlerConformance):
    plugin = LoggerHandler

    @pytest.fixture(autouse=True)
    def _log(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, logger="winchester_handlers.logger")

    def params(self) -> dict[str, Any]:
        return {"level": "debug"}


class TestUsage(HandlerConformance):
    plugin = UsageHandler

    def events(self) -> list[Event]:
        """An exists event that fails with a warning, and events without one."""
        day = {"instance_id": "i", "state": "active", "audit_period_beginning": "2024"}
        return [
            *make_stream_events("compute.instance.resize.end", "compute.instance.exists", **day),
            make_event("compute.instance.update", instance_id="i"),
        ]


class TestEmit(HandlerConformance):
    plugin = EmitHandler

    def params(self) -> dict[str, Any]:
        """A trait of each kind, and each aggregate of traits of each type."""
        aggregates = {
            f"{aggregate}_{trait}": {aggregate: trait}
            for aggregate in AGGREGATES
            for trait in ("text", "number", "share", "flag", "timestamp", "nothing")
        }
        traits = {"constant": 1, "group": {"distinguished_by": "x"}, **aggregates}
        return {"event_type": "test.digest", "timestamp": "now", "traits": traits}


class TestWebhook(HandlerConformance):
    plugin = WebhookHandler

    @pytest.fixture(autouse=True)
    def _service(self) -> Iterator[None]:
        with http_endpoint() as self.endpoint:
            yield

    def params(self) -> dict[str, Any]:
        return {"url": self.endpoint.url, "secret": "correct horse"}

    def observe_effects(self) -> Any:
        return [request.path for request in self.endpoint.requests]


class TestWebhookOfStreams(TestWebhook):
    def params(self) -> dict[str, Any]:
        return {"url": self.endpoint.url, "send": "stream", "format": "cloudevent"}


class TestWebhookOfTexts(TestWebhook):
    def params(self) -> dict[str, Any]:
        body = '{"key": {{ secrets.key | json }}, "number": {{ event.number }}}'
        return {"url": self.endpoint.url, "body": body, "secrets": {"key": "correct horse"}}


class TestAtomPub(TestWebhook):
    plugin = AtomPubHandler

    def params(self) -> dict[str, Any]:
        return {"url": self.endpoint.url, "extra_info": {"region": "north"}}


class TestNotify(TestWebhook):
    plugin = NotifyHandler

    def params(self) -> dict[str, Any]:
        url = self.endpoint.url.replace("http://", "json://")
        body = "{{ stream.count }} {{ first.number }} {{ stream_url }}"
        return {"targets": {"one": url + "one", "two": url + "two"}, "body": body}


class TestNotabene(HandlerConformance):
    plugin = NotabeneHandler

    @pytest.fixture(autouse=True)
    def _broker(self) -> Iterator[None]:
        with broker_namespace() as self.namespace:
            self.queue = self.namespace.name("info")
            with self.namespace.channel() as channel:
                channel.queue_declare(self.queue, durable=True, auto_delete=False)
            yield

    def params(self) -> dict[str, Any]:
        exchange = self.namespace.name("nova")
        where = {"url": self.namespace.url, "exchange": exchange, "queue_name": self.queue}
        return {**where, "event_types": ["test.*", "!test.ended"], "env_keys": ["nothing"]}

    def observe_effects(self) -> Any:
        return self.namespace.ready(self.queue)


class TestKafka(HandlerConformance):
    plugin = KafkaHandler

    @pytest.fixture(autouse=True)
    def _cluster(self) -> Iterator[None]:
        with mock_cluster() as self.cluster:
            yield

    def params(self) -> dict[str, Any]:
        return {**self.cluster.params, "topic": "events", "key": ["text", "number"]}

    def observe_effects(self) -> Any:
        return self.cluster.ends("events")


class TestKafkaOfStreams(TestKafka):
    def params(self) -> dict[str, Any]:
        return {**self.cluster.params, "topic": "events", "send": "stream", "format": "cloudevent"}


class TestNats(HandlerConformance):
    plugin = NatsHandler

    @pytest.fixture(autouse=True)
    def _stream(self) -> Iterator[None]:
        with jetstream() as self.origin:
            yield

    def params(self) -> dict[str, Any]:
        return {"url": self.origin.url, "subject": self.origin.subject}

    def observe_effects(self) -> Any:
        return self.origin.stored()


class TestNatsOfStreams(TestNats):
    def params(self) -> dict[str, Any]:
        return {**super().params(), "send": "stream", "format": "cloudevent"}


def test_every_handler_is_tested() -> None:
    tried = {
        TestLogger,
        TestUsage,
        TestWebhook,
        TestAtomPub,
        TestNotabene,
        TestEmit,
        TestNotify,
        TestKafka,
        TestNats,
    }
    installed = {
        p.load() for p in installed_plugins(HANDLERS).values() if p.distribution == DISTRIBUTION
    }

    assert installed == {suite.plugin for suite in tried}
