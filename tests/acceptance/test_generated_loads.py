"""Generated loads with known faults, on SQLite and in memory: equal streams, correct verdicts."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.nova.load import Load, lifecycle_load, one_day, write_load
from winchester_core import bootstrap
from winchester_core.ingest.replay import Replayer, ReplayPace, ReplaySummary
from winchester_core.sources.jsonl import JsonlSource
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.storage.sql.schema_migration import DatabaseSchema
from winchester_core.testing import InMemoryEngine

if TYPE_CHECKING:
    from pathlib import Path

    from winchester_core.storage.interface import Store


LOADS = {
    "one day": one_day,
    "five days": lambda: lifecycle_load(days=5, instances=25, seed=1, fault_rate=0.3),
    "much redelivered": lambda: lifecycle_load(
        days=2, instances=25, seed=2, fault_rate=0.1, delivery_fault_rate=0.6
    ),
}


@pytest.fixture(scope="module", params=LOADS)
def load(request: pytest.FixtureRequest) -> Load:
    return LOADS[request.param]()


def settings_of(checkout: Path, directory: Path) -> Any:
    environ = {
        "WINCHESTER_DATABASE_URL": f"sqlite:///{directory / 'test.db'}",
        "WINCHESTER_LOG_LEVEL": "warning",
    }
    return bootstrap.load_settings(checkout / "etc" / "winchester.yaml", environ=environ)


def source_of(path: Path) -> JsonlSource:
    return JsonlSource(path=str(path), format="notification", datetime_traits=[])


def replay_on_sqlite(settings: Any, path: Path, pace: ReplayPace) -> tuple[ReplaySummary, Store]:
    with closing(bootstrap.open_database(settings)) as database:
        DatabaseSchema(database).upgrade()
    store = bootstrap.open_store(settings)
    clock = bootstrap.replay_clock(store)
    manager = bootstrap.make_ingester(settings, store, clock)
    pipelines = bootstrap.make_worker(settings, store, clock)
    replay = Replayer(source_of(path), manager, pipelines, pace=pace, stop=threading.Event())
    return replay.run(), store


def facts(store: Store) -> dict[str, Any]:
    streams = store.find_streams(StreamFilter(), limit=100_000)
    members = store.events_of([stream.id for stream in streams])
    return {
        "streams": sorted(
            (
                str(sorted(stream.distinguished_by.items(), key=str)),
                stream.first_event,
                stream.state.value,
                stream.last_event,
                stream.expire_timestamp,
                str(stream.fire_timestamp),
                [each["message_id"] for each in members[stream.id]],
            )
            for stream in streams
        ),
        "events": sorted(
            (
                {name: value for name, value in event.items() if name != "stream_id"}
                for event in store.find_events(EventFilter(), limit=1_000_000)
            ),
            key=lambda event: event["message_id"],
        ),
    }


def verdicts(store: Store) -> Counter[str]:
    found: Counter[str] = Counter()
    made = store.find_events(EventFilter(event_type="compute.instance.exists.*"), limit=100_000)
    for event in made:
        if event.get("publisher_id") == "stv3":
            found[event.get("error_code", event["event_type"].rpartition(".")[2])] += 1
    return found


def test_verdicts_match_the_planted_faults_on_both_engines(
    load: Load, checkout: Path, tmp_path: Path
) -> None:
    path = tmp_path / "load.jsonl.gz"
    write_load(path, load)
    settings = settings_of(checkout, tmp_path)
    pace = ReplayPace(step=timedelta(hours=1), advance=timedelta(days=4))
    summary, store = replay_on_sqlite(settings, path, pace)
    engine = InMemoryEngine(settings)
    in_memory = engine.replay(source_of(path), pace)
    assert summary.messages == len(load.notifications)
    assert summary == in_memory
    assert verdicts(store) == load.verdicts()
    assert facts(store) == facts(engine.store)
    store.close()


def test_neither_batch_sizes_nor_worker_order_change_the_result(
    checkout: Path, tmp_path: Path
) -> None:
    load = lifecycle_load(days=2, instances=15, seed=3, fault_rate=0.3)
    path = tmp_path / "load.jsonl.gz"
    write_load(path, load)
    settings = settings_of(checkout, tmp_path)
    results = []
    for batch_size, step in ((1000, 1), (7, 1), (1, 1), (100, 24)):
        engine = InMemoryEngine(settings)
        engine.replay(
            source_of(path), ReplayPace(step=timedelta(hours=step), batch_size=batch_size)
        )
        results.append(verdicts(engine.store))
    assert all(result == load.verdicts() for result in results)
