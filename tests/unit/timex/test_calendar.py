"""Anchored hours, days, months and years: how they wrap around, and what shifts them."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta

import pytest

from winchester_core.model.time_range import TimeRange
from winchester_core.timex import parse

DAY = timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ends(expression: str, time: str) -> tuple[datetime, datetime]:
    value = parse(expression)(timestamp=at(time))
    assert isinstance(value, TimeRange)
    return value.begin, value.end


@pytest.mark.parametrize(
    ("expression", "time", "begin", "end"),
    [
        ("hour", "2015-03-17 14:20", "2015-03-17 14:00", "2015-03-17 15:00"),
        ("hour + 30m", "2015-03-17 14:20", "2015-03-17 13:30", "2015-03-17 14:30"),
        ("hour @ 15", "2015-03-17 14:20", "2015-03-17 14:15", "2015-03-17 15:15"),
        ("day", "2015-03-17 00:00", "2015-03-17", "2015-03-18"),
        ("day + 6h", "2015-03-17 06:00", "2015-03-17 06:00", "2015-03-18 06:00"),
        ("day + 6h", "2015-03-17 05:59:59.999999", "2015-03-16 06:00", "2015-03-17 06:00"),
        ("day - 6h", "2015-03-17 19:00", "2015-03-17 18:00", "2015-03-18 18:00"),
        ("day + 30h", "2015-03-17 14:20", "2015-03-17 06:00", "2015-03-18 06:00"),
        ("day + 24h", "2015-03-17 14:20", "2015-03-17", "2015-03-18"),
        ("day + 6h @ 30m", "2015-03-17 14:20", "2015-03-17 06:30", "2015-03-18 06:30"),
        ("month", "2016-02-29 23:59", "2016-02-01", "2016-03-01"),
        ("month @ 15d", "2015-03-14", "2015-02-15", "2015-03-15"),
        ("month @ 31d", "2015-02-10", "2015-01-31", "2015-02-28"),
        ("month + 29d", "2015-03-01", "2015-01-30", "2015-03-02"),
        ("month - 1d", "2015-03-31 12:00", "2015-03-31", "2015-04-30"),
        ("month + 5", "2015-03-03", "2015-02-06", "2015-03-06"),
        ("year", "2015-12-31 23:59", "2015-01-01", "2016-01-01"),
        ("year + 3mo", "2015-03-31", "2014-04-01", "2015-04-01"),
        ("year - 1mo", "2015-12-15", "2015-12-01", "2016-12-01"),
        ("year @ 2mo 29d", "2015-02-28", "2015-02-28", "2016-02-29"),
        ("year + 12mo", "2016-07-01", "2016-01-01", "2017-01-01"),
    ],
)
def test_shorter_units_wrap_around(expression: str, time: str, begin: str, end: str) -> None:
    assert ends(expression, time) == (at(begin), at(end))


@pytest.mark.parametrize(
    ("expression", "begin", "end"),
    [
        ("day + 1d", "2015-03-18", "2015-03-19"),
        ("day - 7d", "2015-03-10", "2015-03-11"),
        ("day + 1d 6h", "2015-03-18 06:00", "2015-03-19 06:00"),
        ("day + 6h + 1d", "2015-03-18 06:00", "2015-03-19 06:00"),
        ("day + 1d + 20h", "2015-03-18 20:00", "2015-03-19 20:00"),
        ("hour + 1h", "2015-03-17 15:00", "2015-03-17 16:00"),
        ("month + 1mo", "2015-04-01", "2015-05-01"),
        ("month - 1mo", "2015-02-01", "2015-03-01"),
        ("year - 1y", "2014-01-01", "2015-01-01"),
        ("day @ 31d", "2015-03-31", "2015-04-01"),
        ("day @ 2mo 29d", "2015-02-28", "2015-03-01"),
        ("hour @ 0h", "2015-03-17 00:00", "2015-03-17 01:00"),
        ("month @ 2mo", "2015-02-01", "2015-03-01"),
        ("year @ 2020y", "2020-01-01", "2021-01-01"),
    ],
)
def test_an_own_or_longer_unit_shifts_the_range(expression: str, begin: str, end: str) -> None:
    assert ends(expression, "2015-03-17 14:20") == (at(begin), at(end))


def test_a_zero_of_its_own_unit_keeps_the_range_anchored() -> None:
    assert ends("day + 0d 20h", "2015-03-17 14:20") == (at("2015-03-16 20:00"), at("2015-03-17 20"))
    assert ends("day + 0y", "2015-03-17 14:20") == ends("day", "2015-03-17 14:20")


@pytest.mark.parametrize(
    "expression",
    [
        "hour + 50m",
        "day @ 6h 30m",
        "month + 29d",
        "month + 31d 5h",
        "month @ 31d",
        "year @ 2mo 29d",
        "year + 1mo 30d",
    ],
)
def test_the_ranges_of_one_expression_partition_time(expression: str) -> None:
    step = timedelta(hours=7) if expression.startswith("hour") else timedelta(days=5, hours=7)
    time = at("2015-01-03 01:02")
    parsed = parse(expression)
    for _ in range(300):
        value = parsed(timestamp=time)
        assert time in value
        assert parsed(timestamp=value.begin) == value
        assert parsed(timestamp=value.end - timedelta(microseconds=1)) == value
        assert parsed(timestamp=value.end).begin == value.end
        time += step


@pytest.mark.parametrize("sign", "+-")
@pytest.mark.parametrize(("unit", "number"), [("h", 10**30), ("us", 10**40), ("m", 10**900)])
def test_a_large_number_of_short_units_wraps_in_constant_time(
    sign: str, unit: str, number: int
) -> None:
    begin, end = ends(f"day {sign} {number}{unit}", "2015-03-17 14:20")
    assert end - begin == DAY
    assert begin <= at("2015-03-17 14:20") < end


@pytest.mark.parametrize("months", [*range(-13, 0), *range(1, 14)])
@pytest.mark.parametrize("unit", ["day", "hour"])
def test_a_range_moved_by_months_begins_on_the_clamped_date_and_keeps_its_length(
    unit: str, months: int
) -> None:
    moved = parse(f"{unit} {'+' if months > 0 else '-'} {abs(months)}mo")
    length = DAY if unit == "day" else timedelta(hours=1)
    for number in range(3 * 366):
        time = at("2014-01-01 14:20") + number * DAY
        value = moved(timestamp=time)
        assert isinstance(value, TimeRange)
        year, month = divmod(12 * time.year + time.month - 1 + months, 12)
        day = min(time.day, monthrange(year, month + 1)[1])
        hour = 0 if unit == "day" else 14
        assert value.begin == datetime(year, month + 1, day, hour, tzinfo=UTC)
        assert value.end - value.begin == length


@pytest.mark.parametrize(
    ("expression", "begin", "end"),
    [
        ("day + 1mo + 1mo", "2014-03-28", "2014-03-29"),
        ("day + 1mo @ 5h", "2014-02-28 05:00", "2014-03-01 05:00"),
        ("day + 1mo @ 15d", "2014-02-15", "2014-02-16"),
        ("day + 1mo + 1", "2014-02-28 01:00", "2014-03-01 01:00"),
        ("day + 1mo + 1 1mo", "2014-03-28 01:00", "2014-03-29 01:00"),
        ("day + 1y 1mo", "2015-02-28", "2015-03-01"),
    ],
)
def test_operations_after_a_move_by_months_keep_the_length(
    expression: str, begin: str, end: str
) -> None:
    assert ends(expression, "2014-01-30 12:00") == (at(begin), at(end))


@pytest.mark.parametrize("sign", "+-")
@pytest.mark.parametrize(
    "expression", ["month {}{}d", "month {}{}s", "year {}{}mo", "year {}{}d @ 15d {}{}mo"]
)
def test_a_large_number_wraps_around_months_and_years(sign: str, expression: str) -> None:
    text = expression.replace("{}{}", sign + " " + "9" * 30).replace("15d +", "15d + ")
    begin, end = ends(text, "2015-03-17 14:20")
    assert begin <= at("2015-03-17 14:20") < end
    assert end - begin <= timedelta(days=367)


@pytest.mark.parametrize(
    ("expression", "time", "begin", "end"),
    [
        ("month - 5d", "9999-12-20", "9999-11-26", "9999-12-27"),
        ("month + 40d", "9999-12-05", "9999-11-10", "9999-12-11"),
        ("year - 6mo", "9999-03-01", "9998-07-01", "9999-07-01"),
        ("day + 6h", "9999-12-31 05:00", "9999-12-30 06:00", "9999-12-31 06:00"),
        ("day - 6h", "1000-01-01 18:00", "1000-01-01 18:00", "1000-01-02 18:00"),
        ("month", "1000-01-01", "1000-01-01", "1000-02-01"),
    ],
)
def test_ranges_wrap_up_to_the_ends_of_the_calendar(
    expression: str, time: str, begin: str, end: str
) -> None:
    assert ends(expression, time) == (at(begin), at(end))
