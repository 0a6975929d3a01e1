"""Keys of a trigger that depend on each other, and warnings about its times."""

from __future__ import annotations

from typing import Any

import pytest

from winchester_core.config.triggers import check_trigger_definitions
from winchester_core.errors import ConfigurationError

A = {"event_type": "a"}
TRIGGER: dict[str, Any] = {
    "name": "t",
    "distinguished_by": ["user"],
    "match_criteria": [A],
    "fire_criteria": [A],
    "expiration": "$last + 1h",
    "fire_pipeline": "p",
    "expire_pipeline": "p",
}
JOINS = {"match_criteria": [A, {"event_type": "b", "opens": False}]}


def problems(**keys: Any) -> list[str]:
    """The problems of a trigger with these keys; None removes a key."""
    config = {key: value for key, value in {**TRIGGER, **keys}.items() if value is not None}
    try:
        check_trigger_definitions([config], {})
    except ConfigurationError as error:
        return [each.removeprefix("<trigger definitions>: [0].") for each in error.problems]
    return []


@pytest.mark.parametrize(
    "keys",
    [
        {"fire_criteria": None, "fire_pipeline": None},
        {"fire_order": "sequence", "fire_within": "10m", "keep": 600},
        {"fire_within": 0},
        {**JOINS, "lateness": "30s"},
        {"cancel_criteria": [A], "cancel_pipeline": "p", "lateness": 5, "fire_delay": "1d 12h"},
        {"suppress": "1h", "timezone": "Europe/Berlin"},
        {"fire_criteria": [{**A, "number": 3, "within": "5m", "distinct": "ip"}]},
        {"fire_criteria": [{**A, "sum": {"bytes": {"at_least": 0.5}}}]},
        {"fire_criteria": [{**A, "number": 600}, {**A, "number": 400}], "fire_within": "1d"},
        {"fire_criteria": [{**A, "number": 2**40}]},
    ],
)
def test_these_keys_may_be_combined(keys: dict[str, Any]) -> None:
    assert problems(**keys) == []


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"fire_criteria": None, "expire_pipeline": None}, "fire_criteria: is missing; "),
        ({"fire_criteria": None}, "fire_pipeline: needs fire_criteria"),
        *(
            (
                {"fire_criteria": None, "fire_pipeline": None, key: value},
                f"{key}: needs fire_criteria",
            )
            for key, value in (
                ("fire_order", "sequence"),
                ("fire_within", "1m"),
                ("fire_delay", 5),
                ("suppress", "1h"),
            )
        ),
        ({"match_criteria": [{**A, "opens": False}]}, "match_criteria: every criterion has "),
        ({"match_criteria": [{**A, "opens": 1}]}, "match_criteria[0].opens: expected true or "),
        ({"cancel_criteria": [{**A, "opens": True}]}, "cancel_criteria[0].opens: 'opens' is only"),
        ({"lateness": "1m"}, "lateness: needs a match criterion with 'opens: false', or "),
        ({"lateness": 0}, "lateness: expected a duration greater than zero"),
        ({"suppress": 0}, "suppress: expected a duration greater than zero"),
        ({"cancel_pipeline": "p"}, "cancel_pipeline: needs cancel_criteria"),
        ({"keep": "1h"}, "keep: needs fire_within"),
        ({"keep": "1m", "fire_within": "2m"}, "keep: expected at least as long as fire_within"),
        ({"fire_order": "first"}, "fire_order: expected one of any, sequence, not 'first'"),
        ({"timezone": "Europe/Berln"}, "timezone: no time zone is named 'Europe/Berln'; did you "),
        ({"timezone": "+01:00"}, "timezone: no time zone is named '+01:00'; expected an IANA name"),
        (
            {"cancel_criteria": []},
            "cancel_criteria: expected a list of at least one criterion, no",
        ),
        ({"fire_criteria": [{**A, "within": "5 minutes"}]}, "fire_criteria[0].within: expected a "),
        ({"match_criteria": [{**A, "within": "5m"}]}, "match_criteria[0].within: 'within' is only"),
        ({"fire_criteria": [{**A, "distinct": ["a"]}]}, "fire_criteria[0].distinct: "),
        *(
            (
                {"fire_criteria": [{**A, "sum": {"v": {"at_least": 1}}, key: value}]},
                f"fire_criteria[0].{key}: '{key}' cannot be combined with 'sum'",
            )
            for key, value in (("number", 2), ("within", "1m"), ("distinct", "v"))
        ),
        *(
            (
                {"fire_criteria": [{**A, "sum": {"v": {"at_least": 1}}}], key: value},
                f"fire_criteria[0].sum: cannot be combined with {text}",
            )
            for key, value, text in (
                ("fire_within", "1m", "'fire_within'"),
                ("fire_order", "sequence", "'fire_order: sequence'"),
            )
        ),
        *(
            ({"fire_criteria": [{**A, "sum": value}]}, f"fire_criteria[0].sum{problem}")
            for value, problem in (
                (5, ": expected one trait and its least total"),
                ({"v": {"at_least": 1}, "w": {"at_least": 1}}, ": expected one trait and its"),
                ({"v": 5}, ".v: expected a map with the key at_least, not 5"),
                ({"v": {}}, ".v: needs the key at_least"),
                ({"v": {"at_lest": 1}}, ".v.at_lest: unknown key 'at_lest': did you mean 'at_lea"),
                ({"v": {"at_least": 0}}, ".v.at_least: expected a number greater than zero, not "),
                ({"v": {"at_least": True}}, ".v.at_least: expected a number greater than zero"),
                (
                    {"v": {"at_least": "1e3"}},
                    ".v.at_least: expected a number greater than zero, ",
                ),
            )
        ),
        (
            {"fire_criteria": [{**A, "number": 1001, "within": "1m"}]},
            "fire_criteria[0].number: expected at most 1,000 with ",
        ),
        (
            {"fire_criteria": [{**A, "number": 600}, {**A, "number": 401}], "fire_within": "1d"},
            "fire_criteria: the numbers add up to 1,001; expected at most 1,000 with ",
        ),
        (
            {"cancel_criteria": [{**A, "map_distinguished_by": {"usr": "id"}}]},
            "cancel_criteria[0].map_distinguished_by.usr: not a distinguishing trait of this ",
        ),
    ],
)
def test_each_conflict_is_reported_at_its_key(keys: dict[str, Any], problem: str) -> None:
    (found,) = problems(**keys)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("keys", "warning"),
    [
        ({"fire_within": "1h"}, None),
        ({"fire_within": "61m"}, "[0].fire_within: longer than the expiration '$last + 1h' adds"),
        (
            {"fire_criteria": [{**A, "within": 3601}]},
            "[0].fire_criteria[0].within: longer than the expiration '$last + 1h' adds to $last ",
        ),
        (
            {"fire_within": "10m", "expiration": "$first + 1d"},
            "[0].fire_within: the expiration '$first + 1d' ends a stream while it still receives ",
        ),
        ({"fire_within": "10m", "expiration": "$timestamp + 1d"}, None),
    ],
)
def test_an_expiration_that_cuts_a_window_is_a_warning(
    keys: dict[str, Any], warning: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert problems(**keys) == []
    found = [each.getMessage() for each in caplog.records]
    if warning is None:
        assert found == []
    else:
        assert [each.partition(": ")[2].startswith(warning) for each in found] == [True]
