"""The hand-written benchmark baseline runs the whole write pattern, on every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, update

from benchmarks.databases import plain_engine
from benchmarks.hand_written import in_native_sql, in_sqlalchemy_core
from benchmarks.hand_written.tables import events, links, streams
from benchmarks.raw import RawEvents
from benchmarks.raw import events as raw_events
from benchmarks.workload import PER_DAY, Workload
from support.servers.databases import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine, Table

    from benchmarks.hand_written.pattern import WritePattern

INSTANCES = 20
DAY = INSTANCES * PER_DAY


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def engine(backend: str, tmp_path: Path) -> Iterator[Engine]:
    with plain_engine(backend, tmp_path) as plain:
        yield plain


@pytest.fixture(params=["in Core", "without Core"])
def pattern(request: pytest.FixtureRequest, backend: str, engine: Engine) -> WritePattern:
    return (
        in_sqlalchemy_core(engine) if request.param == "in Core" else in_native_sql(backend, engine)
    )


def rows(engine: Engine, table: Table) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_duplicates_are_skipped_and_streams_count_new_events(pattern: WritePattern) -> None:
    day = Workload(instances=INSTANCES).batches(DAY, 50)
    pattern.add(day[:2])
    pattern.add([day[1], *day[1:], day[0] + day[2]])

    assert rows(pattern.engine, events) == rows(pattern.engine, links) == DAY
    with pattern.engine.connect() as connection:
        found = connection.execute(select(streams)).all()
    assert len(found) == INSTANCES
    for stream in found:
        assert stream.event_count == PER_DAY
        assert stream.fire_timestamp is not None
        assert stream.last_event > stream.first_event
        assert stream.expire_timestamp == stream.last_event + timedelta(days=2)


def test_streams_fire_when_their_day_ends_and_are_purged_with_their_links(
    pattern: WritePattern,
) -> None:
    workload = Workload(instances=INSTANCES)
    pattern.add(workload.batches(DAY + DAY // 4, 50))

    assert pattern.work(limit=7) == INSTANCES
    assert pattern.work(limit=7) == 0
    assert rows(pattern.engine, events) == DAY + DAY // 4
    assert rows(pattern.engine, links) == DAY // 4


def test_a_claim_is_loaded_typed_and_in_order(pattern: WritePattern) -> None:
    day = Workload(instances=INSTANCES).batches(DAY, DAY)
    pattern.add(day)
    with pattern.engine.begin() as connection:
        claims = pattern.claim(connection, datetime.now(UTC), 1)
    (stream,) = pattern.events_of(claims)

    instance = stream[0]["instance_id"]
    assert stream == [event for event in day[0] if event["instance_id"] == instance]
    assert {type(value) for event in stream for value in event.values()} == {str, int, datetime}


def test_a_lost_claim_completes_nothing(pattern: WritePattern) -> None:
    pattern.add(Workload(instances=INSTANCES).batches(DAY, DAY))
    with pattern.engine.begin() as connection:
        claims = pattern.claim(connection, datetime.now(UTC), 3)
    with pattern.engine.begin() as connection:
        lost = update(streams).where(streams.c.id == claims[0].id)
        connection.execute(lost.values(serial=streams.c.serial + 1))
    with pattern.engine.begin() as connection:
        assert pattern.complete(connection, claims) == 2

    assert rows(pattern.engine, streams) == INSTANCES - 2
    assert rows(pattern.engine, links) == DAY - 2 * PER_DAY


def test_the_raw_baseline_stores_every_event(engine: Engine, backend: str) -> None:
    workload = Workload(instances=INSTANCES)
    raw = RawEvents(engine)
    raw.add(workload.batches(DAY, 50))
    if backend == "postgresql":
        raw.copy(workload.batches(DAY, 50))

    assert rows(engine, raw_events) == DAY * (2 if backend == "postgresql" else 1)
