"""Grouping by the hour, day, month or year of local time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from winchester_core.model.time_range import TimeRange
from winchester_core.timex import Expression, parse
from winchester_core.triggers.grouping import (
    MAX_CACHED_PERIODS,
    DistinguishingTrait,
    GroupCache,
    Grouping,
    GroupingError,
    make_period_reader,
)

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class CountingExpression:
    """An expression that counts how often it is evaluated."""

    def __init__(self, expression: Expression) -> None:
        self.text, self.zone = expression.text, expression.zone
        self.evaluations = 0
        self._expression = expression

    def evaluate(self, variables: Any) -> Any:
        self.evaluations += 1
        return self._expression.evaluate(variables)


def test_the_value_of_a_group_is_the_local_day_as_a_range_in_utc() -> None:
    grouping = Grouping("t", [DistinguishingTrait("timestamp", parse("day", BERLIN))])
    group = grouping.group_of({"timestamp": at("2024-03-31 12:00")}, {})
    day = TimeRange(at("2024-03-30 23:00"), at("2024-03-31 22:00"))
    assert group.values == {"timestamp": day}


def test_the_hour_that_comes_twice_is_two_groups() -> None:
    grouping = Grouping("t", [DistinguishingTrait("timestamp", parse("hour", BERLIN))])
    first, second = ({"timestamp": at(f"2024-10-27 {each}:30")} for each in ("00", "01"))
    assert grouping.identity(first) != grouping.identity(second)
    cache = GroupCache()
    assert cache.group_of(grouping, first, {}) != cache.group_of(grouping, second, {})


def test_a_period_is_evaluated_once() -> None:
    expression = CountingExpression(parse("day", BERLIN))
    period_of = make_period_reader(expression)  # type: ignore[arg-type]
    assert period_of is not None
    begin = at("2024-10-26 22:00")
    assert {period_of(begin + number * HOUR) for number in range(25)} == {begin}
    assert expression.evaluations == 1
    periods = {period_of(begin + number * HOUR) for number in range(-23, 49)}
    assert len(periods) == 3
    assert expression.evaluations == 3


def test_the_number_of_known_periods_is_bounded() -> None:
    expression = CountingExpression(parse("hour", BERLIN))
    period_of = make_period_reader(expression)  # type: ignore[arg-type]
    assert period_of is not None
    begin = at("2024-01-01")
    for number in range(MAX_CACHED_PERIODS + 1):
        assert period_of(begin + number * HOUR) == begin + number * HOUR
    assert expression.evaluations == MAX_CACHED_PERIODS + 1
    period_of(begin)
    assert expression.evaluations == MAX_CACHED_PERIODS + 2


@pytest.mark.parametrize("text", ["day @ 6h", "$timestamp + 1d"])
def test_other_expressions_have_no_period(text: str) -> None:
    assert make_period_reader(parse(text, BERLIN)) is None


def test_a_time_without_a_range_has_no_group() -> None:
    grouping = Grouping("t", [DistinguishingTrait("timestamp", parse("day", BERLIN))])
    event = {"timestamp": at("9999-12-31 23:30")}
    with pytest.raises(GroupingError, match="the years 1000-9999"):
        grouping.group_of(event, {})
    with pytest.raises(GroupingError, match="the years 1000-9999"):
        GroupCache().group_of(grouping, event, {})
