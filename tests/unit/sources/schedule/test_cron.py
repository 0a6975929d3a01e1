"""Times of cron expressions, across changes of the clocks."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winchester_core.sources.schedule.cron import CronTimes, check_expression

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(expression: str, timezone: str, after: str, count: int) -> list[str]:
    found = islice(CronTimes(expression, timezone).times_after(at(after)), count)
    return [each.strftime("%m-%d %H:%M") for each in found]


@pytest.mark.parametrize(
    ("timezone", "after", "moments"),
    [
        (BERLIN, "2026-03-28 00:00", ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        (NEW_YORK, "2026-03-07 00:00", ["03-07 07:30", "03-08 07:00", "03-09 06:30"]),
    ],
)
def test_a_local_time_that_does_not_exist_is_the_first_moment_after_the_gap(
    timezone: str, after: str, moments: list[str]
) -> None:
    assert times("30 2 * * *", timezone, after, 3) == moments


@pytest.mark.parametrize(
    ("expression", "timezone", "after", "moments"),
    [
        ("30 2 * * *", BERLIN, "2026-10-24 12:00", ["10-25 00:30", "10-26 01:30"]),
        ("30 1 * * *", NEW_YORK, "2026-10-31 12:00", ["11-01 05:30", "11-02 06:30"]),
    ],
)
def test_a_local_time_that_exists_twice_is_the_first_of_the_two(
    expression: str, timezone: str, after: str, moments: list[str]
) -> None:
    assert times(expression, timezone, after, 2) == moments


@pytest.mark.parametrize(
    ("expression", "after", "moments"),
    [
        # all four local times of the missing hour, and 03:00, are the same moment
        ("*/15 * * * *", "2026-03-29 00:44", ["03-29 00:45", "03-29 01:00", "03-29 01:15"]),
        # the second pass through the repeated hour has no times
        ("*/30 * * * *", "2026-10-25 00:00", ["10-25 00:30", "10-25 02:00", "10-25 02:30"]),
        # a search that begins in the second pass does not find times of the first one
        ("30 2 * * *", "2026-10-25 01:10", ["10-26 01:30", "10-27 01:30", "10-28 01:30"]),
    ],
)
def test_each_local_time_occurs_once_for_any_expression(
    expression: str, after: str, moments: list[str]
) -> None:
    assert times(expression, BERLIN, after, 3) == moments


def test_a_gap_may_last_a_day_or_end_between_whole_hours() -> None:
    # Samoa had no 30 December 2011; Lord Howe Island sets its clocks by half an hour
    assert times("0 12 30 12 *", "Pacific/Apia", "2011-01-01 00:00", 1) == ["12-30 10:00"]
    half_an_hour = times("10 2 * * *", "Australia/Lord_Howe", "2026-10-03 00:00", 2)
    assert half_an_hour == ["10-03 15:30", "10-04 15:10"]


def test_the_times_of_utc_have_no_gap() -> None:
    after = at("2026-03-28 23:59")
    moments = list(islice(CronTimes("*/15 * * * *", "UTC").times_after(after), 500))
    assert {later - earlier for earlier, later in pairwise(moments)} == {timedelta(minutes=15)}


def test_one_of_two_restricted_days_must_match() -> None:
    assert times("0 6 13 * 5", "UTC", "2026-02-01 00:00", 3) == [
        "02-06 06:00",
        "02-13 06:00",
        "02-20 06:00",
    ]


def test_the_next_time_is_after_the_moment_and_the_same_when_asked_again() -> None:
    cron = CronTimes("0 6 * * *", "UTC")
    six = at("2026-03-02 06:00")
    for moment in ("2026-03-01 06:00", "2026-03-01 23:00", "2026-03-02 05:59"):
        assert cron.next_after(at(moment)) == six
    assert cron.next_after(six) == six + timedelta(days=1)
    assert cron.next_after(at("2026-02-28 23:00")) == at("2026-03-01 06:00")


def test_the_times_end_before_the_last_year() -> None:
    assert len(list(CronTimes("0 0 1 1 *", "UTC").times_after(at("9995-06-01 00:00")))) == 4


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "it has 0 fields instead of 5"),
        ("0 6 * *", "it has 4 fields instead of 5"),
        ("0 0 6 * * *", "it has 6 fields instead of 5"),
        ("@daily", "it has 1 field instead of 5"),
        ("0 25 * * *", "the field 'hour' is invalid"),
        ("60 * * * *", "the field 'minute' is invalid"),
        ("*/0 * * * *", "the field 'minute' is invalid"),
        ("0 6 * * 8", "the field 'day of week' is invalid"),
        ("0 6 0 * *", "the field 'day of month' is invalid"),
        ("0 6 31 2 *", "the field 'day of month' is invalid"),
        ("0 6 * smarch *", "the field 'month' is invalid"),
    ],
)
def test_an_invalid_expression_is_refused_with_the_field(expression: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        check_expression(expression)


ZONES = st.sampled_from([BERLIN, NEW_YORK, "Australia/Lord_Howe", "America/St_Johns", "UTC"])
LOCAL_TIMES = st.datetimes(datetime(1980, 1, 1), datetime(2037, 1, 1)).map(
    lambda local: local.replace(second=0, microsecond=0)
)


@given(zone=ZONES, start=LOCAL_TIMES, split=st.integers(0, 3 * 24 * 60))
def test_a_search_may_be_interrupted_anywhere(zone: str, start: datetime, split: int) -> None:
    cron = CronTimes("*/20 1-3 * * *", zone)
    after = start.replace(tzinfo=UTC)
    middle, until = after + timedelta(minutes=split), after + timedelta(days=3)

    def between(begin: datetime, finish: datetime) -> list[datetime]:
        found = []
        for moment in cron.times_after(begin):
            if moment > finish:
                break
            found.append(moment)
        return found

    assert between(after, until) == between(after, middle) + between(middle, until)
