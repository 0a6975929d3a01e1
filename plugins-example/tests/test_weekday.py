"""The condition `weekday`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from voluptuous import MultipleInvalid

from winchester_core.testing import ConditionConformance
from winchester_example.weekday import WeekdayCondition

MONDAY = datetime(2024, 3, 4, 12, tzinfo=UTC)
LATE_SUNDAY = datetime(2024, 3, 3, 23, 30, tzinfo=UTC)


class TestRules(ConditionConformance):
    """What every condition must keep to."""

    plugin = WeekdayCondition
    expressions = ["sat", ["mon", "wed-thu"], {"days": "mon-sun", "zone": "Pacific/Auckland"}]
    invalid_expressions = ["saturday", 6, None, []]


def made(expression: Any) -> WeekdayCondition:
    """The condition as Winchester makes it: of an expression that the schema has checked."""
    return WeekdayCondition("at", WeekdayCondition.config_schema(expression))


def days_that_match(expression: Any) -> str:
    """The initials of the days, Monday's first, that a condition in UTC matches."""
    condition = made(expression)
    week = {"MTWTFSS"[n] + str(n): MONDAY + timedelta(days=n) for n in range(7)}
    return "".join(name[0] for name, day in week.items() if condition.matches({"at": day}))


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("sat", "S"),
        ("Mon-Fri", "MTWTF"),
        ("fri-mon", "MFSS"),
        ("tue-tue", "T"),
        (["mon", "wed-thu"], "MWT"),
        ({"days": "sun"}, "S"),
        ({"days": ["sat", "sun"], "zone": "UTC"}, "SS"),
    ],
)
def test_every_form_of_the_expression_means_its_days(expression: Any, days: str) -> None:
    assert days_that_match(expression) == days


def test_the_day_is_that_of_the_time_zone() -> None:
    in_berlin = {"days": "mon", "zone": "Europe/Berlin"}

    assert made("sun").matches({"at": LATE_SUNDAY})
    assert made(in_berlin).matches({"at": LATE_SUNDAY})
    assert not made({**in_berlin, "days": "sun"}).matches({"at": LATE_SUNDAY})


def test_a_naive_datetime_is_utc_and_an_aware_one_is_converted() -> None:
    assert made("sun").matches({"at": LATE_SUNDAY.replace(tzinfo=None)})
    assert made("sun").matches({"at": LATE_SUNDAY.astimezone(timezone(timedelta(hours=3)))})


@pytest.mark.parametrize(
    "value",
    [
        None,
        "2024-03-04",
        1709553600,
        1.5,
        True,
        ["mon"],
        {"day": "mon"},
        MONDAY.date(),
        datetime(1, 1, 1),  # noqa: DTZ001
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))),
    ],
)
def test_whatever_is_no_usable_datetime_does_not_match(value: Any) -> None:
    assert made("mon-sun").matches({"at": value}) is False
    assert made("mon-sun").matches({}) is False


def test_the_end_of_the_calendar_does_not_match_where_the_zone_leads_out_of_it() -> None:
    condition = made({"days": "mon-sun", "zone": "Pacific/Auckland"})

    assert condition.matches({"at": datetime.max.replace(tzinfo=UTC)}) is False


def test_it_says_what_it_demands() -> None:
    condition = made({"days": ["sun", "fri-sat"], "zone": "Europe/Berlin"})

    assert condition.describe() == "at is a datetime on fri or sat or sun in Europe/Berlin"


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ("saturday", []),
        ("mon-", []),
        ("-fri", []),
        (6, []),
        (None, []),
        ([], []),
        (["sat", "so"], [1]),
        ({"zone": "UTC"}, ["days"]),
        ({"days": ["sat", "so"]}, ["days", 1]),
        ({"days": "sat", "zone": "Berlin"}, ["zone"]),
        ({"days": "sat", "zone": "../etc/passwd"}, ["zone"]),
        ({"days": "sat", "zone": 1}, ["zone"]),
        ({"days": "sat", "zon": "UTC"}, ["zon"]),
    ],
)
def test_a_wrong_expression_is_refused_at_its_place(expression: Any, path: list[Any]) -> None:
    with pytest.raises(MultipleInvalid) as refused:
        made(expression)

    assert [error.path for error in refused.value.errors] == [path]


def test_what_the_schema_returns_it_accepts_again() -> None:
    checked = WeekdayCondition.config_schema(["sat", "mon-tue"])

    assert WeekdayCondition.config_schema(checked) == checked
