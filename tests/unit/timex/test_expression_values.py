"""Times and ranges: arithmetic, missing variables, and the ends of the calendar."""

from __future__ import annotations

import copy
import pickle
import threading
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from winchester_core.errors import TimeEvaluationError
from winchester_core.model.time_range import TimeRange, TimeStamp
from winchester_core.timex import Expression, parse

EARLIEST = datetime(1000, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "time", "value"),
    [
        ("$t", "2015-01-31 12:00", "2015-01-31 12:00"),
        ("$t + 1d 2h 3m 4s 5us", "2015-01-31", "2015-02-01 02:03:04.000005"),
        ("$t - 1d 2h", "2015-03-01", "2015-02-27 22:00"),
        ("$t + 1mo", "2015-01-31", "2015-02-28"),
        ("$t + 1mo", "2016-01-31", "2016-02-29"),
        ("$t - 1mo", "2015-03-31", "2015-02-28"),
        ("$t - 1mo", "2015-01-15", "2014-12-15"),
        ("$t + 25mo", "2015-12-31", "2018-01-31"),
        ("$t + 1y", "2016-02-29", "2017-02-28"),
        ("$t + 4y", "2016-02-29", "2020-02-29"),
        ("$t + 1y 1mo", "2015-01-29", "2016-02-29"),
        ("$t + 1mo 1d", "2015-01-31", "2015-03-01"),
        ("$t + 1mo + 1mo", "2015-01-31", "2015-03-28"),
        ("$t + 2mo", "2015-01-31", "2015-03-31"),
        ("$t @ 6h", "2015-01-31 12:30", "2015-01-31 06:30"),
        ("$t @ 2mo", "2015-01-31", "2015-02-28"),
        ("$t @ 2mo 31d", "2015-01-10", "2015-02-28"),
        ("$t @ 2017y", "2016-02-29", "2017-02-28"),
        ("$t @ 12mo 31d 12h 0m 0s", "2015-03-17 14:20:30", "2015-12-31 12:00"),
        ("($t + 1d) @ 0h 0m 0s", "2015-03-17 14:20:30", "2015-03-18"),
        ("$t + 1d - 1d + 1d", "2015-03-17", "2015-03-18"),
    ],
)
def test_a_single_time_moves_by_the_calendar(expression: str, time: str, value: str) -> None:
    assert parse(expression)(t=at(time)) == TimeStamp(at(value))


@pytest.mark.parametrize(
    ("expression", "begin", "end"),
    [
        ("$a to $b", "2015-01-30 10:00", "2015-02-02 12:00"),
        ("$a - 30m to $b + 1h", "2015-01-30 09:30", "2015-02-02 13:00"),
        ("($a to $b) + 1mo", "2015-02-28 10:00", "2015-03-02 12:00"),
        ("($a to $b) - 1d", "2015-01-29 10:00", "2015-02-01 12:00"),
        ("($a to $b) @ 6h", "2015-01-30 06:00", "2015-02-02 06:00"),
        ("($a to $b) + 5", "2015-01-30 15:00", "2015-02-02 17:00"),
        ("($a to $b) - 5", "2015-01-30 05:00", "2015-02-02 07:00"),
        ("($a to $b) + 1h 5", "2015-01-30 16:00", "2015-02-02 18:00"),
        ("($a to $b) @ 99", "2015-01-30 23:00", "2015-02-02 23:00"),
        ("($a to $a + 1y) + 1", "2015-02-28 10:00", "2016-02-29 10:00"),
        ("($a to $a + 28d) + 1", "2015-01-31 10:00", "2015-02-28 10:00"),
        ("($a to $a + 1h) + 1", "2015-01-30 10:01", "2015-01-30 11:01"),
        ("($a to $a + 1m) + 1", "2015-01-30 10:00:01", "2015-01-30 10:01:01"),
        ("($a to $a) + 1", "2015-01-30 10:00:00.000001", "2015-01-30 10:00:00.000001"),
        ("($a to $a - 3d) + 1", "2015-01-30 11:00", "2015-01-27 11:00"),
    ],
)
def test_a_range_moves_at_both_ends(expression: str, begin: str, end: str) -> None:
    value = parse(expression)(a=at("2015-01-30 10:00"), b=at("2015-02-02 12:00"))
    assert value == TimeRange(at(begin), at(end))


@pytest.mark.parametrize("value", [None, "2015-01-01", 5, True])
def test_a_variable_that_is_not_a_datetime_is_missing(value: Any) -> None:
    with pytest.raises(TimeEvaluationError, match=r"\$last is missing or not a datetime") as raised:
        parse("$first to $last").evaluate({"first": at("2015-01-01"), "last": value})
    assert (raised.value.variable, raised.value.clamp) == ("last", None)
    assert raised.value.text == "$first to $last"


