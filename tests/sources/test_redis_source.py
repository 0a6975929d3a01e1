"""The `redis` source on a real server."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.sites import wait_until
from support.servers.certificates import make_certificates
from support.servers.private_servers import free_port
from support.servers.redis_servers import GROUP, TLS, RedisStream, private_redis, redis_stream
from support.servers.tcp_proxy import proxied
from winchester_core.errors import SourceError
from winchester_core.model.message import MessageKind
from winchester_core.sources.redis import RedisSource, group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from winchester_core.model.message import Message

CLAIM_IDLE_SECONDS = 6


@pytest.fixture
def stream() -> Iterator[RedisStream]:
    """A stream of one test on the local server."""
    with redis_stream() as made:
        yield made


@pytest.fixture
def opened(stream: RedisStream) -> Iterator[Callable[..., RedisSource]]:
    """Open a source on the stream; it is closed afterwards."""
    with ExitStack() as stack:

        def open_source(**params: Any) -> RedisSource:
            source = make_source(stream, **params)
            stack.callback(source.close)
            source.open()
            return source

        yield open_source


def make_source(origin: RedisStream, /, **params: Any) -> RedisSource:
    where = {"url": origin.url, "stream": origin.stream, "group": GROUP}
    return RedisSource(**{**where, **params})


def receive(source: RedisSource, number: int) -> list[Message]:
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


def test_a_message_is_a_field_of_its_entry(
    stream: RedisStream, opened: Callable[..., RedisSource]
) -> None:
    source = opened(format="event", datetime_traits=["launched_at"], mapping="orders")
    stream.client.xadd(stream.stream, {"data": b"\xff no text", "kind": "order", b"\xff": b"\xfe"})
    (message,) = receive(source, 1)
    ((entry_id, _),) = stream.client.xrange(stream.stream)
    assert message.body == b"\xff no text"
    assert message.headers == {"kind": "order", "\ufffd": "\ufffd"}
    assert message.properties == {"stream": stream.stream, "id": entry_id.decode()}
    assert message.received_from == f"stream {stream.stream}, entry {entry_id.decode()}"
    assert (message.kind, message.datetime_traits) == (MessageKind.EVENT, ("launched_at",))
    assert (message.mappings, message.redelivered, message.fault) == (("orders",), False, None)


def test_an_entry_without_the_field_costs_itself_alone(
    stream: RedisStream, opened: Callable[..., RedisSource]
) -> None:
    source = opened(field="body")
    stream.client.xadd(stream.stream, {"data": "{}"})
    stream.client.xadd(stream.stream, {"body": "{}"})
    first, second = receive(source, 2)
    assert (first.fault, first.body) == ("the entry has no field 'body'", {"data": "{}"})
    assert (second.fault, second.body) == (None, b"{}")
    source.reject(first, "bad")
    source.ack([second])
    assert stream.unsettled() == 0


def test_a_message_may_be_a_mapping_of_all_fields(
    stream: RedisStream, opened: Callable[..., RedisSource]
) -> None:
    source = opened(field=None)
    stream.client.xadd(stream.stream, {"a": "é", "b": "2"})
    stream.client.xadd(stream.stream, {"a": b"\xff"})
    first, second = receive(source, 2)
    assert (first.body, first.headers, first.fault) == ({"a": "é", "b": "2"}, {}, None)
    assert (second.body, second.fault) == ({"a": "\ufffd"}, "the field 'a' is not text in UTF-8")


def test_released_messages_are_received_again_before_others(
    stream: RedisStream, opened: Callable[..., RedisSource]
) -> None:
    source = opened()
    stream.publish([b"1", b"2", b"3"])
    messages = receive(source, 2)
    source.release(messages)
    again = receive(source, 3)
    assert [(m.body, m.redelivered) for m in again] == [(b"1", True), (b"2", True), (b"3", False)]
    source.ack(again)
    assert stream.unsettled() == 0


def test_several_streams_are_consumed_at_once(
    stream: RedisStream, opened: Callable[..., RedisSource]
) -> None:
    other = stream.name("other")
    source = opened(stream=[stream.stream, other])
    stream.publish([b"1", b"2"])
    stream.publish([b"3", b"4"], other)
    assert source.lag() == 4
    messages = receive(source, 3) + receive(source, 1)
    assert {(m.properties["stream"], m.body) for m in messages} == {
        (stream.stream, b"1"),
        (stream.stream, b"2"),
        (other, b"3"),
        (other, b"4"),
    }
    source.ack(messages)
    assert stream.unsettled() == 0
    assert source.lag() == 0


def test_a_new_group_starts_where_it_is_told(
    stream: RedisStream, opened: Callable[..., RedisSource]
) -> None:
    stream.publish([b"old"])
    source = opened(start="new")
    other = opened(group="other")
    stream.publish([b"new"])
    assert bodies(receive(source, 1)) == [b"new"]
    assert bodies(receive(other, 2)) == [b"old", b"new"]


def test_entries_of_a_dead_consumer_are_taken_over(
    stream: RedisStream, opened: Callable[..., RedisSource]
) -> None:
    neglect(stream, [b"1", b"2"])
    source = opened(claim_idle_seconds=1)
    messages = receive(source, 2)
    assert [(m.body, m.redelivered) for m in messages] == [(b"1", True), (b"2", True)]
    source.ack(messages)
    assert stream.unsettled() == 0


def test_entries_of_a_consumer_that_waits_are_not_taken_over(
    stream: RedisStream, opened: Callable[..., RedisSource]
) -> None:
    holder = opened(claim_idle_seconds=CLAIM_IDLE_SECONDS)
    stream.publish([b"held"])
    held = receive(holder, 1)
    neglect(stream, [b"neglected"])
    other = opened(claim_idle_seconds=CLAIM_IDLE_SECONDS)
    assert bodies(receive(other, 1)) == [b"neglected"]
    assert other.receive(10, 0.0) == []
    holder.ack(held)
    assert stream.unsettled() == 1


def test_a_consumer_starts_with_its_own_pending_entries(
    stream: RedisStream, opened: Callable[..., RedisSource]
) -> None:
    neglect(stream, [b"1", b"2", b"3"], consumer="first")
    stream.publish([b"4"])
    source = opened(consumer="first", claim_idle_seconds=3600)
    messages = receive(source, 2) + receive(source, 2)
    assert [(m.body, m.redelivered) for m in messages] == [
        (b"1", True),
        (b"2", True),
        (b"3", True),
        (b"4", False),
    ]


def test_deleted_entries_are_acknowledged_and_logged(
    stream: RedisStream, opened: Callable[..., RedisSource], caplog: pytest.LogCaptureFixture
) -> None:
    first, _, third = neglect(stream, [b"1", b"2", b"3"], consumer="first")
    stream.client.xdel(stream.stream, first, third)
    source = opened(consumer="first")
    with caplog.at_level(logging.WARNING):
        messages = source.receive(10, 0.0)
    assert bodies(messages) == [b"2"]
    source.ack(messages)
    assert stream.consumers()["first"] == 0
    assert f"stream={stream.stream} entries=2 first={first}" in caplog.text


def test_dead_consumers_without_entries_are_removed(
    stream: RedisStream, opened: Callable[..., RedisSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "DEAD_CONSUMER_FACTOR", 0)
    neglect(stream, [b"1"], consumer="holds")
    stream.client.xgroup_createconsumer(stream.stream, GROUP, "empty")
    source = opened(consumer="own", claim_idle_seconds=1)
    messages: list[Message] = []

    def is_removed(name: str) -> bool:
        messages.extend(source.receive(1, 0.1))
        return name not in stream.consumers()

    wait_until(lambda: is_removed("empty"))
    wait_until(lambda: is_removed("holds"))
    assert bodies(messages) == [b"1"]
    assert stream.consumers() == {"own": 1}


def test_acknowledged_entries_are_deleted_if_configured(
    stream: RedisStream, opened: Callable[..., RedisSource]
) -> None:
    source = opened(delete_acknowledged=True)
    stream.publish([b"1", b"2"])
    first, _ = receive(source, 2)
    source.ack([first])
    assert [fields[b"data"] for _, fields in stream.client.xrange(stream.stream)] == [b"2"]


def test_the_group_is_created_again_after_the_stream_was_deleted(
    stream: RedisStream, opened: Callable[..., RedisSource]
) -> None:
    source = opened()
    stream.client.delete(stream.stream)
    with pytest.raises(SourceError, match="NOGROUP"):
        receive(source, 1)
    assert source.lag() is None
    source.close()
    source.open()
    stream.publish([b"1"])
    assert bodies(receive(source, 1)) == [b"1"]


def test_messages_are_received_again_after_a_broken_connection(stream: RedisStream) -> None:
    with proxied(stream.port) as proxy:
        source = make_source(stream, url=f"redis://127.0.0.1:{proxy.port}/0")
        source.open()
        stream.publish([b"1"])
        messages = receive(source, 1)
        proxy.refuse()
        assert proxy.cut() > 0
        with pytest.raises(SourceError, match=rf"Redis at 127\.0\.0\.1:{proxy.port}: "):
            receive(source, 1)
        source.ack(messages)
        source.close()
        with pytest.raises(SourceError, match=rf"Redis at 127\.0\.0\.1:{proxy.port}: "):
            source.open()
        proxy.allow()
        source.close()
        source.open()
        (again,) = receive(source, 1)
        assert (again.body, again.redelivered) == (b"1", True)
        source.ack([again])
        source.close()
    assert stream.unsettled() == 0


def test_a_server_that_does_not_respond_is_a_failure(stream: RedisStream) -> None:
    with proxied(stream.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        source = make_source(stream, url=url, timeout_seconds=1)
        wait_until(lambda: is_opened(source))
        proxy.stall()
        with pytest.raises(SourceError, match="TimeoutError"):
            receive(source, 1)
        source.close()
        proxy.allow()
        second = make_source(stream, url=url, claim_idle_seconds=1)
        second.open()
        stream.publish([b"1"])
        second.ack(receive(second, 1))
        second.close()


def test_the_server_checks_who_connects() -> None:
    with private_redis("user default off\nuser u on >p/q ~* &* +@all\n") as server:
        address = f"127.0.0.1:{server.port}"
        stream = RedisStream(f"redis://u:p%2Fq@{address}/0")
        for where in ({"url": stream.url}, {"url": server.url, "user": "u", "password": "p/q"}):
            source = make_source(stream, **where)
            source.open()
            stream.publish([b"1"])
            source.ack(receive(source, 1))
            source.close()
        refused = make_source(stream, url=f"redis://u:sesame@{address}/0")
        with pytest.raises(SourceError, match=f"Redis at {address}: AuthenticationError") as caught:
            refused.open()
        assert "sesame" not in str(caught.value)
        refused.close()
        stream.client.close()


def test_tls_with_a_client_certificate(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    tls = {
        "ca_file": str(files.ca_file),
        "cert_file": str(files.cert_file),
        "key_file": str(files.key_file),
    }
    with private_redis(TLS, [files.ca_file, files.cert_file, files.key_file]) as server:
        where = {"url": f"rediss://127.0.0.1:{server.port}/0", "stream": "s", "group": GROUP}
        source = RedisSource(**where, tls=tls)
        source.open()
        assert source.receive(1, 0.0) == []
        source.close()
        untrusting = RedisSource(**where)
        with pytest.raises(SourceError, match=r"(?i)certificate verify failed"):
            untrusting.open()
        untrusting.close()


def test_an_unavailable_server_is_reported_without_the_password() -> None:
    port = free_port()
    source = RedisSource(url=f"redis://u:sesame@127.0.0.1:{port}/0", stream="s", group=GROUP)
    with pytest.raises(SourceError, match=rf"Redis at 127\.0\.0\.1:{port}: ") as caught:
        source.open()
    assert "sesame" not in str(caught.value)
    source.close()


def is_opened(source: RedisSource) -> bool:
    """Try to open a source whose timeout is short."""
    try:
        source.open()
    except SourceError:
        source.close()
        return False
    return True


def neglect(stream: RedisStream, bodies: list[bytes], consumer: str = "dead") -> list[str]:
    """Deliver entries to a consumer that does not settle them; return their ids."""
    if not stream.client.exists(stream.stream):
        stream.client.xgroup_create(stream.stream, GROUP, id="0", mkstream=True)
    ids = stream.publish(bodies)
    ((_, entries),) = stream.client.xreadgroup(GROUP, consumer, {stream.stream: ">"})
    assert len(entries) == len(bodies)
    return ids
