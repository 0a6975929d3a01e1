"""The `time_sync` clock, against a service like that of StackTach v3's Winchester."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from support.scenes.sites import Site, wait_until
from support.servers.time_service import TimeService, time_service
from winchester_core import TriggerManager
from winchester_core import clock as clock_module
from winchester_core.clock import SYNC_INTERVAL_SECONDS, TimeSyncClock
from winchester_core.errors import ClockError
from winchester_core.model.message import EventStatus
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import StreamFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAST = datetime(2015, 1, 20, 1, 2, 3, 456, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
UNREACHABLE = "http://user:swordfish@127.0.0.1:9"


@pytest.fixture
def service() -> Iterator[TimeService]:
    with time_service() as running:
        yield running


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds = [0.0]
    monkeypatch.setattr(clock_module, "monotonic", lambda: seconds[0])
    return seconds


@pytest.mark.parametrize("answer", [b"", b"None", b" \n"])
def test_there_is_no_time_until_one_is_published(service: TimeService, answer: bytes) -> None:
    service.answer = answer
    assert TimeSyncClock(service.endpoint).now() is None
    assert service.requests == ["GET /time"]


def test_a_worker_uses_the_time_published_by_ingest(service: TimeService) -> None:
    ingesting = TimeSyncClock(service.endpoint)
    ingesting.publish(PAST)
    wait_until(lambda: bool(service.published))
    assert TimeSyncClock(f"{service.endpoint}/").now() == PAST
    wait_until(lambda: ingesting.now() == PAST)
    ingesting.close()


def test_the_service_is_asked_at_most_every_twenty_seconds_and_the_greatest_answer_kept(
    service: TimeService, monotonic: list[float]
) -> None:
    clock = TimeSyncClock(service.endpoint)
    answers = [(b"", None), (b"2015-01-20 05:00:00", 5), (b"2015-01-20 04:00:00", 5)]
    for number, (answer, hour) in enumerate(answers, 1):
        service.answer = answer
        monotonic[0] += SYNC_INTERVAL_SECONDS
        expected = None if hour is None else datetime(2015, 1, 20, hour, tzinfo=UTC)
        assert [clock.now() for _ in range(3)] == [expected] * 3
        assert len(service.requests) == number


def test_later_times_are_published_together_after_twenty_seconds_or_at_the_end(
    service: TimeService, monotonic: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[float] = []

    class Timer(threading.Timer):
        def __init__(self, interval: float, function: Callable[[], None]) -> None:
            super().__init__(interval, function)
            delays.append(interval)

    monkeypatch.setattr(threading, "Timer", Timer)
    clock = TimeSyncClock(service.endpoint)
    clock.publish(PAST)
    wait_until(lambda: clock.now() == PAST)
    for hours in (1, 3, 2):
        clock.publish(PAST + hours * HOUR)
    wait_until(lambda: delays == [0, SYNC_INTERVAL_SECONDS])
    assert service.published == ["2015-01-20 01:02:03.000456"]
    clock.close()
    assert service.published == ["2015-01-20 01:02:03.000456", "2015-01-20 04:02:03.000456"]
    clock.close()
    assert len(service.published) == 2
    monkeypatch.setattr(clock_module, "SYNC_INTERVAL_SECONDS", 0.01)
    quiet = TimeSyncClock(service.endpoint)
    for hours in (4, 5):
        quiet.publish(PAST + hours * HOUR)
    wait_until(lambda: service.published[-1] == "2015-01-20 06:02:03.000456")
    quiet.close()


def test_no_time_before_the_one_heard_is_published(service: TimeService) -> None:
    service.answer = b"2015-01-20T12:00:00+01:00"
    clock = TimeSyncClock(service.endpoint)
    clock.publish(PAST)
    wait_until(lambda: clock.now() == datetime(2015, 1, 20, 11, tzinfo=UTC))
    clock.close()
    assert service.published == []


def test_at_the_end_a_service_that_was_restarted_hears_the_time_again(
    service: TimeService,
) -> None:
    clock = TimeSyncClock(service.endpoint)
    clock.publish(PAST)
    wait_until(lambda: clock.now() == PAST)
    service.answer = b"None"
    clock.close()
    assert service.published == ["2015-01-20 01:02:03.000456"] * 2


def test_messages_arrive_at_the_greatest_time_heard_or_received(service: TimeService) -> None:
    service.answer = b"2015-01-20 01:00:00"
    clock = TimeSyncClock(service.endpoint)
    heard = datetime(2015, 1, 20, 1, tzinfo=UTC)
    times = clock.receive([heard - HOUR, PAST, PAST - HOUR, PAST + 2 * DAY, PAST + HOUR], DAY)
    assert times.arrival_times == (heard, PAST, PAST, PAST, PAST + HOUR)
    assert times.refused == (3,)
    assert clock.receive([heard], DAY).arrival_times == (PAST + HOUR,)
    assert clock.now() == heard


def test_an_unavailable_or_invalid_service_gives_no_time_and_is_reported_once(
    service: TimeService, monotonic: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    away = TimeSyncClock(UNREACHABLE)
    assert away.now() is None
    assert away.receive([PAST], None).arrival_times == (PAST,)
    assert "http://user:***@127.0.0.1:9/time does not respond" in caplog.text
    caplog.clear()
    clock = TimeSyncClock(service.endpoint)
    for answer in (b"half past nine", b"0001-01-01 00:00:00", b"9999-12-31T23:59:59-23:00"):
        service.answer = answer
        monotonic[0] += SYNC_INTERVAL_SECONDS
        assert clock.now() is None
    assert len(caplog.records) == 1
    assert "'half past nine', which is not a time" in caplog.text
    service.answer = b"2015-01-20 01:00:00"
    monotonic[0] += SYNC_INTERVAL_SECONDS
    assert clock.now() == datetime(2015, 1, 20, 1, tzinfo=UTC)
    assert "time_sync service available again" in caplog.text
    with pytest.raises(ClockError, match="http or https"):
        TimeSyncClock("file:///etc/passwd")


def test_a_host_that_cannot_be_resolved_is_an_unavailable_service(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert TimeSyncClock("http://a..b").now() is None
    assert "time_sync service unavailable" in caplog.text


def test_a_time_that_could_not_be_published_is_published_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock_module, "SYNC_INTERVAL_SECONDS", 0.01)
    with time_service() as stopped:
        clock = TimeSyncClock(stopped.endpoint)
    clock.publish(PAST)
    with time_service(int(stopped.endpoint.rpartition(":")[2])) as restarted:
        wait_until(lambda: restarted.published == ["2015-01-20 01:02:03.000456"])
        clock.close()


TRIGGER = """\
- name: usage
  distinguished_by: [instance_id]
  expiration: $last + 2d
  fire_pipeline: report
  expire_pipeline: report
  match_criteria: [{event_type: "x.*"}]
  fire_criteria: [{event_type: x.exists}]
