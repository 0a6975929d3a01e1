"""The `rabbitmq` source on a real broker."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Any

import amqp
import pytest
from amqp.exceptions import PreconditionFailed

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from support.servers.brokers import (
    HEARTBEAT_SECONDS,
    LAST_TIME_HEADER,
    LATE_HEADER,
    OddHeader,
    wait_until_neglected,
)
from winchester_core.errors import SourceError
from winchester_core.model.message import MessageKind
from winchester_core.sources.rabbitmq import RabbitmqSource
from winchester_core.sources.rabbitmq.content import MAX_BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.servers.brokers import BrokerNamespace
    from winchester_core.model.message import Message

WAIT_SECONDS = BOUND_SECONDS


def test_a_message_is_received_by_its_routing_key(
    namespace: BrokerNamespace, opened: Callable[..., RabbitmqSource]
) -> None:
    exchange, queue = namespace.name("monitor"), namespace.name("info")
    source = opened({"name": queue, "exchange": exchange, "routing_keys": ["info.#", "error"]})
    namespace.publish([b'{"a": 1}', b"\xff\x00 no text"], exchange, "info.compute")
    namespace.publish([{"b": 2}], exchange, "error")
    namespace.publish([{"never": 1}], exchange, "debug")
    messages = receive(source, 3)
    assert {message.body for message in messages} == {b'{"a": 1}', b"\xff\x00 no text", b'{"b": 2}'}
    assert {message.received_from for message in messages} == {f"queue {queue}"}
    assert {message.kind for message in messages} == {MessageKind.NOTIFICATION}
    assert not any(message.redelivered for message in messages)
    assert source.receive(10, 0.0) == []


def test_an_empty_body_is_a_message_like_any_other(
    namespace: BrokerNamespace, opened: Callable[..., RabbitmqSource]
) -> None:
    queue = namespace.name("info")
    source = opened(queue)
    namespace.publish([b"1", b"", b"3"], "", queue)
    assert [message.body for message in receive(source, 3)] == [b"1", b"", b"3"]
    assert source.receive(10, 0.0) == []


@pytest.mark.parametrize("attribute", ["body", "properties"])
def test_a_message_that_cannot_be_read_costs_itself_alone(
    namespace: BrokerNamespace, opened: Callable[..., RabbitmqSource], attribute: str
) -> None:
    queue = namespace.name("info")
    source = opened(queue)
    namespace.publish([b"1", b"2", b"3"], "", queue)
    session = source._require_session()
    deliver = session._on_delivery

    class Unreadable:
        def __init__(self, message: Any) -> None:
            self._message = message

        def __getattr__(self, name: str) -> Any:
            if name == attribute and bytes(self._message.body) == b"2":
                raise RuntimeError("odd")
            return getattr(self._message, name)

    with session._lock:
        for consumer in session._channel.callbacks:
            session._channel.callbacks[consumer] = lambda m: deliver(queue, Unreadable(m))
    messages = receive(source, 3)
    assert [message.fault for message in messages] == [None, "cannot be read: RuntimeError", None]
    source.ack(messages)
    assert source.receive(10, 0.0) == []


@pytest.mark.parametrize("header", [LATE_HEADER, LAST_TIME_HEADER])
@pytest.mark.parametrize("body", [b"two", b""])
def test_a_header_that_cannot_be_decoded_costs_its_message_alone(
    namespace: BrokerNamespace, opened: Callable[..., RabbitmqSource], header: bytes, body: bytes
) -> None:
    queue = namespace.name("info")
    source = opened(queue)
    odd = OddHeader(body, header)
    namespace.publish([b"one"], "", queue)
    with namespace.channel() as channel:
        channel.basic_publish(odd, "", queue)
    namespace.publish([b"three"], "", queue)

    messages = receive(source, 3)

    assert [message.body for message in messages] == [b"one", body, b"three"]
    assert [message.fault is None for message in messages] == [True, False, True]
    assert (messages[1].fault or "").startswith("its properties cannot be read: ")
    source.ack(messages)
    source.close()
    assert namespace.ready(queue) == 0


def test_several_queues_are_consumed_at_once(
    namespace: BrokerNamespace, opened: Callable[..., RabbitmqSource]
) -> None:
    one, two = namespace.name("one"), namespace.name("two")
    source = opened(one, two, format="event", datetime_traits=["launched_at"])
    namespace.publish([b"1"], "", one)
    namespace.publish([b"2"], "", two)
    messages = receive(source, 2)
    assert {(m.received_from, m.body) for m in messages} == {
        (f"queue {one}", b"1"),
        (f"queue {two}", b"2"),
    }
    assert {(m.kind, m.datetime_traits) for m in messages} == {
        (MessageKind.EVENT, ("launched_at",))
    }


def test_only_acknowledged_messages_are_removed(
    namespace: BrokerNamespace, opened: Callable[..., RabbitmqSource]
) -> None:
    queue = namespace.name("queue")
    source = opened(queue)
    namespace.publish([b"%d" % number for number in range(6)], "", queue)
    messages = receive(source, 6)
    source.ack([messages[0], messages[1], messages[4]])
    source.reject(messages[2], "bad")
    source.close()
    wait_until(lambda: namespace.ready(queue) == 2)
    source.open()
    again = receive(source, 2)
    assert [(m.body, m.redelivered) for m in again] == [(b"3", True), (b"5", True)]


def test_released_messages_are_redelivered(
    namespace: BrokerNamespace, opened: Callable[..., RabbitmqSource]
) -> None:
    queue = namespace.name("queue")
    source = opened(queue)
    namespace.publish([b"1", b"2", b"3"], "", queue)
    messages = receive(source, 3)
    source.release(messages[1:])
    source.ack(messages[:1])
    again = receive(source, 2)
    assert [(m.body, m.redelivered) for m in again] == [(b"2", True), (b"3", True)]
    source.ack(again)
    source.close()
    assert namespace.ready(queue) == 0


def test_acknowledging_deliveries_of_an_earlier_connection_settles_nothing(
    namespace: BrokerNamespace, opened: Callable[..., RabbitmqSource]
) -> None:
    queue = namespace.name("queue")
    source = opened(queue)
    namespace.publish([b"1"], "", queue)
    first = receive(source, 1)
    source.close()
    source.open()
    again = receive(source, 1)
    source.ack(first)
    source.release(first)
    source.close()
    wait_until(lambda: namespace.ready(queue) == 1)
    assert again[0].token.tag == first[0].token.tag


def test_a_batch_is_the_available_messages_up_to_the_prefetch(
    namespace: BrokerNamespace, opened: Callable[..., RabbitmqSource]
) -> None:
    queue = namespace.name("queue")
    source = opened(queue, prefetch=4, batch_seconds=3600)
    namespace.publish([b"%d" % number for number in range(10)], "", queue)
    assert [m.body for m in source.receive(3, WAIT_SECONDS)] == [b"0", b"1", b"2"]
    # one was sent ahead, and while nothing is settled no more can come: that is not waited for
    assert [m.body for m in source.receive(100, WAIT_SECONDS)] == [b"3"]


def test_missing_queues_and_exchanges_are_declared_as_configured(
    namespace: BrokerNamespace, opened: Callable[..., RabbitmqSource]
) -> None:
    quorum, exchange = namespace.name("quorum"), namespace.name("exchange")
    opened(
        {
            "name": quorum,
            "exchange": exchange,
            "exchange_type": "direct",
            "queue_type": "quorum",
            "arguments": {"x-max-length": 7},
        }
    )
    with namespace.channel() as channel:
        arguments = {"x-queue-type": "quorum", "x-max-length": 7}
        channel.queue_declare(quorum, durable=True, auto_delete=False, arguments=arguments)
        channel.exchange_declare(exchange, "direct", durable=True, auto_delete=False)


def test_existing_queues_and_exchanges_are_never_redeclared(
    namespace: BrokerNamespace, opened: Callable[..., RabbitmqSource]
) -> None:
    queue, exchange = namespace.name("queue"), namespace.name("exchange")
    with namespace.channel() as channel:
        channel.queue_declare(
            queue, durable=False, auto_delete=False, arguments={"x-max-length": 100}
        )
        channel.exchange_declare(exchange, "fanout", durable=False, auto_delete=False)
    source = opened({"name": queue, "exchange": exchange, "queue_type": "quorum"})
    namespace.publish([b"1"], exchange, "any")
    assert [message.body for message in receive(source, 1)] == [b"1"]
    with namespace.channel() as channel, pytest.raises(PreconditionFailed):
        channel.queue_declare(queue, durable=True, auto_delete=False)


@pytest.mark.parametrize("declare", [True, False])
def test_an_existing_stream_is_refused(
    declare: bool, namespace: BrokerNamespace, opened: Callable[..., RabbitmqSource]
) -> None:
    queue = namespace.name("queue")
    with namespace.channel() as channel:
        channel.queue_declare(
            queue, durable=True, auto_delete=False, arguments={"x-queue-type": "stream"}
        )
    with pytest.raises(SourceError, match=f"queue '{queue}': a queue of type stream"):
        opened(queue, declare=declare)


def test_nothing_is_declared_when_declaring_is_off(
    namespace: BrokerNamespace, opened: Callable[..., RabbitmqSource]
) -> None:
    queue, exchange = namespace.name("queue"), namespace.name("exchange")
    with pytest.raises(SourceError, match=f"no exchange '{exchange}'"):
        opened({"name": queue, "exchange": exchange}, declare=False)
    with namespace.channel() as channel:
        channel.exchange_declare(exchange, "topic", durable=True, auto_delete=False)
    with pytest.raises(SourceError, match=f"no queue '{queue}'"):
        opened({"name": queue, "exchange": exchange}, declare=False)
    with namespace.channel() as channel:
        channel.queue_declare(queue, durable=True, auto_delete=False)
    source = opened({"name": queue, "exchange": exchange}, declare=False)
    namespace.publish([b"unbound"], exchange, queue)
    namespace.publish([b"direct"], "", queue)
    assert [message.body for message in receive(source, 1)] == [b"direct"]


def test_a_deleted_queue_is_a_failure(
    namespace: BrokerNamespace, opened: Callable[..., RabbitmqSource]
) -> None:
    queue = namespace.name("queue")
    source = opened(queue)
    namespace.publish([b"1"], "", queue)
    messages = receive(source, 1)
    with namespace.channel() as channel:
        channel.queue_delete(queue)
    with pytest.raises(SourceError, match="ConsumerCancelled"):
        source.receive(1, WAIT_SECONDS)
    source.ack(messages)
    source.release(messages)
    assert source.lag() is None
    source.close()
    source.open()
    namespace.publish([b"2"], "", queue)
    assert [message.body for message in receive(source, 1)] == [b"2"]


def test_heartbeats_continue_without_receive_calls(
    namespace: BrokerNamespace, opened: Callable[..., RabbitmqSource]
) -> None:
    queue = namespace.name("queue")
    source = opened(queue, heartbeat_seconds=HEARTBEAT_SECONDS, prefetch=2)
    namespace.publish([b"1", b"2", b"3"], "", queue)
    messages = receive(source, 2)
    # a connection opened later, and then neglected, is closed by the broker after two heartbeats
    for _ in range(2):
        wait_until_neglected(namespace.url)
    source.ack(messages)
    [third] = receive(source, 1)
    assert (third.body, third.redelivered) == (b"3", False)
    assert third.token.session == messages[0].token.session
    source.ack([third])
    source.close()
    assert namespace.ready(queue) == 0


def test_lag_counts_undelivered_messages(
    namespace: BrokerNamespace, opened: Callable[..., RabbitmqSource]
) -> None:
    one, two = namespace.name("one"), namespace.name("two")
    source = opened(one, two, prefetch=2)
    namespace.publish([b"."] * 5, "", one)
    namespace.publish([b"."] * 3, "", two)
    assert source.lag() == 4
    source.close()
    assert source.lag() is None


def test_a_wrong_password_is_reported_without_showing_it(
    namespace: BrokerNamespace, opened: Callable[..., RabbitmqSource]
) -> None:
    with pytest.raises(SourceError, match="AccessRefused") as caught:
        opened("any", user="guest", password="sesame")
    assert "sesame" not in str(caught.value)


def test_a_body_is_decompressed_and_recoded_by_its_properties(
    namespace: BrokerNamespace, opened: Callable[..., RabbitmqSource]
) -> None:
    queue = namespace.name("queue")
    source = opened(queue)
    sent: list[tuple[bytes, dict[str, Any]]] = [
        (b"1", {}),
        (gzip.compress(b"2"), {"content_encoding": "GZIP"}),
        (zlib.compress(b"3"), {"content_encoding": "deflate"}),
        (b"4", {"content_encoding": "identity"}),
        (b'"\xe9"', {"content_encoding": "latin-1"}),
        (b'"\xe9"', {"content_type": "application/json; charset=iso-8859-1"}),
        (zlib.compress(b"7"), {"application_headers": {"compression": "application/x-gzip"}}),
        (gzip.compress(b"\0" * (MAX_BODY_BYTES + 1)), {"content_encoding": "gzip"}),
        (b"9", {"content_encoding": "odd"}),
        (b"10", {"content_type": "text/plain; charset=odd"}),
    ]
    with namespace.channel() as channel:
        for body, properties in sent:
            channel.basic_publish(amqp.Message(body, **properties), routing_key=queue)
    messages = receive(source, len(sent))
    read, unread = messages[:7], messages[7:]
    assert [each.body for each in read] == [b"1", b"2", b"3", b"4", *['"é"'.encode()] * 2, b"7"]
    assert [each.fault for each in read] == [None] * 7
    assert [each.body for each in unread] == [body for body, _ in sent[7:]]
    assert [each.fault for each in unread] == [
        "the body has more than 16777216 bytes when decompressed",
        "the body has an unknown charset: 'odd'",
        "the body has an unknown charset: 'odd'",
    ]


def test_the_first_reachable_url_is_used(
    namespace: BrokerNamespace,
) -> None:
    queue = namespace.name("queue")
    source = RabbitmqSource(queues=[queue], url=["amqp://127.0.0.1:1", namespace.url])
    source.open()
    source.close()
    assert namespace.ready(queue) == 0


def receive(source: RabbitmqSource, number: int) -> list[Message]:
    """Receive this many messages, in any number of batches."""
    found: list[Message] = []

    def has_all() -> bool:
        found.extend(source.receive(number - len(found), 1.0))
        return len(found) == number

    wait_until(has_all)
    return found
