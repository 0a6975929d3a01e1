"""Time expressions in local time agree with a model that searches minute by minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from support.builders.time_expressions import ENVIRONMENTS, EXPRESSIONS, is_range, text_of
from support.probes.hypothesis_examples import examples
from support.probes.local_time_oracle import LocalModel
from winchester_core.errors import TimeEvaluationError, TimeExpressionError
from winchester_core.model.time_range import TimeRange
from winchester_core.timex import Expression, parse

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kwajalein",
)
DAY = timedelta(days=1)


@cache
def changes(name: str) -> tuple[datetime, ...]:
    """Return the days in which the offset of a zone changes, from 1990 to 2030."""
    zone = ZoneInfo(name)
    days = [datetime(1990, 1, 1, tzinfo=UTC) + number * DAY for number in range(40 * 365)]
    offsets = [day.astimezone(zone).utcoffset() for day in days]
    found = tuple(days[n] for n in range(len(days) - 1) if offsets[n] != offsets[n + 1])
    return found or tuple(days[::5000])


@st.composite
def moments(draw: st.DrawFn, name: str) -> datetime:
    """Draw an instant near a change of the offset, often a full or half hour."""
    day = draw(st.sampled_from(changes(name)))
    moment = day + draw(st.integers(-4, 100)) * timedelta(minutes=30)
    return moment + draw(
        st.sampled_from([timedelta(0), timedelta(microseconds=-1), timedelta(minutes=1)])
        | st.timedeltas(timedelta(0), 2 * DAY)
    )


ZONES_AND_ENVIRONMENTS = st.sampled_from(ZONES).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.fixed_dictionaries(dict.fromkeys(("timestamp", "first", "last"), moments(name))),
    )
)


@settings(max_examples=examples(600), deadline=None)
@given(EXPRESSIONS, ZONES_AND_ENVIRONMENTS)
def test_results_equal_the_model(
    node: Any, zone_and_environment: tuple[str, dict[str, datetime]]
) -> None:
    name, env = zone_and_environment
    zone = ZoneInfo(name)
    try:
        expression = parse(text_of(node), zone)
    except TimeExpressionError:
        assume(False)
    value = expression.evaluate(env)
    assert (value.begin, value.end) == LocalModel(zone).ends(node, env)
    assert isinstance(value, TimeRange) is is_range(node)
    assert (value.begin.tzinfo, value.end.tzinfo) == (UTC, UTC)
    assert expression.begin(env) == value.begin


@settings(deadline=None)
@given(
    st.sampled_from(["hour", "day", "month", "year", "hour + 20m", "day @ 2h 30m", "day + 30h"]),
    st.sampled_from(ZONES).flatmap(lambda name: st.tuples(st.just(name), moments(name))),
)
def test_the_ranges_of_one_expression_partition_time(
    text: str, zone_and_moment: tuple[str, datetime]
) -> None:
    name, moment = zone_and_moment
    expression = parse(text, ZoneInfo(name))
    for _ in range(3):
        value = expression(timestamp=moment)
        assert moment in value
        assert expression(timestamp=value.begin) == value
        assert expression(timestamp=value.end - timedelta(microseconds=1)) == value
        assert expression(timestamp=value.end).begin == value.end
        moment = value.end


@given(EXPRESSIONS, ENVIRONMENTS, st.sampled_from(["UTC", "Etc/UTC", "Zulu"]))
def test_a_name_of_utc_gives_the_results_of_utc(
    node: Any, env: dict[str, datetime], name: str
) -> None:
    text = text_of(node)
    try:
        expected = parse(text)
    except TimeExpressionError:
        with pytest.raises(TimeExpressionError):
            parse(text, ZoneInfo(name))
        return
    expression = parse(text, ZoneInfo(name))
    assert expression == expected
    assert expression.zone is UTC
    assert outcome(expression, env) == outcome(expected, env)


def outcome(expression: Expression, env: dict[str, datetime]) -> Any:
    """Return the value, or the text and the nearest time of the error."""
    try:
        return expression.evaluate(env)
    except TimeEvaluationError as error:
        return str(error), error.clamp
