"""The `oslo` source on a real broker, with a real notifier."""

from __future__ import annotations

import gzip
import socket
import threading
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import amqp
import orjson
import pytest
from oslo_context.context import RequestContext

from support.scenes.sites import wait_until
from support.servers.brokers import OddHeader
from winchester_core.bootstrap import TriggerManager, open_store
from winchester_core.distill import open_envelope
from winchester_core.errors import SourceError
from winchester_core.ingest.pump import SourcePump
from winchester_core.sources.oslo import OsloSource, listener
from winchester_core.sources.oslo.listener import cfg, oslo_messaging, transport_url
from winchester_core.sources.rabbitmq import RabbitmqSource
from winchester_core.storage.filters import EventFilter
from winchester_core.storage.sql.schema_migration import DatabaseSchema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.servers.brokers import BrokerNamespace
    from winchester_core.ingest.pump import PumpTotals
    from winchester_core.interfaces import EventSource
    from winchester_core.model.message import Message

PRIORITIES = ("audit", "debug", "info", "warn", "error", "critical", "sample")

DEFINITIONS = [
    {
        "event_type": "*",
        "traits": {
            "host": {"fields": "publisher_id"},
            "request_id": {"fields": "_context_request_id"},
            "priority": {"fields": "priority"},
            "number": {"type": "int", "fields": "payload.number"},
        },
    }
]


class OsloNotifier:
    """A notifier with its own topic, and the queues that it sends to."""

    def __init__(self, namespace: BrokerNamespace) -> None:
        self.url = namespace.url.replace("amqp://", "rabbit://").removesuffix("//") + "/"
        self.exchange = namespace.name("exchange")
        self.topic = namespace.name("notifications")
        self.queues = {each: namespace.name(f"notifications.{each}") for each in PRIORITIES}
        conf = cfg.ConfigOpts()
        conf([], project="test", default_config_files=[])
        oslo_messaging.set_transport_defaults(self.exchange)
        self._transport = oslo_messaging.get_notification_transport(conf, url=self.url)
        self._notifier = oslo_messaging.Notifier(
            self._transport, "compute.one", driver="messagingv2", topics=[self.topic]
        )

    def send(self, priority: str, number: int) -> None:
        """Send one notification."""
        context = RequestContext(request_id=f"req-{number}")
        getattr(self._notifier, priority)(context, f"thing.{priority}", {"number": number})

    def close(self) -> None:
        """Disconnect."""
        self._transport.cleanup()

    def source(self, **params: Any) -> OsloSource:
        """Return a source that listens to it."""
        return OsloSource(
            transport_url=self.url, topics=[self.topic], exchanges=[self.exchange], **params
        )


@pytest.fixture
def notifier(namespace: BrokerNamespace) -> Iterator[OsloNotifier]:
    made = OsloNotifier(namespace)
    yield made
    made.close()


def test_both_sources_store_the_same_events(
    namespace: BrokerNamespace, notifier: OsloNotifier, tmp_path: Path
) -> None:
    declared = notifier.source()
    with listening(declared, namespace, notifier):
        pass  # the queues are there now, and nobody listens
    by_rabbitmq, by_oslo = (stored_by(tmp_path / name) for name in ("rabbitmq", "oslo"))
    copies = [
        {
            "name": namespace.name(f"copy.{priority}"),
            "exchange": notifier.exchange,
            "routing_keys": [f"{notifier.topic}.{priority}"],
            "durable": False,
        }
        for priority in PRIORITIES
    ]
    rabbitmq = RabbitmqSource(queues=copies, url=namespace.url)
    rabbitmq.open()
    rabbitmq.close()
    for number, priority in enumerate(PRIORITIES * 3):
        notifier.send(priority, number)
    total = len(PRIORITIES) * 3
    events = by_rabbitmq(rabbitmq, total)
    assert events == by_oslo(notifier.source(), total)
    assert {event["event_type"] for event in events} == {f"thing.{each}" for each in PRIORITIES}
    assert {event["request_id"] for event in events} == {f"req-{each}" for each in range(total)}
    assert {event["number"] for event in events} == set(range(total))
    for queue in notifier.queues.values():
        assert namespace.ready(queue) == 0


