"""The due range of times, by a clock that may jump."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from winchester_core.sources.schedule.position import (
    MIN_INTERRUPTION,
    DueRange,
    SchedulePosition,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)


def test_the_start_catches_up() -> None:
    position = SchedulePosition(DAY)
    assert position.advance(NOON) == DueRange(NOON - DAY, NOON)
    assert position.advance(NOON + SECOND) == DueRange(NOON, NOON + SECOND)


def test_without_catching_up_only_later_times_are_due() -> None:
    position = SchedulePosition(timedelta())
    assert position.advance(NOON) == DueRange(NOON, NOON)
    later = NOON + MIN_INTERRUPTION
    assert position.advance(later) == DueRange(NOON, later)


def test_an_interruption_up_to_the_limit_is_caught_up() -> None:
    position = SchedulePosition(DAY)
    position.advance(NOON)
    assert position.advance(NOON + DAY) == DueRange(NOON, NOON + DAY)


def test_older_times_are_skipped_and_reported() -> None:
    position = SchedulePosition(DAY)
    position.advance(NOON)
    late = NOON + DAY + HOUR
    assert position.advance(late) == DueRange(NOON + HOUR, late, skipped_after=NOON)


def test_nothing_is_due_until_a_clock_that_was_set_back_has_passed_the_position() -> None:
    position = SchedulePosition(DAY)
    position.advance(NOON)
    reached = NOON + 3 * HOUR
    position.advance(reached)
    for back in (NOON, NOON + HOUR, reached):
        assert position.advance(back) == DueRange(reached, reached)
    assert position.advance(reached + SECOND) == DueRange(reached, reached + SECOND)


def test_a_clock_that_was_ahead_at_the_start_begins_again() -> None:
    position = SchedulePosition(DAY)
    position.advance(NOON + 365 * DAY)
    assert position.advance(NOON) == DueRange(NOON - DAY, NOON)


def test_times_skipped_by_a_clock_that_was_far_ahead_are_due_when_it_is_back() -> None:
    position = SchedulePosition(DAY)
    position.advance(NOON)
    ahead = position.advance(NOON + 365 * DAY)
    assert ahead.skipped_after == NOON
    assert position.advance(NOON + HOUR) == DueRange(NOON + HOUR - DAY, NOON + HOUR)


@given(
    catch_up=st.integers(1, 60),
    clock=st.lists(st.integers(0, 300), min_size=1, max_size=30),
    steps=st.integers(1, 100),
)
def test_whatever_the_clock_does_no_time_within_the_catch_up_is_lost(
    catch_up: int, clock: list[int], steps: int
) -> None:
    """After any jumps, everything in the last `catch_up` minutes has been due, up to the clock."""
    position = SchedulePosition(timedelta(minutes=catch_up))
    due: set[int] = set()
    end = clock[-1] + steps
    for minute in [*clock, *range(clock[-1], end + 1)]:
        found = position.advance(NOON + timedelta(minutes=minute))
        first, last = ((each - NOON) // timedelta(minutes=1) for each in (found.after, found.until))
        due.update(range(first + 1, last + 1))
        assert due >= set(range(minute - catch_up + 1, minute + 1))
