"""Ingest from a file and from RabbitMQ, with and without preparing the next batch meanwhile."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from benchmarks.databases import engine_manager
from benchmarks.figure import Figure, Goal, cpu_us, rates
from benchmarks.lap import timed
from benchmarks.options import BATCH
from benchmarks.rounds import interleave
from benchmarks.workload import Workload
from support.servers.brokers import broker_namespace
from winchester_core.ingest.pump import SourcePump
from winchester_core.sources.jsonl import JsonlSource
from winchester_core.sources.rabbitmq import RabbitmqSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from benchmarks.lap import Lap
    from benchmarks.options import Options
    from benchmarks.rounds import Contestant
    from support.servers.brokers import BrokerNamespace
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


class PlainJsonlSource(JsonlSource):
    """Stores each batch before the next is read."""

    allows_prefetch: ClassVar[bool] = False


class PlainRabbitmqSource(RabbitmqSource):
    """Stores each batch before the next is received."""

    allows_prefetch: ClassVar[bool] = False


def measure(options: Options) -> Iterator[Figure]:
    """Yield two figures for each database; without a broker, only that of the file."""
    for backend in options.databases:
        yield _figure("a file", backend, options, lambda stack: FileInput(options))
        try:
            yield _figure(
                "RabbitMQ",
                backend,
                options,
                lambda stack: QueueInput(options, stack.enter_context(broker_namespace())),
            )
        except pytest.skip.Exception:
            continue


class FileInput:
    """Writes each lap's events to a file."""

    classes: ClassVar[Mapping[str, type[EventSource]]] = {
        PREFETCHING: JsonlSource,
        PLAIN: PlainJsonlSource,
    }

    def __init__(self, options: Options) -> None:
        self._path = options.folder / "events.jsonl"

    def put(self, lines: list[bytes]) -> dict[str, Any]:
        """Write the events; return the parameters of the source."""
        self._path.write_bytes(b"".join(line + b"\n" for line in lines))
        return {"path": str(self._path)}


class QueueInput:
    """Publishes each lap's events to a queue."""

    classes: ClassVar[Mapping[str, type[EventSource]]] = {
        PREFETCHING: RabbitmqSource,
        PLAIN: PlainRabbitmqSource,
    }

    def __init__(self, options: Options, namespace: BrokerNamespace) -> None:
        del options
        self._namespace = namespace
        self._queue = namespace.name("events")
        with namespace.channel() as channel:
            channel.queue_declare(self._queue, durable=True, auto_delete=False)

    def put(self, lines: list[bytes]) -> dict[str, Any]:
        """Publish the events; return the parameters of the source."""
        self._namespace.publish(lines, "", self._queue)
        return {"url": self._namespace.url, "queues": [self._queue]}


def _figure(
    origin: str,
    backend: str,
    options: Options,
    make_input: Callable[[ExitStack], FileInput | QueueInput],
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
    origin: FileInput | QueueInput,
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
