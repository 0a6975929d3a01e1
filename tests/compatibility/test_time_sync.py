"""`time_sync_endpoint`: the time service that ingest publishes to and workers read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.embedding import AUGUST, make_event, make_trigger
from support.scenes.sites import wait_until
from support.servers.time_service import time_service
from winchester_core import clock as clock_module
from winchester_core.clock import SYNC_INTERVAL_SECONDS
from winchester_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.scenes.embedding import EmbeddingProgram
    from support.servers.time_service import TimeService
    from winchester_core import PipelineManager, TriggerManager

ELEVEN = datetime(2014, 8, 1, 11, tzinfo=UTC)


@pytest.fixture
def service() -> Iterator[TimeService]:
    with time_service() as running:
        running.answer = b"2014-08-01 11:00:00"
        yield running


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock of the time service's client."""
    moment = [0.0]
    monkeypatch.setattr(clock_module, "monotonic", lambda: moment[0])
    return moment


def synchronized(service: TimeService) -> dict[str, Any]:
    return {"clock": "time_sync", "time_sync_endpoint": service.endpoint}


@pytest.fixture
def ingest(program: EmbeddingProgram, service: TimeService) -> TriggerManager:
    return program.ingest(make_trigger(), **synchronized(service))


@pytest.fixture
def worker(program: EmbeddingProgram, service: TimeService) -> PipelineManager:
    return program.worker(make_trigger(), **synchronized(service))


def test_without_an_endpoint_time_is_the_hosts(program: EmbeddingProgram) -> None:
    before = datetime.now(UTC)
    now = program.worker(clock="system").current_time()
    assert now is not None
    assert before <= now <= datetime.now(UTC)


def test_an_endpoint_alone_selects_the_clock(
    program: EmbeddingProgram, service: TimeService
) -> None:
    del program.settings["clock"]
    worker = program.worker(time_sync_endpoint=service.endpoint)
    assert worker.current_time() == ELEVEN


def test_the_clock_needs_an_endpoint(program: EmbeddingProgram) -> None:
    with pytest.raises(ConfigurationError, match="time_sync_endpoint"):
        program.worker(clock="time_sync")


def test_a_worker_uses_the_time_of_the_service(
    worker: PipelineManager, service: TimeService
) -> None:
    assert worker.current_time() == ELEVEN
    assert service.requests == ["GET /time"]


def test_a_worker_asks_at_most_every_twenty_seconds(
    worker: PipelineManager, service: TimeService, seconds: list[float]
) -> None:
    assert worker.current_time() == ELEVEN
    service.answer = b"2014-08-01 12:00:00"
    seconds[0] = SYNC_INTERVAL_SECONDS - 1
    assert worker.current_time() == ELEVEN
    seconds[0] = SYNC_INTERVAL_SECONDS
    assert worker.current_time() == ELEVEN + timedelta(hours=1)


def test_a_worker_keeps_the_last_time_while_the_service_fails(
    worker: PipelineManager,
    service: TimeService,
    seconds: list[float],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert worker.current_time() == ELEVEN
    service.status = 500
    seconds[0] = SYNC_INTERVAL_SECONDS
    assert worker.current_time() == ELEVEN
    assert "time_sync service unavailable, retrying" in caplog.text


def test_ingest_publishes_the_time_of_its_events(
    ingest: TriggerManager, service: TimeService
) -> None:
    ingest.add_event(make_event("1"))
    wait_until(lambda: bool(service.published))
    assert datetime.fromisoformat(service.published[0]) == AUGUST.replace(tzinfo=None)


def test_ingest_publishes_at_most_every_twenty_seconds(
    ingest: TriggerManager, service: TimeService, seconds: list[float]
) -> None:
    ingest.add_event(make_event("1"))
    wait_until(lambda: bool(service.published))
    for hours in (1, 2):
        ingest.add_event(make_event(f"{hours} later", at=AUGUST + timedelta(hours=hours)))
    ingest.close()
    assert [each[:13] for each in service.published] == ["2014-08-01 17", "2014-08-01 19"]


def test_an_event_is_stored_though_its_time_cannot_be_published(
    ingest: TriggerManager, service: TimeService, caplog: pytest.LogCaptureFixture
) -> None:
    assert ingest.current_time() == ELEVEN
    service.status = 500
    assert ingest.add_event(make_event("1")) is True
    wait_until(lambda: "time_sync service unavailable, retrying" in caplog.text)


def test_a_worker_expires_streams_in_the_time_that_ingest_published(
    ingest: TriggerManager, worker: PipelineManager, service: TimeService, seconds: list[float]
) -> None:
    ingest.add_event(make_event("1"))
    assert worker.process_ready_streams(10, expire=True) == 0
    ingest.add_event(make_event("2", "other.thing", AUGUST + timedelta(days=2)))
    ingest.close()
    seconds[0] = SYNC_INTERVAL_SECONDS
    assert worker.process_ready_streams(10, expire=True) == 1
