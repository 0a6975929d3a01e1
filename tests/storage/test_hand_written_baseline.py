"""The by_hand-written benchmark baseline does the whole pattern, on every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, update

from benchmarks.hand_written import in_core, past_core
from benchmarks.hand_written.tables import events, links, streams
from benchmarks.places import plain_engine
from benchmarks.raw import RawEvents
from benchmarks.raw import events as raw_events
from benchmarks.workload import PER_DAY, Workload
from support.servers.databases import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine, Table

    from benchmarks.hand_written.pattern import ByHand

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
def by_hand(request: pytest.FixtureRequest, backend: str, engine: Engine) -> ByHand:
    return in_core(engine) if request.param == "in Core" else past_core(backend, engine)


def rows(engine: Engine, table: Table) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_duplicates_are_skipped_and_streams_count_new_events(by_hand: ByHand) -> None:
    day = Workload(instances=INSTANCES).batches(DAY, 50)
    by_hand.add(day[:2])
    by_hand.add([day[1], *day[1:], day[0] + day[2]])

    assert rows(by_hand.engine, events) == rows(by_hand.engine, links) == DAY
    with by_hand.engine.connect() as connection:
        found = connection.execute(select(streams)).all()
    assert len(found) == INSTANCES
    for stream in found:
        assert stream.event_count == PER_DAY
        assert stream.fire_timestamp is not None
        assert stream.last_event > stream.first_event
        assert stream.expire_timestamp == stream.last_event + timedelta(days=2)


def test_streams_fire_when_their_day_ends_and_are_purged_with_their_links(by_hand: ByHand) -> None:
    workload = Workload(instances=INSTANCES)
    by_hand.add(workload.batches(DAY + DAY // 4, 50))

    assert by_hand.work(limit=7) == INSTANCES
    assert by_hand.work(limit=7) == 0
    assert rows(by_hand.engine, events) == DAY + DAY // 4
    assert rows(by_hand.engine, links) == DAY // 4


def test_a_claim_is_loaded_typed_and_in_order(by_hand: ByHand) -> None:
    day = Workload(instances=INSTANCES).batches(DAY, DAY)
    by_hand.add(day)
    with by_hand.engine.begin() as connection:
        taken = by_hand.claim(connection, datetime.now(UTC), 1)
    (stream,) = by_hand.events_of(taken)

    instance = stream[0]["instance_id"]
    assert stream == [event for event in day[0] if event["instance_id"] == instance]
    assert {type(value) for event in stream for value in event.values()} == {str, int, datetime}


def test_a_lost_claim_completes_nothing(by_hand: ByHand) -> None:
    by_hand.add(Workload(instances=INSTANCES).batches(DAY, DAY))
    with by_hand.engine.begin() as connection:
        taken = by_hand.claim(connection, datetime.now(UTC), 3)
    with by_hand.engine.begin() as connection:
        lost = update(streams).where(streams.c.id == taken[0].id)
        connection.execute(lost.values(serial=streams.c.serial + 1))
    with by_hand.engine.begin() as connection:
        assert by_hand.complete(connection, taken) == 2

    assert rows(by_hand.engine, streams) == INSTANCES - 2
    assert rows(by_hand.engine, links) == DAY - 2 * PER_DAY


def test_the_raw_baseline_stores_every_event(engine: Engine, backend: str) -> None:
    workload = Workload(instances=INSTANCES)
    raw = RawEvents(engine)
    raw.add(workload.batches(DAY, 50))
    if backend == "postgresql":
        raw.copy(workload.batches(DAY, 50))

    assert rows(engine, raw_events) == DAY * (2 if backend == "postgresql" else 1)
