"""The current time ("now") for each event, on either clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from winchester_core.clock import EventTime, FixedTime, compute_batch_times

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


def hours(*numbers: int) -> list[datetime]:
    return [NOON + timedelta(hours=number) for number in numbers]


def test_with_a_fixed_time_every_event_arrives_at_it() -> None:
    times = compute_batch_times(FixedTime(NOON), None, hours(1, 2))
    assert times.arrival_times == (NOON, NOON)
    assert times.end is None


def test_on_the_event_clock_now_is_the_latest_timestamp_so_far() -> None:
    times = compute_batch_times(EventTime(), NOON, hours(-1, 2, 1, 3))
    assert list(times.arrival_times) == hours(0, 2, 2, 3)
    assert times.end == hours(3)[0]


def test_the_first_event_ever_sets_the_clock_to_any_time() -> None:
    times = compute_batch_times(EventTime(timedelta(days=1)), None, hours(0, 48, 1))
    assert list(times.arrival_times) == hours(0, 0, 1)
    assert times.refused == (1,)


def test_a_jump_of_exactly_the_maximum_moves_the_clock() -> None:
    times = compute_batch_times(EventTime(timedelta(hours=2)), NOON, hours(2))
    assert times.end == hours(2)[0]
    assert times.refused == ()


def test_events_created_by_handlers_never_move_the_clock() -> None:
    times = compute_batch_times(EventTime(advances=False), NOON, hours(5, 1))
    assert times.arrival_times == (NOON, NOON)
    assert times.end == NOON
