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
    """Rules for every condition."""

    plugin = WeekdayCondition
    expressions = ["sat", ["mon", "wed-thu"], {"days": "mon-sun", "zone": "Pacific/Auckland"}]
    invalid_expressions = ["saturday", 6, None, []]


def make_condition(expression: Any) -> WeekdayCondition:
    """Create the condition from a validated expression, as Winchester does."""
    return WeekdayCondition("at", WeekdayCondition.config_schema(expression))


def matching_days(expression: Any) -> str:
    """Return the initials of the matching days, from Monday on, in UTC."""
    condition = make_condition(expression)
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
def test_each_form_of_the_expression(expression: Any, days: str) -> None:
    assert matching_days(expression) == days


def test_days_are_in_the_time_zone() -> None:
    in_berlin = {"days": "mon", "zone": "Europe/Berlin"}

    assert make_condition("sun").matches({"at": LATE_SUNDAY})
    assert make_condition(in_berlin).matches({"at": LATE_SUNDAY})
    assert not make_condition({**in_berlin, "days": "sun"}).matches({"at": LATE_SUNDAY})


def test_a_naive_datetime_is_utc_and_an_aware_one_is_converted() -> None:
    assert make_condition("sun").matches({"at": LATE_SUNDAY.replace(tzinfo=None)})
    assert make_condition("sun").matches(
        {"at": LATE_SUNDAY.astimezone(timezone(timedelta(hours=3)))}
    )


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
def test_other_values_do_not_match(value: Any) -> None:
    assert make_condition("mon-sun").matches({"at": value}) is False
    assert make_condition("mon-sun").matches({}) is False


def test_a_time_beyond_the_calendar_in_the_zone_does_not_match() -> None:
    condition = make_condition({"days": "mon-sun", "zone": "Pacific/Auckland"})

    assert condition.matches({"at": datetime.max.replace(tzinfo=UTC)}) is False


def test_description() -> None:
    condition = make_condition({"days": ["sun", "fri-sat"], "zone": "Europe/Berlin"})

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
def test_an_invalid_expression_is_reported_with_its_path(expression: Any, path: list[Any]) -> None:
    with pytest.raises(MultipleInvalid) as refused:
        make_condition(expression)

    assert [error.path for error in refused.value.errors] == [path]


def test_the_schema_is_idempotent() -> None:
    checked = WeekdayCondition.config_schema(["sat", "mon-tue"])

    assert WeekdayCondition.config_schema(checked) == checked
