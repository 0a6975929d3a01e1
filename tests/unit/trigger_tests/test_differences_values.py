"""Meaning of a value in a case file."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from winchester_core.model.time_range import TimeRange
from winchester_core.trigger_tests.differences import value_text, values_match

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
DAY = TimeRange(MIDNIGHT, MIDNIGHT + timedelta(days=1))
EARLIER = timezone(timedelta(hours=-1))


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (MIDNIGHT.replace(tzinfo=None), MIDNIGHT),
        (date(2026, 3, 2), MIDNIGHT),
        (datetime(2026, 3, 1, 23, tzinfo=EARLIER), MIDNIGHT),
        ([date(2026, 3, 2), date(2026, 3, 3)], DAY),
        ({"day": [MIDNIGHT, date(2026, 3, 3)]}, {"day": DAY}),
        (["a", 1], ("a", 1)),
        (None, None),
    ],
)
def test_equivalent_values_match(expected: Any, actual: Any) -> None:
    assert values_match(expected, actual)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (1, 1.0),
        (1, True),
        ("1", 1),
        (None, 0),
        ("a", "A"),
        (["a"], ["a", "b"]),
        ({"a": 1}, {"a": 1, "b": 2}),
        (MIDNIGHT, DAY),
        ("2026-03-02T00:00:00+00:00", MIDNIGHT),
    ],
)
def test_values_differ_by_type_as_groups_do(expected: Any, actual: Any) -> None:
    assert not values_match(expected, actual)


def test_values_are_written_on_one_line() -> None:
    assert value_text(MIDNIGHT) == "2026-03-02T00:00:00Z"
    assert value_text({"day": DAY}) == ('{"day": ["2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"]}')
    assert value_text("a\nb") == '"a\\nb"'
    assert value_text([1, None, "x"]) == '[1, null, "x"]'
