"""Times on the command line: absolute ones, and durations from now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from winchester_core.inspection.values import (
    duration_text,
    iso_text,
    parse_time,
    parse_time_after,
    parse_time_before,
    to_json_value,
)
from winchester_core.model.time_range import TimeRange
from winchester_core.service.exit import UsageError

NOW = datetime(2015, 3, 31, 12, tzinfo=UTC)


def _now() -> datetime:
    return NOW


def _unused_clock() -> datetime:
    raise AssertionError("the time is asked for, and not needed")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1d", datetime(2015, 3, 30, 12, tzinfo=UTC)),
        ("2h30m", datetime(2015, 3, 31, 9, 30, tzinfo=UTC)),
        ("1mo", datetime(2015, 2, 28, 12, tzinfo=UTC)),
        ("1y 1mo 1h 1m 1s 1us", datetime(2014, 2, 28, 10, 58, 58, 999_999, tzinfo=UTC)),
    ],
)
def test_a_past_duration_counts_back_from_now_by_the_calendar(
    text: str, expected: datetime
) -> None:
    assert parse_time_before(text, _now) == expected


def test_a_future_duration_counts_ahead() -> None:
    assert parse_time_after("1h30m", _now) == NOW + timedelta(hours=1, minutes=30)


def test_an_absolute_time_without_offset_is_utc() -> None:
    for read in (parse_time_before, parse_time_after):
        assert read("2015-01-20", _unused_clock) == datetime(2015, 1, 20, tzinfo=UTC)
    assert parse_time("2015-01-20T18:00:00+01:00") == datetime(2015, 1, 20, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "soon", "1", "1x", "1d + 2h", "-1d", "2015-13-01", "0900-01-01"]
)
def test_any_other_text_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        parse_time_before(text, _now)
    with pytest.raises(UsageError):
        parse_time(text)


def test_a_duration_beyond_the_calendar_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="9000y"):
        parse_time_after("9000y", _now)


def test_times_are_printed_with_the_utc_offset() -> None:
    moment = datetime(2015, 1, 20, 18, tzinfo=timezone(timedelta(hours=1)))
    assert iso_text(moment) == "2015-01-20T17:00:00+00:00"
    assert iso_text(None) is None
    day = TimeRange(datetime(2015, 1, 20), datetime(2015, 1, 21))
    assert to_json_value(day) == ["2015-01-20T00:00:00+00:00", "2015-01-21T00:00:00+00:00"]
    assert to_json_value("text") == "text"


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(microseconds=5), "0s"),
        (timedelta(seconds=59.9), "59s"),
        (timedelta(minutes=5, seconds=3), "5m 3s"),
        (timedelta(hours=2), "2h"),
        (timedelta(days=2, hours=3, minutes=59), "2d 3h"),
        (timedelta(days=2, minutes=59), "2d"),
        (timedelta(days=-400, seconds=1), "399d 23h"),
    ],
)
def test_a_duration_is_printed_in_its_two_largest_units(length: timedelta, text: str) -> None:
    assert duration_text(length) == text


def test_times_within_data_are_printed_as_text() -> None:
    day = TimeRange(NOW, NOW + timedelta(days=1))
    assert to_json_value({"a": [NOW, {"b": day}], 1: NOW.date()}) == {
        "a": ["2015-03-31T12:00:00+00:00", {"b": [iso_text(day.begin), iso_text(day.end)]}],
        "1": "2015-03-31",
    }
