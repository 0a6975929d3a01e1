"""Exchanges, queues and bindings: looked at first, and declared only where they are absent.

A declaration that differs from what exists closes the channel in RabbitMQ; what somebody else
has declared otherwise is therefore used as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amqp.exceptions import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kombu import Connection


def declare_absent(connection: Connection, queue: Mapping[str, Any]) -> None:
    """Declare what is absent of a queue and its exchange, and bind them."""
    exchange = queue["exchange"]
    if exchange and not _exists(connection, lambda on: find_exchange(on, queue)):
        with connection.channel() as channel:
            channel.exchange_declare(
                exchange,
                queue["exchange_type"],
                durable=queue["durable"],
                auto_delete=queue["auto_delete"],
            )
    if not _exists(connection, lambda on: count_ready(on, queue)):
        with connection.channel() as channel:
            channel.queue_declare(
                queue["name"],
                durable=queue["durable"],
                auto_delete=queue["auto_delete"],
                arguments=_arguments(queue),
            )
    if exchange:
        _bind(connection, queue)


def find(connection: Connection, queue: Mapping[str, Any]) -> None:
    """Look whether a queue and its exchange exist. Raises `NotFound`."""
    with connection.channel() as channel:
        if queue["exchange"]:
            find_exchange(channel, queue)
        count_ready(channel, queue)


def find_exchange(channel: Any, queue: Mapping[str, Any]) -> None:
    """Look whether the exchange exists. Raises `NotFound`, which closes the channel."""
    channel.exchange_declare(queue["exchange"], queue["exchange_type"], passive=True)


def count_ready(channel: Any, queue: Mapping[str, Any]) -> int:
    """How many messages lie in the queue that nobody has. Raises as `find_exchange`."""
    count: int = channel.queue_declare(queue["name"], passive=True).message_count
    return count


def _exists(connection: Connection, look: Callable[[Any], object]) -> bool:
    try:
        with connection.channel() as channel:
            look(channel)
    except NotFound:
        return False
    return True


def _bind(connection: Connection, queue: Mapping[str, Any]) -> None:
    """Bind by every routing key; what is bound already stays as it is."""
    with connection.channel() as channel:
        for key in queue["routing_keys"] or [queue["name"]]:
            channel.queue_bind(queue["name"], queue["exchange"], key)


def _arguments(queue: Mapping[str, Any]) -> dict[str, Any]:
    queue_type = queue["queue_type"]
    return {**({"x-queue-type": queue_type} if queue_type else {}), **queue["arguments"]}
