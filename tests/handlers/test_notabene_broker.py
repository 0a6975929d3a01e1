"""The notabene handler against RabbitMQ: its messages are read back by another client."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from amqp.exceptions import NotFound

from support.builders.effects import effect, effect_id, queued
from support.scenes.sites import Site, end, task_events, wait_until
from support.servers.brokers import BrokerNamespace, broker_namespace, private_broker
from support.servers.certificates import make_certificates
from winchester_core.interfaces import Delivered, RetryAfter
from winchester_handlers.notabene import NotabeneHandler
from winchester_handlers.notabene.publisher import Publisher, Unroutable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.servers.brokers import PrivateBroker

EVENT = {"message_id": "m1", "event_type": "a.b", "timestamp": datetime(2026, 3, 1, tzinfo=UTC)}
TLS = """\
listeners.ssl.local = 127.0.0.1:{port}
ssl_options.cacertfile = {files.ca_file}
ssl_options.certfile = {files.cert_file}
ssl_options.keyfile = {files.key_file}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
"""


@pytest.fixture
def namespace() -> Iterator[BrokerNamespace]:
    with broker_namespace() as made_there:
        yield made_there


@pytest.fixture(scope="module")
def broker() -> Iterator[PrivateBroker]:
    with private_broker(_with_tls) as made_here:
        yield made_here


def make_handler(namespace: BrokerNamespace, **params: Any) -> NotabeneHandler:
    where = {
        "url": namespace.url,
        "exchange": namespace.name("nova"),
        "queue_name": namespace.name("info"),
    }
    return NotabeneHandler(**NotabeneHandler.config_schema({**where, **params}))


def consume(namespace: BrokerNamespace, queue: str) -> list[Any]:
    """Return the messages of a queue, consumed by a separate client."""
    messages = []
    with namespace.channel() as channel:
        while (message := channel.basic_get(queue, no_ack=True)) is not None:
            messages.append(message)
    return messages


def test_messages_are_persistent_json_with_the_effect_id(namespace: BrokerNamespace) -> None:
    handler = make_handler(namespace, env_keys=["messages"], event_types="a.*")
    nested = {"event_type": "x", "payload": {"at": EVENT["timestamp"], "text": '<&"ß'}}

    outcomes = handler.deliver(queued(handler, [EVENT], {"messages": [nested]}))

    assert outcomes == [Delivered(), Delivered()]
    first, second = consume(namespace, handler.params["queue_name"])
    assert json.loads(first.body) == {
        "event_type": "x",
        "payload": {"at": "2026-03-01T00:00:00+00:00", "text": '<&"ß'},
    }
    assert json.loads(second.body) == EVENT | {"timestamp": "2026-03-01T00:00:00+00:00"}
    assert [each.properties["message_id"] for each in (first, second)] == [
        effect_id(1),
        effect_id(2),
    ]
    assert first.properties["delivery_mode"] == 2
    assert first.properties["content_type"] == "application/json"
    assert first.delivery_info["routing_key"] == handler.params["queue_name"]


@pytest.mark.parametrize("kind", ["direct", "fanout", "headers"])
def test_every_exchange_type_routes_to_the_queue(namespace: BrokerNamespace, kind: str) -> None:
    handler = make_handler(namespace, exchange_type=kind)

    assert handler.deliver([effect(EVENT)]) == [Delivered()]
    assert namespace.ready(handler.params["queue_name"]) == 1


def test_a_republished_message_has_the_same_id(namespace: BrokerNamespace) -> None:
    handler = make_handler(namespace)

    handler.deliver([effect(EVENT)])
    handler.deliver([effect(EVENT, attempt=2)])

    ids = {
        each.properties["message_id"] for each in consume(namespace, handler.params["queue_name"])
    }
    assert ids == {effect_id(1)}


def test_an_unroutable_message_is_not_delivered(namespace: BrokerNamespace) -> None:
    handler = make_handler(namespace)
    queue = handler.params["queue_name"]
    with Publisher(handler.params) as publisher:
        publisher.publish(b"{}", "m1")
        with namespace.channel() as channel:
            channel.queue_delete(queue)
        with pytest.raises(Unroutable, match="NO_ROUTE"):
            publisher.publish(b"{}", "m2")


def test_a_full_queue_leaves_a_message_undelivered(namespace: BrokerNamespace) -> None:
    handler = make_handler(namespace)
    name = handler.params["queue_name"]
    with namespace.channel() as channel:
        channel.queue_declare(
            name + "-full",
            durable=True,
            auto_delete=False,
            arguments={"x-max-length": 1, "x-overflow": "reject-publish"},
        )
    full = namespace.name("info") + "-full"
    try:
        handler = make_handler(namespace, queue_name=full)
        (conflict,) = handler.deliver([effect(EVENT)])
        with namespace.channel() as channel:
            channel.queue_bind(full, handler.params["exchange"], name)
        first, second, third = make_handler(namespace).deliver(
            [effect(EVENT, n) for n in (1, 2, 3)]
        )
    finally:
        with namespace.channel() as channel:
            channel.queue_delete(full)

    assert isinstance(conflict, RetryAfter)  # it is there, and with other arguments
    assert "PRECONDITION_FAILED" in (conflict.reason or "")
    assert first == Delivered()
    assert isinstance(second, RetryAfter)
    assert "MessageNacked" in (second.reason or "")
    assert third == RetryAfter(0, "not tried: the broker did not take an effect before it")


@pytest.mark.parametrize(
    "params",
    [
        {"url": "amqp://guest:s3cret@127.0.0.1:5672//"},
        {"url": None, "host": "127.0.0.1", "password": "s3cret"},
        {"url": None, "host": "127.0.0.1", "vhost": "nowhere"},
        {"url": "amqp://guest:s3cret@127.0.0.1:1//"},
    ],
)
def test_a_broker_that_refuses_the_login_is_retried(
    namespace: BrokerNamespace, params: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    outcomes = make_handler(namespace, **params).deliver([effect(EVENT, n) for n in (1, 2)])

    assert all(isinstance(each, RetryAfter) for each in outcomes)
    assert "s3cret" not in repr(outcomes) + caplog.text


@pytest.mark.slow
def test_delivered_messages_survive_a_broker_restart(broker: PrivateBroker) -> None:
    namespace = BrokerNamespace(broker.url)
    handler = make_handler(namespace, queue_name="durable", exchange="durable")
    before = [effect(EVENT | {"n": n}, n) for n in range(100)]

    assert handler.deliver(before) == [Delivered()] * 100
    broker.stop()
    (away,) = handler.deliver([effect(EVENT, 100)])
    broker.start()
    assert handler.deliver([effect(EVENT, 100, attempt=2)]) == [Delivered()]

    assert isinstance(away, RetryAfter)
    ids = [each.properties["message_id"] for each in consume(namespace, "durable")]
    assert ids == [effect_id(n) for n in range(101)]


@pytest.mark.slow
def test_messages_unconfirmed_under_a_memory_alarm_are_rescheduled(broker: PrivateBroker) -> None:
    names = {"queue_name": "short", "exchange": "short"}
    impatient = make_handler(BrokerNamespace(broker.url), timeout=1, **names)
    broker.control("set_vm_memory_high_watermark", "absolute", "1")  # byte: it is in need at once
    try:
        first, second = impatient.deliver([effect(EVENT, n) for n in (1, 2)])
    finally:
        broker.control("set_vm_memory_high_watermark", "0.4")

    assert isinstance(first, RetryAfter)
    assert "timed out" in (first.reason or "")
    assert second == RetryAfter(0, "not tried: the broker did not take an effect before it")
    assert make_handler(BrokerNamespace(broker.url), **names).deliver(
        [effect(EVENT, 1, attempt=2)]
    ) == [Delivered()]


@pytest.mark.slow
def test_a_worker_publishes_everything_across_a_broker_restart(
    broker: PrivateBroker, tmp_path: Path
) -> None:
    site = Site(tmp_path)
    site.migrate()
    site.add_settings("retry_delay: 0.2\nretry_delay_max: 1\npipeline_worker_delay: 0.2\n")
    params = f"{{url: '{broker.url}', exchange: work, queue_name: work, event_types: '*'}}"
    site.write("pipelines.yaml", f"report: [{{name: notabene, params: {params}}}]\n")
    hosts = [f"h{number:02}" for number in range(40)]

    worker = site.start("winchester-worker", "-c", site.config)
    with site.store() as store:
        _ingest(site, hosts[:20])
        wait_until(lambda: store.count_effects() == 0 and _ready(broker, "work") == 40)
        broker.stop()
        _ingest(site, hosts[20:])
        wait_until(lambda: max((e.attempts for e in store.find_effects()), default=0) >= 2)
        broker.start()
        wait_until(lambda: store.count_effects() == 0)
    end(worker)

    published = [
        (each.properties["message_id"], json.loads(each.body)["message_id"])
        for each in consume(BrokerNamespace(broker.url), "work")
    ]
    expected = {f"{host}-{what}" for host in hosts for what in ("begin", "end")}
    assert {event for _, event in published} == expected
    # a message that was published twice has the same id
    assert len(set(published)) == len({message_id for message_id, _ in published}) == len(expected)


@pytest.mark.slow
def test_both_ends_of_tls_are_verified(broker: PrivateBroker) -> None:
    files = {
        name: str(broker.folder / file)
        for name, file in {
            "ca_file": "ca.pem",
            "cert_file": "tester.pem",
            "key_file": "tester.key",
        }.items()
    }
    url = f"amqps://guest:guest@127.0.0.1:{broker.tls_port}//"
    namespace = BrokerNamespace(broker.url)

    def outcome(**params: Any) -> Any:
        handler = make_handler(namespace, queue_name="tls", exchange="tls", **params)
        return handler.deliver([effect(EVENT)])[0]

    address = {"url": None, "host": "127.0.0.1", "port": broker.tls_port}
    assert outcome(url=url, tls=files) == Delivered()
    assert outcome(**address, tls=files) == Delivered()
    assert "CERTIFICATE_VERIFY_FAILED" in outcome(url=url).reason
    assert "CERTIFICATE_VERIFY_FAILED" in outcome(**address, tls=True).reason
    assert "CERTIFICATE_VERIFY_FAILED" in outcome(url=url, tls={**files, "server_name": "x"}).reason
    assert isinstance(outcome(url=url, tls={"ca_file": files["ca_file"]}), RetryAfter)
    assert namespace.ready("tls") == 2


def _ingest(site: Site, hosts: list[str]) -> None:
    file = site.write_events("events.jsonl", [one for each in hosts for one in task_events(each)])
    done = site.run("winchester", "ingest", "-c", site.config, "--file", file)
    assert done.returncode == 0, done.stderr


def _ready(broker: PrivateBroker, queue: str) -> int:
    with BrokerNamespace(broker.url).channel() as channel, suppress(NotFound):
        count: int = channel.queue_declare(queue, passive=True).message_count
        return count
    return 0


def _with_tls(broker: PrivateBroker) -> str:
    files = make_certificates(broker.folder)
    return TLS.format(port=broker.tls_port, files=files)
