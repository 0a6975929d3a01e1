"""Watchdog: components that missed their deadline."""

from __future__ import annotations

import pytest

from winchester_core.telemetry import watchdog
from winchester_core.telemetry.watchdog import DEADLINE_SECONDS, Watchdog


class Hands:
    """A clock controlled by the test."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    hands = Hands()
    monkeypatch.setattr(watchdog, "monotonic", hands)
    return hands


def test_a_deadline_starts_with_the_first_beat(hands: Hands) -> None:
    beats = Watchdog()
    beats.deadline("a")
    hands.seconds += 10 * DEADLINE_SECONDS
    assert beats.overdue() == []


def test_a_component_without_a_beat_is_overdue_until_the_next_one(hands: Hands) -> None:
    beats = Watchdog()
    first, second = beats.deadline("a"), beats.deadline("b")
    first.extend()
    second.extend()
    hands.seconds += DEADLINE_SECONDS
    assert beats.overdue() == []
    hands.seconds += 1
    assert beats.overdue() == ["a", "b"]
    second.extend()
    assert beats.overdue() == ["a"]


def test_an_announced_wait_extends_the_deadline(hands: Hands) -> None:
    beats = Watchdog()
    beats.deadline("a").extend(3600)
    hands.seconds += 3600 + DEADLINE_SECONDS
    assert beats.overdue() == []
    hands.seconds += 1
    assert beats.overdue() == ["a"]


def test_only_a_component_with_a_time_limit_can_be_overdue(
    hands: Hands,
) -> None:
    beats = Watchdog()
    deadline = beats.deadline("a")
    deadline.set(None)
    hands.seconds += 1e9
    assert beats.overdue() == []
    deadline.set(5)
    hands.seconds += 6
    assert beats.overdue() == ["a"]


def test_an_ended_component_has_no_deadline(hands: Hands) -> None:
    beats = Watchdog()
    deadline = beats.deadline("a")
    deadline.extend()
    deadline.clear()
    deadline.clear()
    hands.seconds += 10 * DEADLINE_SECONDS
    assert beats.overdue() == []


def test_each_retry_is_a_beat(hands: Hands) -> None:
    beats = Watchdog()
    action = beats.deadline("a").extend_before(lambda: "done")
    for _ in range(3):
        hands.seconds += 10 * DEADLINE_SECONDS
        assert action() == "done"
        assert beats.overdue() == []
