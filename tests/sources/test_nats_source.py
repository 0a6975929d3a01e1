"""The `nats` source on a real server."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from nats.js.api import AckPolicy, ConsumerConfig

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from support.servers.nats_servers import JetStream, jetstream, private_nats
from support.servers.private_servers import free_port
from support.servers.tcp_proxy import proxied
from winchester_core.errors import SourceError
from winchester_core.model.message import MessageKind
from winchester_core.sources.nats import NatsSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from winchester_core.model.message import Message

CONSUMER = "winchester"
ACK_WAIT_SECONDS = 6
VERBS = ("INFO", "DURABLE.CREATE", "MSG.NEXT")
"""Requests of the API of JetStream that docs/how-to/nats.md names."""


@pytest.fixture
def stream() -> Iterator[JetStream]:
    """A stream of one test on the local server."""
    with jetstream() as made:
        yield made


@pytest.fixture
def opened(stream: JetStream) -> Iterator[Callable[..., NatsSource]]:
    """Open a source on the stream; it is closed afterwards."""
    with ExitStack() as stack:

        def open_source(**params: Any) -> NatsSource:
            source = make_source(stream, **params)
            stack.callback(source.close)
            source.open()
            return source

        yield open_source


def make_source(origin: JetStream, /, **params: Any) -> NatsSource:
    where = {"url": origin.url, "stream": origin.stream, "consumer": CONSUMER}
    return NatsSource(**{**where, **params})


def receive(source: NatsSource, number: int) -> list[Message]:
    """Receive this many messages; raises what the source raises."""
    messages: list[Message] = []
    wait_until(
        lambda: (
            len(messages) >= number
            or messages.extend(source.receive(number - len(messages), 0.1))
            or len(messages) >= number
        )
    )
    return messages


def bodies(messages: list[Message]) -> list[Any]:
    return [message.body for message in messages]


def test_a_message_has_its_subject_stream_sequence_and_headers(
    stream: JetStream, opened: Callable[..., NatsSource]
) -> None:
    source = opened(format="event", datetime_traits=["launched_at"], mapping="orders")
    stream.publish([b"\xff\x00 no text"], f"{stream.stream}.a", {"X-Kind": "order"})
    stream.publish([b""], f"{stream.stream}.b")
    first, second = receive(source, 2)
    assert (first.body, second.body) == (b"\xff\x00 no text", b"")
    assert (first.headers, second.headers) == ({"X-Kind": "order"}, {})
    assert [each.properties for each in (first, second)] == [
        {"stream": stream.stream, "subject": f"{stream.stream}.a", "sequence": 1},
        {"stream": stream.stream, "subject": f"{stream.stream}.b", "sequence": 2},
    ]
    assert second.received_from == f"stream {stream.stream}, message 2"
    assert (first.kind, first.datetime_traits) == (MessageKind.EVENT, ("launched_at",))
    assert first.mappings == ("orders",)
    assert not first.redelivered


def test_acknowledgements_of_an_earlier_stream_are_not_sent(stream: JetStream) -> None:
    with proxied(stream.port) as proxy:
        source = make_source(stream, url=f"nats://127.0.0.1:{proxy.port}")
        source.open()
        stream.publish([b"old"])
        old = receive(source, 1)
        proxy.cut()
        with pytest.raises(SourceError):
            receive(source, 1)
        source.ack(old)
        source.close()
        stream.remove()
        stream.create()
        other = make_source(stream)
        other.open()
        try:
            stream.publish([b"new"])
            receive(other, 1)
            source.open()
            assert stream.unsettled(CONSUMER) == 1
        finally:
            source.close()
            other.close()


def test_headers_of_a_message_do_not_end_the_session(
    stream: JetStream, opened: Callable[..., NatsSource]
) -> None:
    source = opened()
    stream.publish([b"1"], headers={"Status": "503", "Description": "an ordinary header"})
    publish_raw_headers(stream, b"NATS/1.0\r\nX-Name: \xff\xfe\r\n\r\n", b"2")
    publish_raw_headers(stream, b"NATS/1.0 \xff\xfe\xfd\r\n\r\n", b"3")
    publish_raw_headers(stream, b"NATS/1.0 408 Request Timeout\r\n\r\n", b"4")
    stream.publish([b"5"])
    messages = receive(source, 5)
    assert bodies(messages) == [b"1", b"2", b"3", b"4", b"5"]
    assert messages[2].fault == "its headers cannot be read"
    assert [messages[index].fault for index in (0, 3, 4)] == [None] * 3
    source.ack(messages)
    wait_until(lambda: stream.unsettled(CONSUMER) == 0)


def test_only_settled_messages_are_removed(
    stream: JetStream, opened: Callable[..., NatsSource]
) -> None:
    source = opened()
    stream.publish([b"0", b"1", b"2", b"3"])
    messages = receive(source, 4)
    source.ack(messages[1:2])
    source.reject(messages[3], "bad")
    source.release(messages[:1])
    (released,) = receive(source, 1)
    assert (released.body, released.redelivered) == (b"0", True)
    source.close()
    source.open()
    again = receive(source, 2)
    assert sorted(bodies(again)) == [b"0", b"2"]
    assert all(message.redelivered for message in again)


def test_no_more_messages_are_requested_than_the_prefetch_limit(
    stream: JetStream, opened: Callable[..., NatsSource]
) -> None:
    stream.publish([b"%d" % number for number in range(10)])
    source = opened(prefetch=4)
    messages = receive(source, 4)
    assert source.receive(10, 0.1) == []
    assert source.lag() == 6
    assert stream.consumer(CONSUMER).num_ack_pending == 4
    source.ack(messages[:3])
    assert len(receive(source, 3)) == 3
    assert source.receive(10, 0.0) == []


def test_several_ingesters_share_the_messages_of_a_consumer(
    stream: JetStream, opened: Callable[..., NatsSource]
) -> None:
    sources = [opened(prefetch=5), opened(prefetch=5)]
    stream.publish([b"%d" % number for number in range(10)])
    received = [message for source in sources for message in receive(source, 5)]
    assert sorted(bodies(received)) == [b"%d" % number for number in range(10)]


def test_the_time_of_messages_is_extended_while_they_are_held(
    stream: JetStream, opened: Callable[..., NatsSource]
) -> None:
    source = opened(ack_wait_seconds=ACK_WAIT_SECONDS)
    stream.publish([b"1"])
    (message,) = receive(source, 1)
    wait_until_redelivered(stream)
    source.ack([message])
    wait_until(lambda: stream.unsettled(CONSUMER) == 0)
    assert stream.consumer(CONSUMER).delivered.consumer_seq == 1


def test_a_new_consumer_has_the_configured_options(
    stream: JetStream, opened: Callable[..., NatsSource]
) -> None:
    stream.publish([b"old"], f"{stream.stream}.a.x")
    source = opened(
        subject=f"{stream.stream}.a.*", start="new", ack_wait_seconds=7, max_ack_pending=50
    )
    stream.publish([b"other"], f"{stream.stream}.b.x")
    stream.publish([b"new"], f"{stream.stream}.a.x")
    assert bodies(receive(source, 1)) == [b"new"]
    config = stream.consumer(CONSUMER).config
    assert (config.ack_wait, config.max_ack_pending) == (7, 50)
    assert config.filter_subject == f"{stream.stream}.a.*"


def test_an_existing_consumer_is_used_unchanged(
    stream: JetStream, opened: Callable[..., NatsSource]
) -> None:
    add_consumer(stream, filter_subject=f"{stream.stream}.a", ack_policy=AckPolicy.EXPLICIT)
    stream.publish([b"b"], f"{stream.stream}.b")
    stream.publish([b"a"], f"{stream.stream}.a")
    source = opened(subject=f"{stream.stream}.b", start="new")
    assert bodies(receive(source, 1)) == [b"a"]


def test_unusable_consumers_are_refused(
    stream: JetStream, opened: Callable[..., NatsSource]
) -> None:
    add_consumer(stream, "push", deliver_subject="winchester-test.push")
    add_consumer(stream, "all", ack_policy=AckPolicy.ALL)
    with pytest.raises(SourceError, match="'push' is a push consumer; expected a pull consumer"):
        opened(consumer="push")
    with pytest.raises(SourceError, match="'all' has the ack policy 'all'; expected 'explicit'"):
        opened(consumer="all")
    with pytest.raises(SourceError, match=f"'{stream.stream}' has no consumer 'none'"):
        opened(consumer="none", declare=False)
    with pytest.raises(SourceError, match="no stream 'winchester-test-none'"):
        opened(stream="winchester-test-none")


def test_a_deleted_consumer_is_a_failure(
    stream: JetStream, opened: Callable[..., NatsSource]
) -> None:
    source = opened()
    stream.publish([b"1"])
    receive(source, 1)
    stream.run(lambda js: js.delete_consumer(stream.stream, CONSUMER))
    with pytest.raises(SourceError, match=f"NATS at .*:{stream.port}: "):
        receive(source, 1)
    assert source.lag() is None
    source.close()
    source.open()
    assert bodies(receive(source, 1)) == [b"1"]


def test_lost_acknowledgements_are_sent_by_the_next_session(stream: JetStream) -> None:
    with proxied(stream.port) as proxy:
        source = make_source(stream, url=f"nats://127.0.0.1:{proxy.port}")
        source.open()
        stream.publish([b"1", b"2"])
        first, second = receive(source, 2)
        assert proxy.cut() == 1
        with pytest.raises(SourceError, match=f"NATS at 127.0.0.1:{proxy.port}: "):
            receive(source, 1)
        source.ack([first])
        source.release([second])
        source.close()
        source.open()
        (again,) = receive(source, 1)
        assert (again.body, again.redelivered) == (b"2", True)
        source.ack([again])
        source.close()
    wait_until(lambda: stream.unsettled(CONSUMER) == 0)


def test_a_server_that_does_not_respond_is_a_failure(stream: JetStream) -> None:
    with proxied(stream.port) as proxy:
        url = f"nats://127.0.0.1:{proxy.port}"
        # the server may first deliver a message to the connection that it still believes to exist
        source = make_source(stream, url=url, timeout_seconds=1, ack_wait_seconds=1)
        wait_until(lambda: is_opened(source))
        proxy.stall()
        assert source.lag() is None
        with pytest.raises(SourceError, match="TimeoutError"):
            receive(source, 1)
        source.close()
        with pytest.raises(SourceError, match="TimeoutError"):
            source.open()
        source.close()
        proxy.allow()
        second = make_source(stream, url=url)
        second.open()
        stream.publish([b"1"])
        second.ack(receive(second, 1))
        second.close()


def test_the_first_server_that_responds_is_used(stream: JetStream) -> None:
    source = make_source(stream, url=[f"nats://127.0.0.1:{free_port()}", stream.url])
    source.open()
    stream.publish([b"1"])
    source.ack(receive(source, 1))
    source.close()


def test_an_unavailable_server_is_reported_without_the_password(stream: JetStream) -> None:
    port = free_port()
    source = make_source(stream, url=f"nats://user:sesame@127.0.0.1:{port}")
    with pytest.raises(SourceError, match=f"NATS at 127.0.0.1:{port}: ") as caught:
        source.open()
    assert "sesame" not in str(caught.value)
    source.close()


@pytest.mark.parametrize(
    ("authorization", "right", "wrong"),
    [
        ("user: u, password: p", {"user": "u", "password": "p"}, {"user": "u", "password": "q"}),
        ("token: sesame", {"token": "sesame"}, {"token": "open"}),
        ("user: u, password: p", {"url": "nats://u:p@{}"}, {"url": "nats://u:q@{}"}),
    ],
    ids=["user", "token", "url"],
)
def test_the_server_checks_who_connects(
    authorization: str, right: dict[str, str], wrong: dict[str, str]
) -> None:
    with private_nats(f"authorization {{ {authorization} }}\n") as server:
        address = f"127.0.0.1:{server.port}"
        identity, other = (
            {name: text.format(address) for name, text in each.items()} for each in (right, wrong)
        )
        client = {name: text for name, text in identity.items() if name != "url"}
        stream = JetStream(identity.get("url", server.url), **client)
        stream.create()
        where = {"stream": stream.stream, "consumer": CONSUMER, "url": server.url}
        refused = NatsSource(**{**where, **other})
        with pytest.raises(SourceError, match=f"NATS at {address}: "):
            refused.open()  # the server may reset the connection before its reply is read
        refused.close()
        source = NatsSource(**{**where, **identity})
        source.open()
        stream.publish([b"1"])
        source.ack(receive(source, 1))
        source.close()


def test_the_documented_permissions_suffice() -> None:
    stream_name = "ORDERS"
    names = [f"$JS.API.CONSUMER.{verb}.{stream_name}.{CONSUMER}" for verb in VERBS]
    allowed = ", ".join(f'"{name}"' for name in [*names, f"$JS.ACK.{stream_name}.{CONSUMER}.>"])
    limits = f'{{ publish: [{allowed}], subscribe: "_INBOX.>" }}'
    users = f"{{user: admin, password: p}}, {{user: w, password: p, permissions: {limits}}}"
    with private_nats(f"authorization {{ users: [{users}] }}\n") as server:
        stream = JetStream(server.url, user="admin", password="p")
        stream.stream, stream.subject = stream_name, f"{stream_name}.info"
        stream.create()
        source = make_source(stream, user="w", password="p")
        source.open()
        stream.publish([b"1", b"2"])
        first, second = receive(source, 2)
        source.ack([first])
        source.release([second])
        source.ack(receive(source, 1))
        assert source.lag() == 0
        source.close()
        wait_until(lambda: stream.unsettled(CONSUMER) == 0)


def test_an_nkey_identifies_the_source(tmp_path: Path) -> None:
    nkeys = pytest.importorskip("nkeys")
    right, wrong = (tmp_path / name for name in ("right.nk", "wrong.nk"))
    for file in (right, wrong):
        file.write_bytes(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER))
    public_key = nkeys.from_seed(bytearray(right.read_bytes())).public_key.decode()
    broken = tmp_path / "broken.nk"
    broken.write_text("no seed")
    with private_nats(f'authorization {{ users: [{{nkey: "{public_key}"}}] }}\n') as server:
        stream = JetStream(server.url, nkeys_seed=str(right))
        stream.create()
        for file in (wrong, broken):
            refused = make_source(stream, nkey_file=str(file))
            with pytest.raises(SourceError, match=f"NATS at 127.0.0.1:{server.port}: "):
                refused.open()
            refused.close()
        source = make_source(stream, nkey_file=str(right))
        source.open()
        stream.publish([b"1"])
        source.ack(receive(source, 1))
        source.close()


def is_opened(source: NatsSource) -> bool:
    """Try to open a source whose timeout is short."""
    try:
        source.open()
    except SourceError:
        source.close()
        return False
    return True


def add_consumer(stream: JetStream, name: str = CONSUMER, **config: Any) -> None:
    made = ConsumerConfig(durable_name=name, **config)
    stream.run(lambda js: js.add_consumer(stream.stream, made))


def wait_until_redelivered(stream: JetStream) -> None:
    """Hold a message of another consumer, which has the same time, until it is redelivered."""
    add_consumer(stream, "neglected", ack_wait=ACK_WAIT_SECONDS)

    async def neglect(js: Any) -> None:
        subscription = await js.pull_subscribe_bind("neglected", stream.stream)
        await subscription.fetch(1, BOUND_SECONDS)
        await subscription.fetch(1, BOUND_SECONDS)

    stream.run(neglect)


def publish_raw_headers(stream: JetStream, headers: bytes, body: bytes) -> None:
    """Publish a message with headers that nats-py could not send, and wait for the reply."""
    size, total = len(headers), len(headers) + len(body)
    with socket.create_connection(("127.0.0.1", stream.port), BOUND_SECONDS) as connection:
        connection.sendall(
            b'CONNECT {"verbose":false,"headers":true}\r\n'
            b"HPUB %s %d %d\r\n%s%s\r\nPING\r\n"
            % (stream.subject.encode(), size, total, headers, body)
        )
        received = b""
        while b"PONG" not in received:
            received += connection.recv(4096)