def test_released_and_unsettled_messages_are_requeued(
    namespace: BrokerNamespace, notifier: OsloNotifier
) -> None:
    source = notifier.source(priorities=["info"])
    queue = notifier.queues["info"]
    with listening(source, namespace, notifier):
        for number in range(4):
            notifier.send("info", number)
        messages = receive(source, 4)
        source.ack(messages[:1])
        source.release(messages[1:2])
        source.reject(messages[2], "bad")
    wait_until(lambda: namespace.ready(queue) == 2)
    with listening(source, namespace, notifier):
        again = receive(source, 2)
        source.ack(again)
    assert sorted(map(number_of, again)) == sorted([number_of(messages[1]), number_of(messages[3])])
    assert namespace.ready(queue) == 0


def test_each_pool_gets_its_own_copy(namespace: BrokerNamespace, notifier: OsloNotifier) -> None:
    namespace.name("mine")
    pooled = notifier.source(priorities=["info"], pool=namespace.name("mine"))
    pooled.open()
    try:
        wait_until(lambda: namespace.consumers(namespace.name("mine")) == 1)
        notifier.send("info", 7)
        [message] = receive(pooled, 1)
        pooled.ack([message])
        assert number_of(message) == 7
    finally:
        pooled.close()


def notification(message_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "message_id": message_id,
        "event_type": "a.x",
        "timestamp": "2026-03-02 09:00:00",
        "priority": "INFO",
        "payload": {},
        "_unique_id": message_id,
        "_context_user": "u",
        **changes,
    }


def envelope(inner: Any, version: Any = "2.0") -> bytes:
    return orjson.dumps({"oslo.version": version, "oslo.message": inner})


def in_envelope(message_id: str, **changes: Any) -> bytes:
    return envelope(orjson.dumps(notification(message_id, **changes)).decode())


READABLE = [
    (in_envelope("good"), {}),
    (orjson.dumps(notification("bare")), {}),
    (in_envelope("no-payload", payload=None), {}),
    (in_envelope("list-payload", payload=[1, 2]), {}),
    (in_envelope("no-priority", priority=None), {}),
    (in_envelope("list-priority", priority=["INFO"]), {}),
    (in_envelope("context", _context_self="x", _context_x="\0"), {}),
    (in_envelope("duplicate-1", _unique_id="same"), {}),
    (in_envelope("duplicate-2", _unique_id="same"), {}),
    (in_envelope("other-type"), {"content_type": "text/plain"}),
    (in_envelope("no-type"), {"content_type": None, "content_encoding": None}),
    (in_envelope("other-charset", x="é"), {"content_encoding": "latin-1"}),
    (
        zlib.compress(in_envelope("kombu-compression")),
        {"application_headers": {"compression": "application/x-gzip"}},
    ),
    (gzip.compress(in_envelope("compressed")), {"content_encoding": "gzip"}),
]
MALFORMED = [
    (b"", {}),
    (b"[1,2]", {}),
    (b'"x"', {}),
    (b"null", {}),
    (b"not json", {}),
    (envelope("not json"), {}),
    (envelope("[1]"), {}),
    (envelope(None), {}),
    (envelope(notification("version"), "9.0"), {}),
    (envelope(notification("version-type"), [2]), {}),
    (b'{"message_id": "\xff"}', {}),
    (b"\x80\x04K\x01.", {"content_type": "application/x-python-serialize"}),
    (in_envelope("encoding"), {"content_encoding": "odd"}),
    (in_envelope("compression"), {"application_headers": {"compression": "odd"}}),
    (b"no gzip", {"content_encoding": "gzip"}),
]
ODD_HEADER = in_envelope("odd-header")


def test_a_message_that_cannot_be_read_is_rejected_and_no_other_is_lost(
    namespace: BrokerNamespace, notifier: OsloNotifier, tmp_path: Path
) -> None:
    source = notifier.source(priorities=["info"])
    with listening(source, namespace, notifier):
        pass
    queue = notifier.queues["info"]
    with namespace.channel() as channel:
        channel.basic_publish(OddHeader(ODD_HEADER), routing_key=queue)
        for body, properties in [*MALFORMED, *READABLE]:
            sent = {"content_type": "application/json", "content_encoding": "utf-8", **properties}
            channel.basic_publish(amqp.Message(body, **sent), routing_key=queue)
    pump = stored_by(tmp_path / "oslo")
    assert {event["message_id"] for event in pump(source, len(READABLE), len(MALFORMED) + 1)} == {
        *("good", "bare", "no-payload", "list-payload", "no-priority", "list-priority", "context"),
        *("duplicate-1", "duplicate-2", "other-type", "no-type", "other-charset"),
        *("kombu-compression", "compressed"),
    }
    store = open_store({"database": {"url": f"sqlite:///{tmp_path}/oslo/events.db"}})
    rejected = store.find_rejected()
    store.close()
    assert {each.body for each in rejected} == {ODD_HEADER, *(body for body, _ in MALFORMED)}
    assert namespace.ready(queue) == 0


