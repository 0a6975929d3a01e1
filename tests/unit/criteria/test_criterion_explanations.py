"""An explanation names every failed predicate with its reason, and no value of the event."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from winchester_core.criteria import CriteriaList, compile_criterion
from winchester_core.interfaces import Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from winchester_core.criteria import Criterion

NOON = datetime(2014, 1, 2, 12, tzinfo=UTC)
SECRET = "s3cr3t"


@pytest.fixture
def why(
    compiled: Callable[..., Criterion], make_event: Callable[..., dict[str, Any]]
) -> Callable[..., str]:
    """why(wanted, **traits): the reason why a predicate on trait `x` fails."""

    def reason_of(wanted: Any, **traits: Any) -> str:
        result = compiled({"traits": {"x": wanted}}).explain(make_event(**traits))
        assert not result.matched
        return result.reason

    return reason_of


@pytest.mark.parametrize(
    ("wanted", "described"),
    [
        (3, "x is 3"),
        ({"int": "> 3"}, "x is an int > 3"),
        ({"in": [3]}, "x is one of 3"),
        ({"regex": "a"}, "x is text in which /a/ is found"),
        ({"datetime": "day"}, "x is a datetime in 'day'"),
    ],
)
def test_a_missing_trait_is_reported(why: Callable[..., str], wanted: Any, described: str) -> None:
    assert why(wanted) == f"trait 'x' is missing; expected: {described}"


@pytest.mark.parametrize(
    ("wanted", "prefix"),
    [
        (3, "trait 'x' is text, not an int; expected: x is 3"),
        ({"int": 3}, "trait 'x' is text, not an int; expected: x is an int == 3"),
        ({"numeric": 3}, "trait 'x' is text, not an int or a float"),
        ({"datetime": "day"}, "trait 'x' is text, not a datetime"),
        ({"range": {"min": 3}}, "trait 'x' is text, not an int or a float"),
        ({"range": {"min": NOON}}, "trait 'x' is text, not a datetime"),
        ({"in": [3]}, "trait 'x' is text; not satisfied: x is one of 3"),
    ],
)
def test_a_wrong_type_is_reported_with_the_expected_one(
    why: Callable[..., str], wanted: Any, prefix: str
) -> None:
    reason = why(wanted, x=SECRET)
    assert reason.startswith(prefix)
    assert SECRET not in reason


@pytest.mark.parametrize(
    "wanted",
    ["b", {"string": "b"}, {"regex": "b"}, {"glob": "b*"}, {"cidr": "::/0"}, {"in": ["b"]}],
    ids=str,
)
def test_no_value_of_the_event_is_shown(why: Callable[..., str], wanted: Any) -> None:
    assert SECRET not in why(wanted, x=SECRET)


def test_a_missing_time_variable_is_reported(why: Callable[..., str]) -> None:
    reason = why({"datetime": "$beginning + 1d"}, x=NOON)
    assert "the event has no datetime 'beginning'" in reason
    assert "'$beginning + 1d'" in reason


def test_a_time_outside_the_calendar_is_reported(why: Callable[..., str]) -> None:
    assert "9999" in why({"datetime": "$timestamp + 9000y"}, x=NOON)


def test_a_text_too_long_for_a_pattern_is_reported(why: Callable[..., str]) -> None:
    assert "more than 65536 characters" in why({"regex": "a"}, x="a" * 70_000)
    assert "more than 65536 characters" in why({"glob": "a"}, x="a" * 70_000)


def test_a_wrong_event_type_is_reported_with_the_other_failures(
    compiled: Callable[..., Criterion], make_event: Callable[..., dict[str, Any]]
) -> None:
    criterion = compiled({"event_type": "c.*", "traits": {"x": 1, "y": 2}})
    result = criterion.explain(make_event(y=2))
    assert result.reason == ("its event type is not 'c.*'; trait 'x' is missing; expected: x is 1")
    assert [part.matched for part in result.parts] == [False, False, True]


def test_a_match_is_explained_by_its_predicates(
    compiled: Callable[..., Criterion], make_event: Callable[..., dict[str, Any]]
) -> None:
    criterion = compiled({"event_type": "a.*", "traits": {"x": 1}})
    result = criterion.explain(make_event(x=1))
    assert result.matched
    assert result.reason == criterion.describe() == "event type 'a.*' and x is 1"
    assert [part.reason for part in result.parts] == ["its event type is 'a.*'", "x is 1"]


def test_combinations_are_explained_part_by_part(
    compiled: Callable[..., Criterion], make_event: Callable[..., dict[str, Any]]
) -> None:
    wanted = {"any": [{"int": "> 3"}, {"all": [{"exists": True}, {"not": {"int": 1}}]}]}
    result = compiled({"traits": {"x": wanted}}).explain(make_event(x=1))
    either = result.parts[1]
    assert either.reason == (
        "none of these: not satisfied: x is an int > 3; excluded: x is an int == 1"
    )
    assert [part.matched for part in either.parts] == [False, False]
    assert [part.matched for part in either.parts[1].parts] == [True, False]


def test_a_condition_without_an_explanation_gets_a_generic_one(
    make_event: Callable[..., dict[str, Any]],
) -> None:
    class Never(Condition):
        def matches(self, event: Mapping[str, Any]) -> bool:
            return False

        def describe(self) -> str:
            return "pigs fly"

    criterion = compile_criterion(
        {"traits": {"x": {"never": 1}}}, {"never": Never}, CriteriaList.FIRE
    )
    assert criterion.explain(make_event()).reason == "trait 'x' is missing; expected: pigs fly"
    assert (
        criterion.explain(make_event(x=1)).reason == "trait 'x' is an int; not satisfied: pigs fly"
    )
