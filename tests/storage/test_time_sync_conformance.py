"""Stream time of the `time_sync` clock on every database: never that of the host."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import make_trigger, only_stream
from support.servers.time_service import TimeService, time_service
from winchester_core.clock import ClockKind, StreamClock, SystemClock, TimeSyncClock
from winchester_core.ingest import Ingester
from winchester_core.ingest.decoding import Decoder
from winchester_core.ingest.ingester import IngestConfiguration
from winchester_core.interfaces import PipelineHandler
from winchester_core.mapping import MappingSet
from winchester_core.model.message import Message, MessageKind
from winchester_core.pipelines import HandlerSpec, PipelineDefinition
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.telemetry.counters import Count
from winchester_core.worker import Worker, WorkerOptions
from winchester_core.worker.options import WorkerConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from winchester_core.storage.interface import Store

START = datetime(2014, 8, 1, tzinfo=UTC)
TRIGGER = make_trigger(
    match="x.*", fire=({"event_type": "x.exists"},), expiration="$timestamp + 1h"
)
UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture
def service() -> Iterator[TimeService]:
    with time_service() as running:
        yield running


def event(minute: int, event_type: str = "x.start", instance: str | None = None) -> dict[str, Any]:
    return {
        "message_id": f"{event_type}-{minute}",
        "event_type": event_type,
        "timestamp": START + timedelta(minutes=minute),
        "instance": instance or f"i{minute % 10}",
    }


@pytest.fixture
def time_sync(store: Store) -> Iterator[Callable[[str], StreamClock]]:
    """Make clocks by the endpoints of their services; close them at the end."""
    with ExitStack() as stack:

        def make(endpoint: str) -> StreamClock:
            clock = StreamClock(
                ClockKind.TIME_SYNC, store, TimeSyncClock(endpoint), max_jump=timedelta(days=1)
            )
            stack.callback(clock.close)
            return clock

        yield make


def make_ingester(store: Store, clock: StreamClock) -> Ingester:
    configuration = IngestConfiguration([TRIGGER], Decoder(None))
    return Ingester(store=store, stream_clock=clock, configuration=configuration, conditions={})


def make_worker(store: Store, clock: StreamClock, handler: type = PipelineHandler) -> Worker:
    pipeline = (HandlerSpec("h", handler),)
    return Worker(
        store=store,
        stream_clock=clock,
        configuration=WorkerConfiguration(
            [TRIGGER],
            {name: PipelineDefinition(name, pipeline) for name in ("fire", "expire")},
            WorkerOptions(purge_completed=False),
        ),
    )


class PassOn(PipelineHandler):
    def handle_events(self, events: list[Any], _env: dict[str, Any]) -> list[Any]:
        return events


class Create(PipelineHandler):
    def handle_events(self, events: list[Any], _env: dict[str, Any]) -> list[Any]:
        return [*events, event(1, "x.made", "made")]


@pytest.mark.parametrize("is_available", [True, False], ids=["available", "unavailable"])
def test_ingest_decides_at_the_times_of_its_messages(
    store: Store, service: TimeService, time_sync: Callable[[str], StreamClock], is_available: bool
) -> None:
    ingester = make_ingester(store, time_sync(service.endpoint if is_available else UNREACHABLE))
    events = [event(minute) for minute in range(200)]
    assert ingester.add_events(events[:100]).stored == 100
    assert ingester.add_events(events[100:]).stored == 100
    streams = store.find_streams(StreamFilter(), limit=1000)
    assert len(streams) == 10  # each accepts events for an hour
    assert {each.event_count for each in streams} == {20}
    assert store.event_clock() is None


def test_the_events_of_a_mapped_message_arrive_at_their_own_times(
    store: Store, time_sync: Callable[[str], StreamClock]
) -> None:
    rules = [
        {"when": {"noise": True}, "drop": True},
        {
            "split": "items",
            "message_id": "id",
            "event_type": {"constant": "x.start"},
            "timestamp": "at",
            "traits": {"instance": {"constant": "a"}},
        },
    ]
    configuration = IngestConfiguration([TRIGGER], Decoder(None, MappingSet({"m": rules}, {})))
    ingester = Ingester(
        store=store,
        stream_clock=time_sync(UNREACHABLE),
        configuration=configuration,
        conditions={},
    )
    items = [
        {"id": f"e{minute}", "at": (START + timedelta(minutes=minute)).isoformat()}
        for minute in (0, 30, 100, 120)  # a stream accepts events for an hour
    ]
    bodies = [b'{"noise": true}', json.dumps({"items": items}).encode()]
    result = ingester.add_messages(
        [Message(body, MessageKind.EVENT, mappings=("m",)) for body in bodies]
    )
    assert [each.status.value for each in result.outcomes] == ["dropped", "stored"]
    assert sorted(each.event_count for each in store.find_streams(StreamFilter())) == [2, 2]


def test_workers_wait_until_a_time_is_known_and_use_that_of_ingest(
    store: Store, service: TimeService, time_sync: Callable[[str], StreamClock]
) -> None:
    worker = make_worker(store, time_sync(service.endpoint), PassOn)
    ingester = make_ingester(store, time_sync(UNREACHABLE))
    ingester.add_events([event(0, instance="a"), event(0, "x.exists", "b")])
    assert worker.current_time() is None
    assert worker.run_once() == 0
    service.answer = b"2014-08-01 00:59:59"
    later = make_worker(store, time_sync(service.endpoint), PassOn)
    assert later.process_ready_streams(9) == 1
    assert later.process_ready_streams(9, expire=True) == 0
    service.answer = b"2014-08-01 01:00:00"
    last = make_worker(store, time_sync(service.endpoint), PassOn)
    assert last.process_ready_streams(9, expire=True) == 1


@pytest.mark.parametrize(("heard", "minutes"), [(b"", 1), (b"2014-08-01 00:30:00", 30)])
def test_events_of_handlers_arrive_at_the_heard_time_or_their_own_never_the_hosts(
    store: Store,
    service: TimeService,
    time_sync: Callable[[str], StreamClock],
    heard: bytes,
    minutes: int,
) -> None:
    make_ingester(store, time_sync(UNREACHABLE)).add_events([event(0, instance="a")])
    service.answer = heard
    worker = make_worker(store, time_sync(service.endpoint), Create)
    worker.fire_stream(only_stream(store, instance="a").id)
    made = only_stream(store, instance="made")
    assert made.expire_timestamp == START + timedelta(minutes=minutes + 60)


def test_an_event_too_far_ahead_moves_no_time(
    store: Store, time_sync: Callable[[str], StreamClock]
) -> None:
    ingester = make_ingester(store, time_sync(UNREACHABLE))
    far = event(60 * 24 * 7, instance="a")
    ingester.add_events([event(0), far, event(1, instance="a")])
    assert ingester.counters[Count.CLOCK_JUMPS_REFUSED] == 1
    assert only_stream(store, instance="a").event_count == 2
    assert len(store.find_events(EventFilter())) == 3


def test_duplicates_advance_time_and_the_last_time_is_published_at_the_end(
    store: Store, service: TimeService, time_sync: Callable[[str], StreamClock]
) -> None:
    make_ingester(store, StreamClock(ClockKind.SYSTEM, store, SystemClock())).add_events(
        [event(600)]
    )
    ingester = make_ingester(store, time_sync(service.endpoint))
    result = ingester.add_messages(
        [Message({**each}, MessageKind.EVENT) for each in (event(600), event(0, instance="a"))]
    )
    assert (result.stored, result.duplicates) == (1, 1)
    assert only_stream(store, instance="a").event_count == 1
    ingester._clock.close()
    assert service.published[-1] == "2014-08-01 10:00:00"