def test_messages_are_kept_after_a_reconnection_too(
    namespace: BrokerNamespace, notifier: OsloNotifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections: list[Any] = []
    accept = listener._accept_any_properties
    monkeypatch.setattr(
        listener,
        "_accept_any_properties",
        lambda connection: (connections.append(connection), accept(connection)),
    )
    source = notifier.source(priorities=["info"])
    queue = notifier.queues["info"]
    with listening(source, namespace, notifier):
        (connection,) = connections
        first = connection.connection
        first.transport.sock.shutdown(socket.SHUT_RDWR)
        with namespace.channel() as channel:
            channel.basic_publish(OddHeader(b"1"), routing_key=queue)
            channel.basic_publish(amqp.Message(b"not json"), routing_key=queue)
        odd, malformed = sorted(receive(source, 2), key=lambda message: message.body)
        source.ack([odd, malformed])
        assert connection.connection is not first
    assert (odd.fault or "").startswith("its properties cannot be read: ")
    assert (malformed.body, malformed.fault) == (b"not json", None)
    assert namespace.ready(queue) == 0


def test_an_unknown_transport_is_a_failure() -> None:
    source = OsloSource(transport_url="carrier-pigeon://loft/")
    source.open()
    try:
        with pytest.raises(SourceError, match="carrier-pigeon"):
            wait_until(lambda: source.receive(1, 0.1))
    finally:
        source.close()


def test_the_timeout_is_added_to_the_url_unless_present() -> None:
    assert transport_url({"transport_url": None, "prefetch": 5}) is None
    assert transport_url({"transport_url": "kafka://a/", "prefetch": 5}) == "kafka://a/"
    url = transport_url({"transport_url": "rabbit://a/?ssl=true", "prefetch": 5})
    assert url == "rabbit://a/?ssl=true&rabbit_qos_prefetch_count=5"
    assert transport_url({"transport_url": url, "prefetch": 9}) == url


@contextmanager
def listening(
    source: OsloSource, namespace: BrokerNamespace, notifier: OsloNotifier
) -> Iterator[None]:
    """Open a source, wait until it consumes all its queues, and close it."""
    source.open()
    try:
        for priority in source.params["priorities"]:
            queue = notifier.queues[priority]
            wait_until(lambda queue=queue: namespace.consumers(queue) == 1)
        yield
    finally:
        source.close()


def receive(source: EventSource, number: int) -> list[Message]:
    """Receive this many messages, in any number of batches."""
    found: list[Message] = []

    def has_all() -> bool:
        found.extend(source.receive(number - len(found), 1.0))
        return len(found) == number

    wait_until(has_all)
    return found


def number_of(message: Message) -> int:
    """Return the number of a notification."""
    number: int = open_envelope(message.body)["payload"]["number"]
    return number


def stored_by(folder: Path) -> Any:
    """Pump a source into a database in `folder`; return the stored events."""
    folder.mkdir()
    settings = {
        "database": {"url": f"sqlite:///{folder}/events.db"},
        "distiller_config": DEFINITIONS,
    }

    def pump(source: EventSource, number: int, rejected: int = 0) -> list[dict[str, Any]]:
        from winchester_core.bootstrap import load_settings, open_database

        database = open_database(load_settings(settings))
        DatabaseSchema(database).upgrade()
        database.close()
        stop = threading.Event()

        def stop_after_all(totals: PumpTotals) -> None:
            if totals.stored >= number and totals.rejected >= rejected:
                stop.set()

        with TriggerManager(settings) as manager:
            SourcePump(
                "test",
                source,
                manager,
                batch_size=10,
                stop=stop,
                on_batch=stop_after_all,
            ).run()
        store = open_store(settings)
        try:
            found = store.find_events(EventFilter(), limit=1000)
            return sorted(found, key=lambda event: event["message_id"])
        finally:
            store.close()

    return pump
