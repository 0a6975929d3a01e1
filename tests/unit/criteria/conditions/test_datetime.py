"""`datetime`, `timestamp` of a criterion, and `range` on datetimes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from winchester_core.criteria import Criterion

NOON = datetime(2014, 1, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def test_a_trait_within_a_range_computed_from_another_trait_matches(
    compiled: Callable[..., Criterion], make_event: Callable[..., dict[str, Any]]
) -> None:
    criterion = compiled({"traits": {"ending": {"datetime": "$beginning + 1d"}}})
    assert criterion.matches(make_event(beginning=NOON, ending=NOON + DAY))
    assert not criterion.matches(make_event(beginning=NOON, ending=NOON + DAY * 2))


def test_timestamp_is_a_variable_like_any_datetime_trait(
    holds: Callable[[Any, Any], bool],
) -> None:
    assert holds({"datetime": "$timestamp - 1d"}, NOON - DAY)
    assert not holds({"datetime": "$timestamp - 1d"}, NOON)


def test_a_computed_time_range_is_half_open(
    holds: Callable[[Any, Any], bool],
) -> None:
    begin = NOON.replace(hour=0)
    moments = [begin - timedelta(microseconds=1), begin, NOON, begin + DAY]
    assert [holds({"datetime": "day"}, moment) for moment in moments] == [
        False, True, True, False,
    ]  # fmt: skip


def test_a_missing_variable_does_not_match(
    compiled: Callable[..., Criterion], make_event: Callable[..., dict[str, Any]]
) -> None:
    criterion = compiled({"traits": {"ending": {"datetime": "$beginning + 1d"}}})
    assert not criterion.matches(make_event(ending=NOON))
    assert not criterion.matches(make_event(ending=NOON, beginning="2014-01-01"))


def test_a_result_outside_the_calendar_does_not_match(holds: Callable[[Any, Any], bool]) -> None:
    assert not holds({"datetime": "$timestamp + 9000y"}, NOON)
    assert not holds({"datetime": "$timestamp - 9000y"}, NOON)


@pytest.mark.parametrize("value", [1, 1.5, "2014-01-02T12:00:00", True, None])
def test_a_value_that_is_not_a_datetime_never_matches(
    holds: Callable[[Any, Any], bool], value: Any
) -> None:
    assert not holds({"datetime": "$timestamp"}, value)
    assert not holds({"range": {"min": datetime(2014, 1, 1)}}, value)


def test_a_criterion_may_constrain_the_events_own_timestamp(
    compiled: Callable[..., Criterion], make_event: Callable[..., dict[str, Any]]
) -> None:
    criterion = compiled({"timestamp": "day($launched_at)"})
    same_day = make_event(launched_at=NOON.replace(hour=1))
    assert criterion.matches(same_day)
    assert not criterion.matches(make_event(launched_at=NOON - DAY))
    assert not criterion.matches(make_event())


@pytest.mark.parametrize(
    "config",
    [{"timestamp": "$timestamp +"}, {"traits": {"x": {"datetime": "$timestamp +"}}}],
    ids=["timestamp", "datetime"],
)
def test_an_invalid_time_expression_is_refused_with_its_reason(
    problems: Callable[..., dict[Any, str]], config: dict[str, Any]
) -> None:
    ((path, message),) = problems(config).items()
    assert path[-1] in ("timestamp", "datetime")
    assert "time expression '$timestamp +', character" in message


@pytest.mark.parametrize("expression", [3, None, NOON, date(2014, 1, 2), True])
def test_a_time_expression_must_be_text(
    problems: Callable[..., dict[Any, str]], expression: Any
) -> None:
    config = {"timestamp": expression, "traits": {"x": {"datetime": expression}}}
    found = problems(config)
    assert set(found) == {("timestamp",), ("traits", "x", "datetime")}
    assert all("expected a time expression" in message for message in found.values())


@pytest.mark.parametrize(
    "bound",
    [
        NOON,
        NOON.replace(tzinfo=None),
        NOON.astimezone(timezone(timedelta(hours=3))),
        "2014-01-02T12:00:00",
        "2014-01-02T12:00:00Z",
        "2014-01-02 13:00:00+01:00",
    ],
    ids=str,
)
def test_both_bounds_of_a_datetime_range_are_inclusive(
    holds: Callable[[Any, Any], bool], bound: Any
) -> None:
    wanted = {"range": {"min": bound, "max": bound}}
    moment = timedelta(microseconds=1)
    assert [holds(wanted, NOON + each * moment) for each in (-1, 0, 1)] == [False, True, False]


@pytest.mark.parametrize("bound", [date(2014, 1, 2), "2014-01-02", "tomorrow, if it is fine", ""])
def test_a_datetime_range_needs_date_and_time(
    problems: Callable[..., dict[Any, str]], bound: Any
) -> None:
    found = problems({"traits": {"x": {"range": {"max": bound}}}})
    assert "is not a bound" in found["traits", "x", "range", "max"]
