from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from winchester_core.testing.builders import DEFAULT_START, FakeClock


def test_time_stands_still() -> None:
    clock = FakeClock()
    assert clock.now() == clock.now() == DEFAULT_START


def test_time_advances_by_a_step_and_back() -> None:
    clock = FakeClock()
    assert clock.advance(timedelta(hours=1)) == DEFAULT_START + timedelta(hours=1)
    assert clock.advance(-timedelta(hours=2)) == clock.now() == DEFAULT_START - timedelta(hours=1)


def test_time_can_be_set_in_any_zone_and_is_utc() -> None:
    clock = FakeClock()
    clock.set(datetime(2024, 3, 1, 12, tzinfo=timezone(timedelta(hours=2))))
    assert clock.now() == datetime(2024, 3, 1, 10, tzinfo=UTC)
    assert clock.now().tzinfo is UTC


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        FakeClock(datetime(2024, 1, 1))
