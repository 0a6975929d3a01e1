"""`--trait name=value`: the form of the value determines its type."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from winchester_core.inspection.values import parse_traits
from winchester_core.model.time_range import TimeRange
from winchester_core.service.exit import UsageError


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("5", 5),
        ("-5", -5),
        ("007", 7),
        ("5.0", 5.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("false", False),
        ("True", "True"),
        ('"5"', "5"),
        ('"true"', "true"),
        ('""', ""),
        ('"', '"'),
        ("", ""),
        ("a=b", "a=b"),
        ("nan", "nan"),
        ("10.0.0.1", "10.0.0.1"),
        ("2015-01-20", "2015-01-20"),
        ("2015-01-20T17:00:00Z", datetime(2015, 1, 20, 17, tzinfo=UTC)),
        ("2015-01-20 17:00", datetime(2015, 1, 20, 17, tzinfo=UTC)),
        ("2015-01-20T99:00:00Z", "2015-01-20T99:00:00Z"),
        ('"2015-01-20T17:00:00Z"', "2015-01-20T17:00:00Z"),
    ],
)
def test_values_are_typed_by_their_form(written: str, expected: Any) -> None:
    (value,) = parse_traits([f"name={written}"]).values()
    assert (type(value), value) == (type(expected), expected)


def test_two_times_make_a_range() -> None:
    day = TimeRange(datetime(2015, 1, 20), datetime(2015, 1, 21))
    assert parse_traits(["at=2015-01-20T00:00/2015-01-21T00:00"]) == {"at": day}


def test_several_traits_must_all_match() -> None:
    assert parse_traits(["a=1", "b=x"]) == {"a": 1, "b": "x"}


@pytest.mark.parametrize(
    "texts", [["name"], ["=5"], ["a=1", "a=2"], [f"a={2**63}"], ["a=1e999"], ["a=\ud800"]]
)
def test_a_value_no_trait_can_hold_is_a_usage_error(texts: list[str]) -> None:
    with pytest.raises(UsageError, match="--trait"):
        parse_traits(texts)