"""


def test_a_replay_by_two_programs_never_uses_the_hosts_time(
    ready_site: Site, service: TimeService
) -> None:
    site = ready_site
    settings = site.config.read_text().replace("clock: event", "purge_completed_streams: false")
    site.write("winchester.yaml", f"{settings}time_sync_endpoint: {service.endpoint}\n")
    site.write("triggers.yaml", TRIGGER)
    events = [
        {
            "message_id": f"m{number}",
            "event_type": "x.exists" if number >= 100 else "x.start",
            "timestamp": f"2014-08-01T{number // 60:02}:{number % 60:02}:00",
            "instance_id": f"i{number % 10}",
        }
        for number in range(110)
    ]
    arguments = ("-c", site.config)
    idle = site.run("winchester-worker", *arguments, "--until-idle")
    assert (idle.returncode, service.published) == (0, [])
    site.write_events("a.jsonl", events)
    ingested = site.run("winchester", "ingest", *arguments, "--file", "a.jsonl")
    assert ingested.returncode == 0, ingested.stderr
    assert service.published[-1] == "2014-08-01 01:49:00"
    with site.store() as store:
        streams = store.find_streams(StreamFilter(), limit=100)
    assert len(streams) == 10
    assert {each.fire_timestamp for each in streams if each.fire_timestamp} == {
        datetime(2014, 8, 1, 1, minute, tzinfo=UTC) for minute in range(40, 50)
    }
    worked = site.run("winchester-worker", *arguments, "--until-idle")
    assert worked.returncode == 0, worked.stderr
    with site.store() as store:
        states = {each.state for each in store.find_streams(StreamFilter(), limit=100)}
    assert states == {StreamState.COMPLETED}


def test_dropped_notifications_advance_the_published_time(
    ready_site: Site, service: TimeService
) -> None:
    settings = ready_site.config.read_text().replace("clock: event", "distiller_config: defs.yaml")
    ready_site.write("winchester.yaml", f"{settings}time_sync_endpoint: {service.endpoint}\n")
    ready_site.write("defs.yaml", "- {event_type: other, traits: {}}\n")
    dropped = {"event_type": "x", "timestamp": "2014-08-01 01:00:00", "payload": {}}
    ready_site.write_events("n.jsonl", [{**dropped, "message_id": "1"}])
    arguments = ("ingest", "-c", ready_site.config, "--file", "n.jsonl")
    ingested = ready_site.run("winchester", *arguments)
    assert ingested.returncode == 0, ingested.stderr
    assert service.published == ["2014-08-01 01:00:00"]


def test_a_notification_without_a_timestamp_is_invalid_while_no_time_is_known(
    service: TimeService, tmp_path: Path
) -> None:
    settings = {
        "database": {"url": Site(tmp_path).url},
        "time_sync_endpoint": service.endpoint,
        "catch_all_notifications": True,
        "distiller_config": [],
    }
    Site(tmp_path).migrate()
    notification = {"message_id": "1", "event_type": "x", "payload": {}}
    with TriggerManager(settings) as manager:
        (outcome,) = manager.add_notifications([notification]).outcomes
        assert (outcome.status, outcome.reason) == (
            EventStatus.INVALID,
            "timestamp: missing, and no stream time is known yet",
        )
        manager.add_notifications([{**notification, "timestamp": "2014-08-01T01:00:00"}])
    with TriggerManager(settings) as manager:
        manager.add_notifications([{**notification, "message_id": "2"}])
        assert manager.store.get_event_by_message_id("2")["timestamp"] == datetime(
            2014, 8, 1, 1, tzinfo=UTC
        )


def test_a_service_that_never_completes_its_response_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock_module, "SYNC_TIMEOUT_SECONDS", 0.2)
    ended = threading.Event()

    def serve(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.0 200 OK\r\n")
        while not ended.wait(0.01):
            client.sendall(b"X")

    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with server.accept()[0] as client, suppress(OSError):
                serve(client)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        clock = TimeSyncClock(f"http://127.0.0.1:{server.getsockname()[1]}")
        for reason in ("does not respond: timed out", "has not completed an earlier response"):
            with pytest.raises(ClockError, match=reason):
                clock._fetch()
        ended.set()
        thread.join()