def test_an_ungiven_default_variable_is_missing() -> None:
    with pytest.raises(TimeEvaluationError) as raised:
        parse("day")()
    assert raised.value.variable == "timestamp"


def test_an_event_can_be_passed_as_variables() -> None:
    happened = at("2015-01-01")
    event = {"message_id": "1", "timestamp": happened, "size": 3, "launched_at": happened}
    assert parse("$launched_at + 1h").evaluate(event).timestamp == at("2015-01-01 01:00")


def test_variables_of_any_zone_give_utc() -> None:
    east = timezone(timedelta(hours=2))
    naive, zoned = datetime(2015, 3, 17, 1, 30), datetime(2015, 3, 17, 1, 30, tzinfo=east)
    assert parse("day")(timestamp=naive).begin == at("2015-03-17")
    assert parse("day")(timestamp=zoned).begin == at("2015-03-16")
    for value in (parse("$t")(t=naive), parse("$t")(t=zoned), parse("hour($t)")(t=zoned)):
        assert value.begin.tzinfo is UTC
        assert value.end.tzinfo is UTC


LARGE = "9" * 900


@pytest.mark.parametrize(
    ("expression", "clamp"),
    [
        ("$t + 9000y", LATEST),
        ("$t - 1100y", EARLIEST),
        ("$t - 9000y", EARLIEST),
        ("$t + 100000mo", LATEST),
        ("$t - 100000mo", EARLIEST),
        ("$t + 4000000d", LATEST),
        ("$t - 400000d", EARLIEST),
        (f"$t + {LARGE}us", LATEST),
        (f"$t - {LARGE}us", EARLIEST),
        (f"$t + {LARGE}mo", LATEST),
        (f"$t - {LARGE}y", EARLIEST),
        (f"$t + {LARGE}d 1y", LATEST),
        (f"day($t) + {LARGE}d", LATEST),
        (f"day($t) - {LARGE}d", EARLIEST),
        (f"($t to $t) + {LARGE}", LATEST),
        (f"($t to $t) - {LARGE}", EARLIEST),
        ("$t to $t - 1100y", EARLIEST),
        ("day($t @ 9999y 12mo 31d)", LATEST),
        ("hour($t @ 9999y 12mo 31d 23h)", LATEST),
        ("month($t @ 9999y 12mo)", LATEST),
        ("year($t @ 9999y)", LATEST),
        ("month($t @ 9999y 12mo 31d) + 2d", LATEST),
        ("day($t @ 1000y 1mo 1d 0h) + 6h", EARLIEST),
        ("year($t @ 1000y 1mo) + 6mo", EARLIEST),
    ],
)
def test_a_result_outside_years_1000_to_9999_has_a_nearest_value_only(
    expression: str, clamp: datetime
) -> None:
    with pytest.raises(TimeEvaluationError, match="the years 1000-9999") as raised:
        parse(expression)(t=at("2015-03-17 00:30"))
    assert (raised.value.variable, raised.value.clamp) == (None, clamp)


@pytest.mark.parametrize(
    ("moment", "clamp"),
    [
        (datetime(999, 12, 31, tzinfo=UTC), EARLIEST),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), EARLIEST),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))), LATEST),
    ],
)
def test_a_variable_outside_those_years_is_an_error(moment: datetime, clamp: datetime) -> None:
    for expression in ("$t", "day($t)", "$t to $t"):
        with pytest.raises(TimeEvaluationError) as raised:
            parse(expression)(t=moment)
        assert raised.value.clamp == clamp


def test_the_first_and_last_times_are_valid() -> None:
    assert parse("$t")(t=EARLIEST).timestamp == EARLIEST
    assert parse("$t + 999999us")(t=LATEST.replace(microsecond=0)).timestamp == LATEST


def test_expressions_are_equal_by_text() -> None:
    assert parse("$a + 1d") == parse("$a + 1d")
    assert len({parse("day"), parse("day"), parse("day ")}) == 2
    assert str(parse("$a + 1d")) == parse("$a + 1d").text == "$a + 1d"


def test_an_expression_is_immutable() -> None:
    with pytest.raises(AttributeError):
        parse("day").text = "month"  # type: ignore[misc]


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_an_expression_can_be_copied_and_pickled(clone: Any) -> None:
    expression = parse("day + 6h")
    twin = clone(expression)
    assert isinstance(twin, Expression)
    assert twin == expression
    assert twin.variables == expression.variables
    assert twin(timestamp=at("2015-03-17")) == expression(timestamp=at("2015-03-17"))


def test_threads_share_an_expression() -> None:
    expression = parse("month + 5d")
    times = [at("2015-01-01") + timedelta(days=day) for day in range(365)]
    wanted = [expression(timestamp=time) for time in times]
    found: dict[int, list[Any]] = {}

    def evaluate(thread: int) -> None:
        found[thread] = [expression(timestamp=time) for time in times]

    threads = [threading.Thread(target=evaluate, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(4), wanted)
