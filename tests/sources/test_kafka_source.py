"""The `kafka` source on brokers: messages, offsets, starts of a group, reassigned partitions."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from oslo_context.context import RequestContext

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from support.servers.kafka import (
    MIN_SESSION,
    MOCK_PARTITIONS,
    KafkaServer,
    mock_cluster,
    tansu_broker,
)
from winchester_core.distill import open_envelope
from winchester_core.errors import SourceError
from winchester_core.model import MessageKind
from winchester_core.sources.kafka import KafkaSource
from winchester_core.sources.kafka.content import TOMBSTONE
from winchester_core.sources.oslo.listener import cfg, oslo_messaging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from winchester_core.model import Message

ASSIGNMENTS = ("cooperative-sticky", "range")


@pytest.fixture(scope="module")
def mock() -> Iterator[KafkaServer]:
    with mock_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def tansu() -> Iterator[KafkaServer]:
    with tansu_broker() as broker:
        yield broker


@pytest.fixture
def opened() -> Iterator[Callable[..., KafkaSource]]:
    """Open sources; they are closed afterwards."""
    with ExitStack() as stack:

        def open_source(server: KafkaServer, *topics: str, **params: Any) -> KafkaSource:
            source = make_source(server, *topics, **params)
            stack.callback(source.close)
            source.open()
            return source

        yield open_source


def make_source(server: KafkaServer, *topics: str, **params: Any) -> KafkaSource:
    more = {"session_timeout_seconds": MIN_SESSION, "timeout_seconds": BOUND_SECONDS, **params}
    return KafkaSource(**server.params, topics=list(topics), **more)


def new_name(prefix: str = "topic") -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def bodies(numbers: Iterable[int]) -> list[bytes]:
    return [orjson.dumps({"number": number}) for number in numbers]


def receive(source: KafkaSource, number: int) -> list[Message]:
    """Receive until `number` messages have arrived."""
    messages: list[Message] = []

    def is_done() -> bool:
        messages.extend(source.receive(number - len(messages), 0.2))
        return len(messages) >= number

    wait_until(is_done)
    return messages


def offsets(messages: Iterable[Message]) -> list[int]:
    return [message.properties["offset"] for message in messages]


def test_a_message_has_headers_and_properties(
    mock: KafkaServer, opened: Callable[..., KafkaSource]
) -> None:
    topic = new_name()
    mock.publish(topic, [b"{}"], key=b"k\xff", headers={"a": b"1", "b": b"\xe9"}, partition=2)
    source = opened(mock, topic, group=new_name())
    (message,) = receive(source, 1)
    assert (message.body, message.kind, message.fault) == (b"{}", MessageKind.NOTIFICATION, None)
    assert message.headers == {"a": "1", "b": "\\xe9"}
    timestamp = message.properties["timestamp"]
    assert timestamp.startswith("20")
    assert message.properties == {
        "topic": topic,
        "partition": 2,
        "offset": 0,
        "key": "k\\xff",
        "timestamp": timestamp,
    }
    assert message.received_from == f"topic {topic}, partition 2, offset 0"
    assert not message.redelivered


def test_key_and_headers_become_traits(
    mock: KafkaServer, opened: Callable[..., KafkaSource]
) -> None:
    topic = new_name()
    events = [b'{"message_id": "1"}', b'{"message_id": "2", "order": 7}', b"no JSON"]
    mock.publish(topic, events, key=b"o1", headers={"x-region": b"north"}, partition=0)
    source = opened(
        mock,
        topic,
        group=new_name(),
        format="event",
        key_trait="order",
        header_traits={"region": "x-region", "zone": "x-zone"},
    )
    first, second, third = receive(source, 3)
    traits = {"region": "north", "zone": None}
    assert first.body == {"message_id": "1", "order": "o1", **traits}
    assert second.body == {"message_id": "2", "order": 7, **traits}
    assert third.body == b"no JSON"


def test_a_tombstone_is_rejected(mock: KafkaServer, opened: Callable[..., KafkaSource]) -> None:
    topic = new_name()
    mock.publish(topic, [None, b"{}"], key=b"k", partition=0)
    tombstone, message = receive(opened(mock, topic, group=new_name()), 2)
    assert (tombstone.body, tombstone.fault) == (b"", TOMBSTONE)
    assert message.fault is None


def test_tombstones_are_skipped_and_committed(
    mock: KafkaServer, opened: Callable[..., KafkaSource]
) -> None:
    topic, group = new_name(), new_name()
    mock.publish(topic, [None, b"{}", None, None], key=b"k", partition=0)
    source = opened(mock, topic, group=group, tombstones="skip")
    (message,) = receive(source, 1)
    source.ack([message])

    def is_committed() -> bool:
        source.ack(source.receive(10, 0.2))
        return mock.committed(group, topic) == {0: 4}

    wait_until(is_committed)


def test_offsets_are_committed_up_to_the_first_unsettled_message(
    mock: KafkaServer, opened: Callable[..., KafkaSource]
) -> None:
    topic, group = new_name(), new_name()
    mock.publish(topic, bodies(range(6)), partition=0)
    source = opened(mock, topic, group=group)
    messages = receive(source, 6)
    source.ack([messages[0], messages[3]])
    source.reject(messages[1], "invalid")
    wait_until(lambda: mock.committed(group, topic) == {0: 2})
    source.ack([messages[4]])
    source.ack([messages[2]])
    wait_until(lambda: mock.committed(group, topic) == {0: 5})
    source.close()
    assert mock.committed(group, topic) == {0: 5}


def test_close_commits_what_was_acknowledged(
    mock: KafkaServer, opened: Callable[..., KafkaSource]
) -> None:
    topic, group = new_name(), new_name()
    mock.publish(topic, bodies(range(3)), partition=0)
    source = opened(mock, topic, group=group, options={"auto.commit.interval.ms": 600_000})
    source.ack(receive(source, 2))
    assert mock.committed(group, topic) == {}
    source.close()
    assert mock.committed(group, topic) == {0: 2}


def test_lag_is_the_number_of_messages_after_the_last_received(
    mock: KafkaServer, opened: Callable[..., KafkaSource]
) -> None:
    topic = new_name()
    mock.publish(topic, bodies(range(10)), partition=0)
    source = opened(mock, topic, group=new_name())
    assert source.lag() is None
    first = receive(source, 4)
    assert source.lag() == 6
    source.ack([*first, *receive(source, 6)])
    assert source.lag() == 0


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_a_reassignment_in_mid_batch_loses_nothing(
    mock: KafkaServer, opened: Callable[..., KafkaSource], assignment: str
) -> None:
    topic, group, number = new_name(), new_name(), 40
    for partition in range(MOCK_PARTITIONS):
        mock.publish(topic, bodies(range(number // MOCK_PARTITIONS)), partition=partition)
    first = opened(mock, topic, group=group, assignment=assignment)
    held = receive(first, number)
    second = opened(mock, topic, group=group, assignment=assignment)
    settled: list[Message] = []

    def is_shared() -> bool:
        for source in (first, second):
            messages = source.receive(number, 0.1)
            source.ack(messages)
            settled.extend(messages)
        owned = {message.properties["partition"] for message in settled}
        return owned == {m.properties["partition"] for m in held if not is_held(first, m)} != set()

    wait_until(is_shared)
    kept = [message for message in held if is_held(first, message)]
    first.ack(held)  # those of reassigned partitions have no effect
    places = [place(message) for message in [*settled, *kept]]
    assert sorted(set(places)) == sorted(map(place, held))

    def is_committed() -> bool:
        for source in (first, second):
            source.ack(source.receive(number, 0.1))
        return mock.committed(group, topic, MOCK_PARTITIONS) == mock.ends(topic)

    wait_until(is_committed)


def test_an_acknowledgement_after_a_reassignment_commits_nothing(
    mock: KafkaServer, opened: Callable[..., KafkaSource]
) -> None:
    topic, group = new_name(), new_name()
    mock.publish(topic, bodies(range(3)), partition=0)
    slow = opened(mock, topic, group=group, max_poll_interval_seconds=MIN_SESSION)
    held = receive(slow, 3)
    other = opened(mock, topic, group=group)
    again = receive(other, 3)  # `slow` has not called `receive` for too long
    assert offsets(again) == offsets(held)
    slow.ack(held)
    slow.release(held)
    assert slow.receive(10, 0.1) == []
    slow.close()
    other.close()
    assert mock.committed(group, topic) == {}


def test_start_latest_skips_only_what_existed_at_the_first_start(
    mock: KafkaServer, opened: Callable[..., KafkaSource]
) -> None:
    topic, group = new_name(), new_name()
    mock.publish(topic, bodies([1, 2]), partition=0)
    source = opened(mock, topic, group=group, start="latest")
    mock.publish(topic, bodies([3]), partition=0)
    assert offsets(receive(source, 1)) == [2]
    source.close()
    mock.publish(topic, bodies([4]), partition=1)
    restarted = opened(mock, topic, group=group, start="latest")
    assert sorted(map(place, receive(restarted, 2))) == [(0, 2), (1, 0)]


def test_a_pattern_finds_topics_that_are_created_later(
    tansu: KafkaServer, opened: Callable[..., KafkaSource]
) -> None:
    prefix = new_name("site")
    source = opened(
        tansu,
        f"^{prefix}[.].*",
        f"{prefix}-missing",
        group=new_name(),
        options={"topic.metadata.refresh.interval.ms": 200},
    )
    assert source.receive(1, 0.1) == []
    tansu.publish(tansu.create_topic(name=f"{prefix}.info"), [b"{}"])
    (message,) = receive(source, 1)
    assert message.properties["topic"] == f"{prefix}.info"


def test_a_missing_topic_is_an_error_until_it_exists(
    tansu: KafkaServer, opened: Callable[..., KafkaSource]
) -> None:
    topic, group = new_name(), new_name()
    with pytest.raises(SourceError, match=f"Kafka at {tansu.address}: no topic exists of: {topic}"):
        opened(tansu, topic, group=group)
    tansu.publish(tansu.create_topic(name=topic), [b"{}"])
    source = opened(tansu, topic, group=group)
    assert len(receive(source, 1)) == 1


def place(message: Message) -> tuple[int, int]:
    return message.properties["partition"], message.properties["offset"]


def is_held(source: KafkaSource, message: Message) -> bool:
    return source._require_session().holds(message.token)


def test_notifications_of_oslo_messaging_are_read(
    tansu: KafkaServer, opened: Callable[..., KafkaSource]
) -> None:
    conf, topic = cfg.ConfigOpts(), new_name()
    conf([], project="test", default_config_files=[])
    transport = oslo_messaging.get_notification_transport(conf, url=f"kafka://{tansu.address}/")
    notifier = oslo_messaging.Notifier(
        transport, "compute.host-1", driver="messagingv2", topics=[topic]
    )
    tansu.create_topic(name=f"{topic}.info")
    notifier.info(RequestContext(), "compute.instance.update", {"instance_id": "i-1"})
    (message,) = receive(opened(tansu, f"{topic}.info", group=new_name()), 1)
    transport.cleanup()
    notification = open_envelope(message.body)
    assert notification["event_type"] == "compute.instance.update"
    assert notification["payload"] == {"instance_id": "i-1"}
