"""Time expressions in local time: exact instants at the changes of the clock."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from winchester_core.errors import TimeEvaluationError
from winchester_core.model.time_range import TimeRange, TimeStamp
from winchester_core.timex import parse
from winchester_core.timex.expression import EARLIEST_TIME, LATEST_TIME

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
LORD_HOWE = "Australia/Lord_Howe"  # half an hour of summer time
APIA = "Pacific/Apia"  # no 30 December 2011
SAO_PAULO = "America/Sao_Paulo"  # in 2018 the clock was changed at midnight
ST_JOHNS = "America/St_Johns"  # in 2009 the clock was put back from 00:01 to 23:01


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def range_at(zone: str, expression: str, time: str) -> tuple[datetime, datetime]:
    value = parse(expression, ZoneInfo(zone))(timestamp=at(time))
    assert isinstance(value, TimeRange)
    assert (value.begin.tzinfo, value.end.tzinfo) == (UTC, UTC)
    return value.begin, value.end


@pytest.mark.parametrize(
    ("zone", "time", "begin", "end"),
    [
        (BERLIN, "2024-01-15 12:00", "2024-01-14 23:00", "2024-01-15 23:00"),
        (BERLIN, "2024-03-31 12:00", "2024-03-30 23:00", "2024-03-31 22:00"),
        (BERLIN, "2024-10-27 12:00", "2024-10-26 22:00", "2024-10-27 23:00"),
        (BERLIN, "2024-10-27 22:59:59.999999", "2024-10-26 22:00", "2024-10-27 23:00"),
        (BERLIN, "2024-10-27 23:00", "2024-10-27 23:00", "2024-10-28 23:00"),
        (NEW_YORK, "2024-03-10 12:00", "2024-03-10 05:00", "2024-03-11 04:00"),
        (NEW_YORK, "2024-11-03 12:00", "2024-11-03 04:00", "2024-11-04 05:00"),
        (LORD_HOWE, "2024-04-06 20:00", "2024-04-06 13:00", "2024-04-07 13:30"),
        (LORD_HOWE, "2024-10-05 20:00", "2024-10-05 13:30", "2024-10-06 13:00"),
        (APIA, "2011-12-30 09:59", "2011-12-29 10:00", "2011-12-30 10:00"),
        (APIA, "2011-12-30 10:00", "2011-12-30 10:00", "2011-12-31 10:00"),
        (SAO_PAULO, "2018-11-04 02:59", "2018-11-03 03:00", "2018-11-04 03:00"),
        (SAO_PAULO, "2018-11-04 03:00", "2018-11-04 03:00", "2018-11-05 02:00"),
        (SAO_PAULO, "2018-02-18 02:30", "2018-02-17 02:00", "2018-02-18 03:00"),
        (ST_JOHNS, "2009-11-01 02:30:30", "2009-11-01 02:30", "2009-11-02 03:30"),
        (ST_JOHNS, "2009-11-01 03:29", "2009-11-01 02:30", "2009-11-02 03:30"),
        ("Asia/Kathmandu", "2024-01-15 18:14", "2024-01-14 18:15", "2024-01-15 18:15"),
        ("Africa/Casablanca", "2024-03-10 12:00", "2024-03-09 23:00", "2024-03-11 00:00"),
    ],
)
def test_a_day_is_from_local_midnight_to_local_midnight(
    zone: str, time: str, begin: str, end: str
) -> None:
    assert range_at(zone, "day", time) == (at(begin), at(end))


@pytest.mark.parametrize(
    ("zone", "time", "begin", "end"),
    [
        (BERLIN, "2024-03-31 00:59", "2024-03-31 00:00", "2024-03-31 01:00"),
        (BERLIN, "2024-03-31 01:00", "2024-03-31 01:00", "2024-03-31 02:00"),
        (BERLIN, "2024-10-27 00:30", "2024-10-27 00:00", "2024-10-27 01:00"),
        (BERLIN, "2024-10-27 01:30", "2024-10-27 01:00", "2024-10-27 02:00"),
        (NEW_YORK, "2024-11-03 05:30", "2024-11-03 05:00", "2024-11-03 06:00"),
        (NEW_YORK, "2024-11-03 06:30", "2024-11-03 06:00", "2024-11-03 07:00"),
        ("Asia/Kathmandu", "2024-01-15 12:14", "2024-01-15 11:15", "2024-01-15 12:15"),
        (ST_JOHNS, "2009-11-01 02:30:30", "2009-11-01 02:30", "2009-11-01 03:30"),
        (ST_JOHNS, "2009-11-01 03:00", "2009-11-01 02:30", "2009-11-01 03:30"),
        # a change by half an hour cuts an hour short
        (LORD_HOWE, "2024-04-06 14:45", "2024-04-06 14:00", "2024-04-06 15:00"),
        (LORD_HOWE, "2024-04-06 15:10", "2024-04-06 15:00", "2024-04-06 15:30"),
        (LORD_HOWE, "2024-04-06 15:30", "2024-04-06 15:30", "2024-04-06 16:30"),
        (LORD_HOWE, "2024-10-05 15:29", "2024-10-05 14:30", "2024-10-05 15:30"),
        (LORD_HOWE, "2024-10-05 15:30", "2024-10-05 15:30", "2024-10-05 16:00"),
        (LORD_HOWE, "2024-10-05 16:00", "2024-10-05 16:00", "2024-10-05 17:00"),
    ],
)
def test_an_hour_is_an_hour_of_real_time_on_the_local_clock(
    zone: str, time: str, begin: str, end: str
) -> None:
    assert range_at(zone, "hour", time) == (at(begin), at(end))


@pytest.mark.parametrize(
    ("zone", "expression", "time", "begin", "end"),
    [
        (BERLIN, "month", "2024-03-31 21:59", "2024-02-29 23:00", "2024-03-31 22:00"),
        (BERLIN, "year", "2024-12-31 23:30", "2024-12-31 23:00", "2025-12-31 23:00"),
        (APIA, "month", "2011-12-30 12:00", "2011-12-01 10:00", "2011-12-31 10:00"),
        (ST_JOHNS, "month", "2009-11-01 03:00", "2009-11-01 02:30", "2009-12-01 03:30"),
        (BERLIN, "day @ 6h", "2024-03-31 12:00", "2024-03-31 04:00", "2024-04-01 04:00"),
        (BERLIN, "day @ 2h 30m", "2024-03-31 12:00", "2024-03-31 01:00", "2024-04-01 00:30"),
        (BERLIN, "day @ 2h 30m", "2024-10-27 00:30", "2024-10-27 00:30", "2024-10-28 01:30"),
        (BERLIN, "day + 6h", "2024-03-31 12:00", "2024-03-31 05:00", "2024-04-01 04:00"),
        (BERLIN, "day + 6h", "2024-04-01 03:59", "2024-03-31 05:00", "2024-04-01 04:00"),
        (BERLIN, "month @ 31d", "2024-03-31 12:00", "2024-03-30 23:00", "2024-04-29 22:00"),
        (BERLIN, "hour + 30m", "2024-10-27 00:59", "2024-10-27 00:30", "2024-10-27 01:30"),
        (BERLIN, "hour @ 15m", "2024-10-27 01:20", "2024-10-27 01:15", "2024-10-27 02:15"),
        (SAO_PAULO, "day @ 30m", "2018-11-04 12:00", "2018-11-04 03:00", "2018-11-05 02:30"),
        # moved by steps of the calendar, then by real time
        (BERLIN, "day + 1d", "2024-03-30 12:00", "2024-03-30 23:00", "2024-03-31 22:00"),
        (BERLIN, "day - 1d", "2024-10-28 12:00", "2024-10-26 22:00", "2024-10-27 23:00"),
        (BERLIN, "day + 1d 6h", "2024-03-30 12:00", "2024-03-31 05:00", "2024-04-01 04:00"),
        (BERLIN, "day + 1mo", "2024-01-31 12:00", "2024-02-28 23:00", "2024-02-29 23:00"),
        (BERLIN, "day @ 27d", "2024-10-03 12:00", "2024-10-26 22:00", "2024-10-27 23:00"),
        (BERLIN, "month + 1mo", "2024-02-10 12:00", "2024-02-29 23:00", "2024-03-31 22:00"),
        (BERLIN, "month @ 3mo", "2024-10-10 12:00", "2024-02-29 23:00", "2024-03-31 22:00"),
        (BERLIN, "hour + 1h", "2024-10-27 00:20", "2024-10-27 01:00", "2024-10-27 02:00"),
        (BERLIN, "hour + 1d", "2024-03-30 01:20", "2024-03-31 01:00", "2024-03-31 02:00"),
        (BERLIN, "hour @ 2h", "2024-10-27 12:00", "2024-10-27 00:00", "2024-10-27 01:00"),
        (SAO_PAULO, "day + 1d", "2018-11-03 12:00", "2018-11-04 03:00", "2018-11-05 02:00"),
        (SAO_PAULO, "day + 1d", "2018-11-04 12:00", "2018-11-05 02:00", "2018-11-06 02:00"),
        (SAO_PAULO, "day - 1d", "2018-11-04 12:00", "2018-11-03 03:00", "2018-11-04 03:00"),
        (APIA, "day + 1d", "2011-12-30 09:00", "2011-12-30 10:00", "2011-12-30 10:00"),
        (APIA, "day + 2d", "2011-12-30 09:00", "2011-12-30 10:00", "2011-12-31 10:00"),
        (LORD_HOWE, "hour + 1h", "2024-04-06 15:10", "2024-04-06 15:30", "2024-04-06 16:30"),
        (LORD_HOWE, "hour + 1d", "2024-10-05 15:40", "2024-10-06 15:00", "2024-10-06 16:00"),
        # up to the ends of the calendar
        (NEW_YORK, "day", "9999-12-31 03:00", "9999-12-30 05:00", "9999-12-31 05:00"),
        ("Asia/Tokyo", "hour", "9999-12-31 20:30", "9999-12-31 20:00", "9999-12-31 21:00"),
        ("Asia/Tokyo", "day @ 6h", "9999-12-31 20:00", "9999-12-30 21:00", "9999-12-31 21:00"),
        (BERLIN, "month - 5d", "9999-12-20", "9999-11-25 23:00", "9999-12-26 23:00"),
    ],
)
def test_anchored_and_moved_ranges_follow_the_local_calendar(
    zone: str, expression: str, time: str, begin: str, end: str
) -> None:
    assert range_at(zone, expression, time) == (at(begin), at(end))


@pytest.mark.parametrize(
    ("zone", "expression", "time", "value"),
    [
        (BERLIN, "$t + 1d", "2024-03-30 12:00", "2024-03-31 11:00"),
        (BERLIN, "$t + 24h", "2024-03-30 12:00", "2024-03-31 12:00"),
        (BERLIN, "$t + 1d 1h", "2024-03-30 12:00", "2024-03-31 12:00"),
        (BERLIN, "$t - 1mo", "2024-04-15 10:00", "2024-03-15 11:00"),
        (BERLIN, "$t + 1y", "2024-02-29 12:00", "2025-02-28 12:00"),
        # in the gap from 02:00 to 03:00
        (BERLIN, "$t + 1d", "2024-03-30 01:30", "2024-03-31 01:00"),
        (BERLIN, "$t + 1d 30m", "2024-03-30 01:30", "2024-03-31 01:30"),
        (BERLIN, "$t @ 2h 30m", "2024-03-31 12:00", "2024-03-31 01:00"),
        # from 02:00 to 03:00 twice
        (BERLIN, "$t + 1d", "2024-10-26 00:30", "2024-10-27 00:30"),
        (BERLIN, "$t - 1d", "2024-10-28 01:30", "2024-10-27 00:30"),
        (BERLIN, "$t @ 2h 30m", "2024-10-27 12:30", "2024-10-27 00:30"),
        (BERLIN, "$t + 0d", "2024-10-27 01:30", "2024-10-27 01:30"),
        (BERLIN, "$t + 1h", "2024-10-27 00:30", "2024-10-27 01:30"),
        # the calendar first, then real time
        (BERLIN, "$t + 1mo 13h", "2023-01-31 23:30", "2023-03-01 12:30"),
        (BERLIN, "$t + 1d + 1d", "2024-03-30 01:30", "2024-04-01 00:30"),
        (NEW_YORK, "($t + 1d) @ 9h 0m", "2024-03-09 20:15", "2024-03-10 13:00"),
        (LORD_HOWE, "$t + 1d", "2024-10-04 15:40", "2024-10-05 15:30"),
        (APIA, "$t + 1d", "2011-12-30 09:30", "2011-12-30 10:00"),
        (APIA, "$t + 2d", "2011-12-30 09:30", "2011-12-31 09:30"),
        (SAO_PAULO, "$t @ 0h 0m", "2018-11-04 12:30", "2018-11-04 03:00"),
    ],
)
def test_calendar_units_are_local_and_clock_units_are_real_time(
    zone: str, expression: str, time: str, value: str
) -> None:
    assert parse(expression, ZoneInfo(zone))(t=at(time)) == TimeStamp(at(value))


@pytest.mark.parametrize(
    ("expression", "time", "begin", "end"),
    [
        # from midnight to midnight is a day, and the number means hours, though it has 23 of them
        ("($t to $t + 1d) + 2", "2024-03-30 23:00", "2024-03-31 01:00", "2024-04-01 00:00"),
        ("($t to $t + 23h) + 2", "2024-03-30 23:00", "2024-03-31 01:00", "2024-04-01 00:00"),
        ("($t to $t + 23h) + 2", "2024-05-30 22:00", "2024-05-30 22:02", "2024-05-31 21:02"),
        ("($t to $t + 24h) + 2", "2024-10-26 22:00", "2024-10-26 22:02", "2024-10-27 22:02"),
        ("($t to $t + 1h) + 2", "2024-10-27 00:30", "2024-10-27 00:32", "2024-10-27 01:32"),
    ],
)
def test_the_unit_of_a_number_depends_on_the_length_on_the_local_calendar(
    expression: str, time: str, begin: str, end: str
) -> None:
    value = parse(expression, ZoneInfo(BERLIN))(t=at(time))
    assert (value.begin, value.end) == (at(begin), at(end))


LARGE = "9" * 900


@pytest.mark.parametrize("zone", [NEW_YORK, "Asia/Tokyo"])
@pytest.mark.parametrize(
    ("expression", "time", "clamp"),
    [
        ("day", "9999-12-31 20:00", LATEST_TIME),
        ("month", "1000-01-01 02:00", EARLIEST_TIME),
        ("$timestamp + 9000y", "2015-03-17 00:30", LATEST_TIME),
        ("$timestamp - 1100y", "2015-03-17 00:30", EARLIEST_TIME),
        (f"$timestamp + {LARGE}d", "2015-03-17 00:30", LATEST_TIME),
        (f"$timestamp - {LARGE}d 1h", "2015-03-17 00:30", EARLIEST_TIME),
        (f"day - {LARGE}d", "2015-03-17 00:30", EARLIEST_TIME),
        ("$timestamp @ 9999y 12mo 31d 23h + 1d", "2015-03-17 00:30", LATEST_TIME),
    ],
)
def test_a_result_in_a_zone_outside_years_1000_to_9999_has_a_nearest_value_only(
    zone: str, expression: str, time: str, clamp: datetime
) -> None:
    with pytest.raises(TimeEvaluationError, match="the years 1000-9999") as raised:
        parse(expression, ZoneInfo(zone))(timestamp=at(time))
    assert raised.value.clamp == clamp


@pytest.mark.parametrize("expression", ["$t @ 0h", "day($t)", "month($t) + 5d", "hour($t) - 30m"])
@pytest.mark.parametrize(
    ("zone", "moment"),
    [(NEW_YORK, datetime(1, 1, 1)), ("Asia/Tokyo", datetime(9999, 12, 31, 23, 59, 59, 999_999))],
)
def test_a_local_time_that_cannot_be_represented_is_outside_the_years(
    zone: str, moment: datetime, expression: str
) -> None:
    with pytest.raises(TimeEvaluationError, match="the years 1000-9999"):
        parse(expression, ZoneInfo(zone))(t=moment)


@pytest.mark.parametrize("unit", ["h", "us", "d"])
@pytest.mark.parametrize("range_", ["month", "year"])
def test_a_large_number_of_short_units_wraps_around(range_: str, unit: str) -> None:
    for sign in "+-":
        begin, end = range_at(BERLIN, f"{range_} {sign} {10**40}{unit}", "2015-03-17 14:20")
        assert begin <= at("2015-03-17 14:20") < end
        assert end - begin <= timedelta(days=367)


def test_a_fixed_offset_is_a_zone() -> None:
    expression = parse("day", timezone(timedelta(hours=5, minutes=30)))
    assert expression(timestamp=at("2024-01-15 18:29")).begin == at("2024-01-14 18:30")


def test_a_variable_of_any_zone_is_evaluated_in_the_zone_of_the_expression() -> None:
    moment = datetime(2024, 3, 31, 9, tzinfo=ZoneInfo(NEW_YORK))
    assert parse("day", ZoneInfo(BERLIN))(timestamp=moment).begin == at("2024-03-30 23:00")
    naive_utc = datetime(2024, 3, 30, 23)
    assert parse("day", ZoneInfo(BERLIN))(timestamp=naive_utc).begin == at("2024-03-30 23:00")


def test_the_second_of_two_times_is_not_confused_with_the_first() -> None:
    second = datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo(BERLIN), fold=1)
    assert parse("$t + 1d", ZoneInfo(BERLIN))(t=second).timestamp == at("2024-10-28 01:30")
    assert parse("hour($t)", ZoneInfo(BERLIN))(t=second).begin == at("2024-10-27 01:00")


def test_expressions_of_different_zones_are_different() -> None:
    berlin = parse("day", ZoneInfo(BERLIN))
    assert berlin == parse("day", ZoneInfo(BERLIN))
    assert len({berlin, parse("day", ZoneInfo(NEW_YORK)), parse("day")}) == 3
    assert (berlin.zone, parse("day").zone) == (ZoneInfo(BERLIN), UTC)


def test_a_pickled_expression_keeps_its_zone() -> None:
    expression = parse("day", ZoneInfo(BERLIN))
    twin = pickle.loads(pickle.dumps(expression))
    assert twin == expression
    assert twin(timestamp=at("2024-03-31")).begin == at("2024-03-30 23:00")
