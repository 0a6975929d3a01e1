"""The distinguishing values, with their types, identify a stream."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import combinations
from typing import Any

import pytest

from winchester_core.model.time_range import TimeRange
from winchester_core.timex import parse
from winchester_core.triggers.grouping import (
    MAX_CACHED_GROUPS,
    DistinguishingTrait,
    GroupCache,
    Grouping,
    GroupingError,
)

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
DIFFERENT: list[Any] = [
    1,
    1.0,
    "1",
    True,
    0,
    False,
    "",
    "a",
    "A",
    "a ",
    "á",
    "a\u0301",
    NOON,
    NOON.isoformat(),
    TimeRange(NOON, NOON),
    TimeRange(NOON, NOON + timedelta(microseconds=1)),
]


def group_key(trigger_name: str, values: dict[str, Any]) -> bytes:
    """Return the group key of an event with these values."""
    return (
        Grouping(trigger_name, [DistinguishingTrait(name) for name in values])
        .group_of(values, {})
        .key
    )


def test_values_that_differ_in_type_case_or_spaces_are_different_groups() -> None:
    for one, other in combinations(DIFFERENT, 2):
        assert group_key("t", {"x": one}) != group_key("t", {"x": other}), (one, other)


def test_negative_zero_equals_zero() -> None:
    assert group_key("t", {"x": -0.0}) == group_key("t", {"x": 0.0})


def test_neither_trait_order_nor_value_boundaries_change_the_group() -> None:
    assert group_key("t", {"a": "1", "b": "2"}) == group_key("t", {"b": "2", "a": "1"})
    assert group_key("t", {"a": "12", "b": ""}) != group_key("t", {"a": "1", "b": "2"})
    assert group_key("ta", {"b": "1"}) != group_key("t", {"ab": "1"})


def test_the_stored_key_format_is_fixed() -> None:
    key = group_key("t", {"instance": "i-1", "n": 3})
    assert len(key) == 32
    assert key.hex() == "f08eba30be251752d47f934a41b4b6e3749a961b5b71f8194f60aae888d18439"


def test_a_mapped_trait_is_read_instead_and_passed_to_the_expression() -> None:
    traits = (DistinguishingTrait("id"), DistinguishingTrait("timestamp", parse("day")))
    event = {"id": "i-1", "timestamp": NOON, "began": NOON - timedelta(days=3)}
    group = Grouping("t", traits).group_of(event, {"timestamp": "began"})
    day = datetime(2026, 3, 11, tzinfo=UTC)
    assert group.values["timestamp"] == TimeRange(day, day + timedelta(days=1))
    assert group.values["id"] == "i-1"


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"timestamp": NOON}, "distinguishing trait 'id'"),
        ({"id": "i", "timestamp": "yesterday"}, "not a datetime"),
        ({"id": "i"}, "distinguishing trait 'timestamp'"),
    ],
)
def test_an_event_without_a_usable_trait_has_no_group_and_a_reason(
    event: dict[str, Any], reason: str
) -> None:
    traits = (DistinguishingTrait("id"), DistinguishingTrait("timestamp", parse("day")))
    with pytest.raises(GroupingError, match=reason):
        Grouping("t", traits).group_of(event, {})


def test_the_group_cache_is_bounded() -> None:
    cache, traits = GroupCache(), (DistinguishingTrait("id"),)
    grouping = Grouping("t", traits)
    first = cache.group_of(grouping, {"id": "i-1"}, {})
    assert cache.group_of(grouping, {"id": "i-1", "n": 2}, {}) is first
    long = {"id": "x" * 101}
    assert cache.group_of(grouping, long, {}) == grouping.group_of(long, {})
    assert cache.group_of(grouping, long, {}) is not cache.group_of(grouping, long, {})
    for number in range(MAX_CACHED_GROUPS):
        cache.group_of(grouping, {"id": str(number)}, {})
    assert cache.group_of(grouping, {"id": "i-1"}, {}) is not first
    assert cache.group_of(grouping, {"id": "i-1"}, {}) == first


@pytest.mark.parametrize("expression", ["day", None])
def test_only_cheaply_comparable_groups_are_cached(expression: str | None) -> None:
    traits = (DistinguishingTrait("at", expression and parse(expression)),)
    cache, grouping = GroupCache(), Grouping("t", traits)
    utc, elsewhere = NOON, NOON.astimezone(timezone(timedelta(hours=14)))
    again = cache.group_of(grouping, {"at": utc}, {}) is cache.group_of(grouping, {"at": utc}, {})
    assert again is (expression is not None)
    assert cache.group_of(grouping, {"at": elsewhere}, {}) is not cache.group_of(
        grouping, {"at": utc}, {}
    )
    other = {"at": "today", "began": utc}
    assert cache.group_of(grouping, other, {"at": "began"}) == grouping.group_of({"at": utc}, {})
