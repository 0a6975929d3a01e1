"""RabbitMQ and the ingester with all faults combined: nothing is lost, nothing stored twice.

`docs/how-to/rabbitmq.md` has the command for a run with 20,000 messages.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kombu import Connection

from support.scenes.source_faults import Origin, run_with_faults
from support.servers.brokers import private_broker
from support.servers.tcp_proxy import proxied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.scenes.background_publisher import Publish
    from support.servers.brokers import PrivateBroker

EXCHANGE, QUEUE = "nova", "monitor.info"


def test_every_notification_is_stored_exactly_once(tmp_path: Path) -> None:
    with private_broker() as broker, proxied(broker.port) as proxy:
        declare_queue(broker)
        queue = {"name": QUEUE, "exchange": EXCHANGE, "routing_keys": [QUEUE]}
        params = {"url": broker.url, "port": proxy.port, "queues": [queue]}
        origin = Origin(
            proxy,
            entries=[{"source": "rabbitmq", "params": params}] * 2,
            open_publisher=lambda: publisher(broker),
            unsettled=lambda: unsettled(broker),
            restart=broker.restart,
        )
        run_with_faults(origin, tmp_path)


def declare_queue(broker: PrivateBroker) -> None:
    with Connection(broker.url) as connection, connection.channel() as channel:
        channel.exchange_declare(EXCHANGE, "topic", durable=True, auto_delete=False)
        channel.queue_declare(QUEUE, durable=True, auto_delete=False)
        channel.queue_bind(QUEUE, EXCHANGE, QUEUE)


@contextmanager
def publisher(broker: PrivateBroker) -> Iterator[Publish]:
    options = {"confirm_publish": True, "read_timeout": 10}
    with Connection(broker.url, connect_timeout=1, transport_options=options) as connection:
        connection.connect()
        producer = connection.Producer()

        def publish(body: bytes) -> None:
            producer.publish(
                body,
                exchange=EXCHANGE,
                routing_key=QUEUE,
                content_type="application/json",
                content_encoding="utf-8",
                delivery_mode=2,
            )

        yield publish


def unsettled(broker: PrivateBroker) -> int:
    """Return the number of messages in the queue, delivered and not acknowledged ones included."""
    (row,) = broker.control("list_queues", "messages", "--no-table-headers").split()
    return int(row)
