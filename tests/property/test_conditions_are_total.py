"""No condition raises on any trait value, and none matches an unsupported type."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from importlib.metadata import entry_points
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

CONDITIONS = {each.name: each.load() for each in entry_points(group="winchester.conditions")}
LIMITS = [
    datetime(1000, 1, 1, tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))),
    datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
    datetime(2014, 1, 2),
]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**400), 2**63]),
    st.floats(),
    st.text(st.characters(), max_size=50),
    st.text(st.characters(categories=["Cs"]), min_size=1, max_size=3),
    st.sampled_from(["a" * 70_000, "1" * 5_000, "1." * 40_000, ":" * 1_000]),
    st.datetimes(timezones=st.just(UTC)),
    st.sampled_from(LIMITS),
    st.binary(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    st.builds(object),
)
EXPRESSIONS: dict[str, list[Any]] = {
    "int": ["> 3", "!= 3"],
    "float": ["> 3", "!= 1e300"],
    "numeric": ["<= 3", "!= 0.5"],
    "string": ["a"],
    "text": ["a"],
    "datetime": ["day", "$timestamp", "$x + 1mo", "$x to $timestamp", "day($other)", "$x - 9y"],
    "regex": ["a*$", r"\pL", "(a|b)+c"],
    "glob": ["*a*b*", "[!a]*"],
    "in": [[1, 1.0, "1", True, datetime(2014, 1, 2)]],
    "range": [
        {"min": 1, "max": 2.5},
        {"min": datetime(2014, 1, 2)},
        {"max": "2014-01-02T03:04:05"},
    ],
    "exists": [True, False],
    "cidr": ["10.0.0.0/8", ["::/0", "0.0.0.0/0"]],
}


def test_every_built_in_condition_is_tested() -> None:
    assert set(EXPRESSIONS) == set(CONDITIONS)


@pytest.mark.parametrize("name", EXPRESSIONS)
@given(value=VALUES, other=VALUES)
def test_a_condition_is_total(name: str, value: Any, other: Any) -> None:
    event = {
        "message_id": "1",
        "event_type": "a",
        "timestamp": datetime(2014, 1, 2, tzinfo=UTC),
        "x": value,
        "other": other,
    }
    for expression in EXPRESSIONS[name]:
        found = CONDITIONS[name]
        condition = found("x", found.config_schema(expression))
        first = condition.matches(event)
        assert isinstance(first, bool)
        assert condition.matches(event) is first
        if not first and hasattr(condition, "why_not"):
            assert condition.why_not(event)
        assert condition.describe().startswith("x ")
