"""Ingest from a file and from brokers, with and without preparing the next batch meanwhile."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import pytest

from benchmarks.databases import engine_manager
from benchmarks.figure import Figure, Goal, cpu_us, rates
from benchmarks.lap import timed
from benchmarks.options import BATCH
from benchmarks.rounds import interleave
from benchmarks.workload import Workload
from support.servers.brokers import broker_namespace
from support.servers.mosquitto import create_session, mqtt_publisher, private_mosquitto
from support.servers.nats_servers import jetstream
from support.servers.redis_servers import GROUP, redis_stream
from winchester_core.ingest.pump import SourcePump
from winchester_core.sources.jsonl import JsonlSource
from winchester_core.sources.mqtt import MqttSource
from winchester_core.sources.nats import NatsSource
from winchester_core.sources.rabbitmq import RabbitmqSource
from winchester_core.sources.redis import RedisSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from benchmarks.lap import Lap
    from benchmarks.options import Options
    from benchmarks.rounds import Contestant
    from support.servers.brokers import BrokerNamespace
    from support.servers.mosquitto import Mosquitto
    from support.servers.nats_servers import JetStream
    from support.servers.redis_servers import RedisStream
    from winchester_core import TriggerManager
    from winchester_core.interfaces import EventSource

NAME = "ingest-sources"
PREFETCHING = "with prefetch"
PLAIN = "without prefetch"
SHARE = 4
"""Divisor of the number of events."""
PARAMS: Mapping[str, Any] = {
    "format": "event",
    "datetime_traits": ["launched_at", "audit_period_beginning", "audit_period_ending"],
}


def contestants_of(source_class: type[EventSource]) -> Mapping[str, type[EventSource]]:
    """Return a source, and the same that stores each batch before the next is received."""
    plain = type(f"Plain{source_class.__name__}", (source_class,), {"allows_prefetch": False})
    return {PREFETCHING: source_class, PLAIN: plain}


def measure(options: Options) -> Iterator[Figure]:
    """Yield a figure for each origin and database; brokers that are absent are left out."""
    origins: Mapping[str, Callable[[ExitStack], Input]] = {
        "a file": lambda _: FileInput(options),
        "RabbitMQ": lambda stack: QueueInput(stack.enter_context(broker_namespace())),
        "NATS": lambda stack: NatsInput(stack.enter_context(jetstream())),
        "Redis": lambda stack: RedisInput(stack.enter_context(redis_stream())),
        "MQTT": lambda stack: MqttInput(stack.enter_context(private_mosquitto())),
    }
    for backend in options.databases:
        for origin, make_input in origins.items():
            try:
                yield _figure(origin, backend, options, make_input)
            except pytest.skip.Exception:
                continue


class Input(Protocol):
    """Origin of messages. `classes` are the sources to compare, by name."""

    classes: ClassVar[Mapping[str, type[EventSource]]]

    def put(self, lines: list[bytes]) -> dict[str, Any]:
        """Put the events of a lap into the origin; return the parameters of the source."""


class FileInput:
    """Writes each lap's events to a file."""

    classes: ClassVar[Mapping[str, type[EventSource]]] = contestants_of(JsonlSource)

    def __init__(self, options: Options) -> None:
        self._path = options.folder / "events.jsonl"

    def put(self, lines: list[bytes]) -> dict[str, Any]:
        """Write the events; return the parameters of the source."""
        self._path.write_bytes(b"".join(line + b"\n" for line in lines))
        return {"path": str(self._path)}


class QueueInput:
    """Publishes each lap's events to a queue."""

    classes: ClassVar[Mapping[str, type[EventSource]]] = contestants_of(RabbitmqSource)

    def __init__(self, namespace: BrokerNamespace) -> None:
        self._namespace = namespace
        self._queue = namespace.name("events")
        with namespace.channel() as channel:
            channel.queue_declare(self._queue, durable=True, auto_delete=False)

    def put(self, lines: list[bytes]) -> dict[str, Any]:
        """Publish the events; return the parameters of the source."""
        self._namespace.publish(lines, "", self._queue)
        return {"url": self._namespace.url, "queues": [self._queue]}


class NatsInput:
    """Publishes each lap's events to a stream."""

    classes: ClassVar[Mapping[str, type[EventSource]]] = contestants_of(NatsSource)

    def __init__(self, stream: JetStream) -> None:
        self._stream = stream

    def put(self, lines: list[bytes]) -> dict[str, Any]:
        """Publish the events; return the parameters of the source."""
        self._stream.publish(lines)
        return {"url": self._stream.url, "stream": self._stream.stream, "consumer": "benchmark"}


class RedisInput:
    """Adds each lap's events to a stream."""

    classes: ClassVar[Mapping[str, type[EventSource]]] = contestants_of(RedisSource)

    def __init__(self, stream: RedisStream) -> None:
        self._stream = stream

    def put(self, lines: list[bytes]) -> dict[str, Any]:
        """Add the events; return the parameters of the source."""
        self._stream.publish(lines)
        return {"url": self._stream.url, "stream": self._stream.stream, "group": GROUP}


class MqttInput:
    """Publishes each lap's events to a topic of a private broker, which keeps all of them."""

    classes: ClassVar[Mapping[str, type[EventSource]]] = contestants_of(MqttSource)
    client_id = topic = "benchmark"

    def __init__(self, broker: Mosquitto) -> None:
        self._broker = broker
        create_session("127.0.0.1", broker.port, self.client_id, self.topic)

    def put(self, lines: list[bytes]) -> dict[str, Any]:
        """Publish the events; return the parameters of the source."""
        with mqtt_publisher("127.0.0.1", self._broker.port) as publisher:
            for line in lines:
                publisher.publish(self.topic, line)
        where = {"url": self._broker.url, "client_id": self.client_id}
        return {**where, "subscriptions": [self.topic]}


def _figure(
    origin: str,
    backend: str,
    options: Options,
    make_input: Callable[[ExitStack], Input],
) -> Figure:
    with ExitStack() as stack:
        made = make_input(stack)
        manager = stack.enter_context(engine_manager(backend, options.folder))
        manager.store.is_embedded = False  # type: ignore[misc] # SQLite too, to show the difference
        workload = Workload(options.seed)
        contestants = {
            name: _ingesting(manager, workload, made, name, options) for name in made.classes
        }
        laps = interleave(contestants, options.rounds)
    return Figure(
        NAME,
        f"ingest from {origin}, batches of {BATCH:,}",
        backend,
        "events/s",
        rates(laps),
        (Goal(PREFETCHING, PLAIN),),
        cpu_us(laps),
    )


def _ingesting(
    manager: TriggerManager,
    workload: Workload,
    origin: Input,
    name: str,
    options: Options,
) -> Contestant:
    number = max(BATCH, options.events // SHARE)

    def lap(_round: int) -> Lap:
        params = origin.put([_json(each) for each in workload.take(number)])
        source = origin.classes[name](**params, **PARAMS)
        return timed(number, lambda: _ingest(manager, source, number))

    lap(0)  # connect and compile the statements
    return lap


def _ingest(manager: TriggerManager, source: EventSource, number: int) -> None:
    stop = threading.Event()

    def stop_at_end(_totals: object) -> None:
        if pump.totals.received >= number:
            stop.set()

    pump = SourcePump(NAME, source, manager, batch_size=BATCH, stop=stop, on_batch=stop_at_end)
    pump.run()
    assert pump.totals.stored == number, f"{pump.totals.stored} of {number} events were stored"


def _json(event: dict[str, Any]) -> bytes:
    return json.dumps(event, default=lambda value: value.isoformat()).encode()
