"""The source `schedule`: waiting, catching up, and jumps of the clock."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from winchester_core.sources.schedule import ScheduleSource
from winchester_core.sources.schedule.source import MAX_WAIT_SECONDS, system_time
from winchester_core.testing import FakeClock

if TYPE_CHECKING:
    import pytest

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PARAMS = {"name": "n", "cron": "0 * * * *", "event_type": "tick"}


class Scene:
    """A source with a fake clock that its waits advance."""

    def __init__(self, start: datetime = NOON, **params: Any) -> None:
        self.clock = FakeClock(start)
        self.waits: list[float] = []
        self.source = self.new_source(**params)

    def new_source(self, **params: Any) -> ScheduleSource:
        source = ScheduleSource(**{**PARAMS, **params})
        source.clock = self.clock.now
        source.wait = self._wait
        source.open()
        return source

    def times(self, source: ScheduleSource | None = None) -> list[str]:
        """Receive and acknowledge all due events; return their times."""
        source = source or self.source
        found = []
        while messages := source.receive(10, 0):
            source.ack(messages)
            found += [message.body["timestamp"][5:16] for message in messages]
        return found

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.advance(timedelta(seconds=seconds))


def test_the_start_produces_the_events_of_the_last_catch_up() -> None:
    assert Scene(catch_up="3h").times() == ["03-02T10:00", "03-02T11:00", "03-02T12:00"]
    assert len(Scene().times()) == 24
    assert Scene(catch_up=0).times() == []


def test_a_new_process_produces_the_same_ids() -> None:
    scene = Scene(catch_up="3h", for_each={"host": ["a", "b"]})
    other = scene.new_source(catch_up="3h", for_each={"host": ["a", "b"]})
    one, two = (
        [message.body["message_id"] for message in source.receive(100, 0)]
        for source in (scene.source, other)
    )
    assert one == two
    assert len(set(one)) == 6


def test_receive_waits_for_the_next_time_and_returns_its_event() -> None:
    scene = Scene(NOON - timedelta(seconds=5), catch_up=0)
    (message,) = scene.source.receive(10, 60)
    assert message.body["timestamp"] == NOON.isoformat()
    assert scene.clock.now() == NOON
    assert scene.waits == [MAX_WAIT_SECONDS, MAX_WAIT_SECONDS, 1.0]


def test_receive_returns_at_its_timeout_and_reads_the_clock_every_few_seconds() -> None:
    scene = Scene(catch_up=0)
    assert scene.source.receive(10, 7.0) == []
    assert sum(scene.waits) == 7.0
    assert max(scene.waits) == MAX_WAIT_SECONDS
    assert len(scene.waits) == 4


def test_a_wait_without_a_fake_clock_takes_the_time() -> None:
    source = ScheduleSource(**{**PARAMS, "cron": "0 0 29 2 *", "catch_up": 0})
    before = system_time()
    assert source.receive(10, 0.05) == []
    assert system_time() - before >= timedelta(seconds=0.05)


def test_an_interruption_is_caught_up() -> None:
    scene = Scene(catch_up="3h")
    scene.times()
    scene.clock.advance(2 * HOUR)
    assert scene.times() == ["03-02T13:00", "03-02T14:00"]


def test_older_times_are_skipped_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(catch_up="2h")
    scene.times()
    scene.clock.advance(DAY)
    with caplog.at_level(logging.WARNING):
        assert scene.times() == ["03-03T11:00", "03-03T12:00"]
    (record,) = caplog.records
    assert record.getMessage() == (
        "scheduled times skipped, they are older than catch_up: name=n "
        "from=2026-03-02T13:00:00+00:00 to=2026-03-03T10:00:00+00:00"
    )


def test_an_interruption_without_scheduled_times_is_not_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene(cron="0 0 1 1 *", catch_up="2h")
    scene.times()
    scene.clock.advance(30 * DAY)
    assert scene.times() == []
    assert not caplog.records


def test_a_clock_that_jumps_forward_and_back_doubles_and_loses_nothing() -> None:
    scene = Scene(catch_up="3h")
    scene.times()
    scene.clock.advance(2 * HOUR)
    early = scene.times()
    scene.clock.set(NOON + timedelta(minutes=30))
    assert scene.times() == []
    scene.clock.set(NOON + 3 * HOUR)
    assert early + scene.times() == ["03-02T13:00", "03-02T14:00", "03-02T15:00"]


def test_a_clock_that_was_set_years_ahead_and_back_loses_nothing() -> None:
    scene = Scene(catch_up="3h")
    scene.times()
    scene.clock.advance(900 * DAY)
    scene.times()
    scene.clock.set(NOON + HOUR)
    assert scene.times() == ["03-02T11:00", "03-02T12:00", "03-02T13:00"]
    scene.clock.advance(HOUR)
    assert scene.times() == ["03-02T14:00"]


def test_a_clock_change_is_noticed_during_a_wait() -> None:
    scene = Scene(catch_up=0)

    def jump(seconds: float) -> None:
        scene.waits.append(seconds)
        scene.clock.set(NOON + HOUR)

    scene.source.wait = jump
    scene.source.receive(1, 0)
    scene.clock.advance(timedelta(minutes=59))
    scene.source.receive(1, 0)
    (message,) = scene.source.receive(1, 3600)
    assert message.body["timestamp"] == (NOON + HOUR).isoformat()
    assert len(scene.waits) == 1


def test_a_backlog_that_has_begun_is_delivered_however_long_it_takes() -> None:
    scene = Scene(catch_up="3h")
    first = scene.source.receive(1, 0)
    scene.clock.advance(2 * HOUR)
    rest = scene.times()
    assert [first[0].body["timestamp"][5:16], *rest] == [
        f"03-02T{hour}:00" for hour in range(10, 15)
    ]


def test_a_huge_number_of_items_is_delivered_in_batches() -> None:
    items = {"host": [f"h{number}" for number in range(30_000)]}
    scene = Scene(for_each=items, catch_up="1h")
    hosts: list[str] = []
    while messages := scene.source.receive(1000, 0):
        assert len(messages) == 1000
        scene.source.ack(messages)
        hosts += [message.body["host"] for message in messages]
    assert hosts == items["host"]


def test_released_messages_are_delivered_first_and_in_order() -> None:
    scene = Scene(catch_up="4h")
    one, two, three = scene.source.receive(3, 0)
    scene.source.release([three, one])
    scene.source.ack([two])
    again = scene.source.receive(10, 0)
    assert [each.body for each in again[:2]] == [one.body, three.body]
    assert [each.redelivered for each in again] == [True, True, False]


def test_the_gap_in_spring_and_the_repeated_hour_in_autumn_give_one_event_each() -> None:
    params = {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}
    spring = Scene(datetime(2026, 3, 29, 12, tzinfo=UTC), **params)
    assert spring.times() == ["03-29T01:00"]
    autumn = Scene(datetime(2026, 10, 25, 12, tzinfo=UTC), **params)
    assert autumn.times() == ["10-25T00:30"]
