"""`TimeStamp` and `TimeRange`: membership and normalization."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone

import pytest

from winchester_core.model.time_range import TimeRange, TimeStamp

NOON = datetime(2015, 3, 17, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
INSTANT = timedelta(microseconds=1)
EAST = timezone(timedelta(hours=5))


def test_a_time_stamp_contains_only_equal_times() -> None:
    stamp = TimeStamp(NOON)
    assert NOON in stamp
    assert NOON.astimezone(EAST) in stamp
    assert NOON.replace(tzinfo=None) in stamp
    assert NOON + INSTANT not in stamp
    assert (stamp.begin, stamp.end, stamp.timestamp) == (NOON, NOON, NOON)


def test_a_range_contains_its_beginning_and_not_its_end() -> None:
    hour = TimeRange(NOON, NOON + HOUR)
    assert NOON in hour
    assert NOON + HOUR - INSTANT in hour
    assert NOON.replace(tzinfo=None) in hour
    assert NOON.astimezone(EAST) in hour
    assert NOON - INSTANT not in hour
    assert NOON + HOUR not in hour
    assert hour.timestamp == hour.begin == NOON


@pytest.mark.parametrize("end", [NOON, NOON - HOUR])
def test_an_empty_range_contains_nothing(end: datetime) -> None:
    empty = TimeRange(NOON, end)
    assert NOON not in empty
    assert end not in empty


@pytest.mark.parametrize("other", [None, "2015-03-17", 5])
def test_a_value_that_is_not_a_datetime_is_in_neither(other: object) -> None:
    assert other not in TimeStamp(NOON)
    assert other not in TimeRange(NOON, NOON + HOUR)


def test_both_are_truthy() -> None:
    assert bool(TimeStamp(NOON)) is True
    assert bool(TimeRange(NOON, NOON)) is True


def test_both_convert_to_utc_and_read_naive_times_as_utc() -> None:
    naive, zoned = NOON.replace(tzinfo=None), NOON.astimezone(EAST)
    assert TimeStamp(naive).timestamp.tzinfo is UTC
    assert TimeRange(zoned, naive) == TimeRange(NOON, NOON)
    assert TimeRange(zoned, naive).begin.tzinfo is UTC
    assert TimeRange(NOON, naive).end.tzinfo is UTC


@pytest.mark.parametrize("beyond", [datetime(999, 12, 31, tzinfo=UTC), datetime(999, 12, 31)])
def test_neither_accepts_years_before_1000(beyond: datetime) -> None:
    with pytest.raises(ValueError, match="outside the years 1000-9999"):
        TimeStamp(beyond)
    with pytest.raises(ValueError, match="outside the years 1000-9999"):
        TimeRange(beyond, NOON)
    with pytest.raises(ValueError, match="outside the years 1000-9999"):
        TimeRange(NOON, beyond)


def test_both_compare_and_hash_by_value() -> None:
    assert len({TimeStamp(NOON), TimeStamp(NOON.astimezone(EAST))}) == 1
    assert len({TimeRange(NOON, NOON + HOUR), TimeRange(NOON, NOON + HOUR)}) == 1
    with pytest.raises(FrozenInstanceError):
        TimeStamp(NOON).timestamp = NOON  # type: ignore[misc]
