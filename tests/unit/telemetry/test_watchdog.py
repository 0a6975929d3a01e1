"""Watchdog: components that missed their deadline."""

from __future__ import annotations

import pytest

from support.builders.manual_clock import ManualClock
from winchester_core.telemetry import watchdog
from winchester_core.telemetry.watchdog import DEADLINE_SECONDS, Watchdog


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    clock = ManualClock()
    monkeypatch.setattr(watchdog, "monotonic", clock)
    return clock


def test_a_deadline_starts_with_the_first_beat(clock: ManualClock) -> None:
    deadlines = Watchdog()
    deadlines.deadline("a")
    clock.seconds += 10 * DEADLINE_SECONDS
    assert deadlines.overdue() == []


def test_a_component_without_a_beat_is_overdue_until_the_next_one(clock: ManualClock) -> None:
    deadlines = Watchdog()
    first, second = deadlines.deadline("a"), deadlines.deadline("b")
    first.extend()
    second.extend()
    clock.seconds += DEADLINE_SECONDS
    assert deadlines.overdue() == []
    clock.seconds += 1
    assert deadlines.overdue() == ["a", "b"]
    second.extend()
    assert deadlines.overdue() == ["a"]


def test_an_announced_wait_extends_the_deadline(clock: ManualClock) -> None:
    deadlines = Watchdog()
    deadlines.deadline("a").extend(3600)
    clock.seconds += 3600 + DEADLINE_SECONDS
    assert deadlines.overdue() == []
    clock.seconds += 1
    assert deadlines.overdue() == ["a"]


def test_only_a_component_with_a_time_limit_can_be_overdue(
    clock: ManualClock,
) -> None:
    deadlines = Watchdog()
    deadline = deadlines.deadline("a")
    deadline.set(None)
    clock.seconds += 1e9
    assert deadlines.overdue() == []
    deadline.set(5)
    clock.seconds += 6
    assert deadlines.overdue() == ["a"]


def test_an_ended_component_has_no_deadline(clock: ManualClock) -> None:
    deadlines = Watchdog()
    deadline = deadlines.deadline("a")
    deadline.extend()
    deadline.clear()
    deadline.clear()
    clock.seconds += 10 * DEADLINE_SECONDS
    assert deadlines.overdue() == []


def test_each_retry_is_a_beat(clock: ManualClock) -> None:
    deadlines = Watchdog()
    action = deadlines.deadline("a").extend_before(lambda: "done")
    for _ in range(3):
        clock.seconds += 10 * DEADLINE_SECONDS
        assert action() == "done"
        assert deadlines.overdue() == []


def test_a_group_is_overdue_when_all_its_threads_are(clock: ManualClock) -> None:
    dog = Watchdog()
    group = dog.group("threads")
    first, second = group.member(), group.member()
    first(5)
    second(10)
    clock.advance(6)
    assert dog.overdue() == []
    clock.advance(5)
    assert dog.overdue() == ["threads"]
    first(None)
    assert dog.overdue() == []


def test_a_thread_of_a_cleared_group_affects_no_others(clock: ManualClock) -> None:
    dog = Watchdog()
    group = dog.group("threads")
    hanging = group.member()
    hanging(5)
    group.clear()
    hanging(None)
    hanging(5)
    clock.advance(6)
    assert dog.overdue() == []
    group.member()(5)
    hanging(None)
    clock.advance(6)
    assert dog.overdue() == ["threads"]
