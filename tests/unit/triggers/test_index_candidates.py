"""Triggers whose constants an event lacks are not evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import entry_points
from typing import Any

import pytest

from winchester_core.criteria import CriteriaList, Criterion, compile_criterion
from winchester_core.criteria.conditions.equality import ConstantCondition
from winchester_core.triggers.index import Candidate, CandidateIndex

CONDITIONS = {each.name: each.load() for each in entry_points(group="winchester.conditions")}
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Trigger:
    """The part of a trigger that the index uses."""

    name: str
    evaluated_criteria: tuple[Criterion, ...]
    debug_level: int = 0


class CaseInsensitive(ConstantCondition):
    """A plugin's condition that matches more than its base class does."""

    def matches(self, event: Any) -> bool:
        """Compare case-insensitively."""
        return str(event.get(self.trait)).lower() == str(self.expression).lower()


class MinimalCondition:
    """A minimal condition of a plugin."""

    config_schema = staticmethod(lambda expression: expression)

    def __init__(self, trait: str, expression: Any) -> None:
        self._wanted = trait, expression

    def matches(self, event: Any) -> bool:
        """Compare for equality."""
        trait, expression = self._wanted
        return bool(event.get(trait) == expression)

    def describe(self) -> str:
        """Describe the comparison."""
        return f"{self._wanted}"


def candidate_index(*wanted: Any, debug_level: int = 0) -> CandidateIndex[Trigger]:
    """Return triggers 0, 1, 2... with these predicates: a dict is one criterion, a list several."""
    known: dict[str, Any] = {**CONDITIONS, "blind": CaseInsensitive, "bare": MinimalCondition}
    candidates = []
    for number, each in enumerate(wanted):
        traits = each if isinstance(each, list) else [each]
        criteria = tuple(
            compile_criterion({"traits": one}, known, CriteriaList.MATCH) for one in traits
        )
        candidates.append(Candidate(Trigger(str(number), criteria, debug_level), criteria))
    return CandidateIndex(tuple(candidates))


def found(candidates: CandidateIndex[Trigger], **traits: Any) -> str:
    """Return the names of the candidates in order."""
    event = {"event_type": "a", "timestamp": NOON, **traits}
    return "".join(each.trigger.name for each in candidates.candidates_for(event))


def test_an_event_is_matched_against_the_triggers_of_its_own_constant() -> None:
    regions = candidate_index(*({"region": f"r{number}"} for number in range(9)))
    assert found(regions, region="r3") == "3"
    assert found(regions, region="r99") == ""
    assert found(regions) == ""


def test_triggers_without_a_constant_are_always_evaluated_in_order() -> None:
    mixed = candidate_index(
        {"r": "a"}, {}, {"r": "b"}, {"n": {"int": "> 3"}}, {"r": "c"}, {"r": "a"}
    )
    assert found(mixed, r="a") == "0135"
    assert found(mixed, r="x") == "13"
    assert found(mixed) == "13"


@pytest.mark.parametrize(
    ("demand", "value"),
    [
        ({"string": "3"}, "3"),
        ({"text": "3"}, "3"),
        ({"int": "3"}, 3),
        ({"float": "== 3"}, 3.0),
        ({"numeric": 3}, 3.0),
        ({"in": [3, 3.5, "3"]}, 3.5),
        ({"any": ["x", {"in": ["3", 4]}]}, "3"),
        ({"all": [{"exists": True}, "3"]}, "3"),
        (True, True),
        (NOON, NOON),
    ],
)
def test_conditions_with_few_satisfying_values_are_indexed_by_them(demand: Any, value: Any) -> None:
    several = candidate_index({"r": demand}, *({"r": f"other {number}"} for number in range(9)))
    assert found(several, r=value) == "0"
    assert found(several, r="neither") == ""


@pytest.mark.parametrize(
    "demand",
    [
        {"not": "a"},
        {"any": ["a", {"glob": "b*"}]},
        {"int": "> 3"},
        {"exists": True},
        {"in": list(range(101))},
        {"blind": "A"},
        {"bare": "a"},
    ],
)
def test_other_conditions_are_always_evaluated(demand: Any) -> None:
    several = candidate_index({"r": demand}, *({"r": f"other {number}"} for number in range(9)))
    assert found(several, r="neither") == "0"


def test_a_trigger_is_found_once_by_any_of_its_criteria() -> None:
    several = candidate_index(
        [{"r": "a"}, {"s": "b"}], *({"r": f"r{number}"} for number in range(9))
    )
    assert found(several, r="a") == found(several, s="b") == found(several, r="a", s="b") == "0"


def test_a_trigger_with_a_criterion_without_constants_is_always_evaluated() -> None:
    several = candidate_index([{"r": "a"}, {}], *({"r": f"r{number}"} for number in range(9)))
    assert found(several, r="x") == "0"


def test_the_most_selective_constant_is_indexed() -> None:
    several = candidate_index(*({"state": "active", "tenant": f"t{number}"} for number in range(9)))
    assert found(several, state="active", tenant="t4") == "4"
    assert found(several, state="active") == ""


def test_a_constant_shared_by_most_triggers_is_not_indexed() -> None:
    several = candidate_index(*({"state": "active"} for _ in range(9)))
    assert found(several, state="error") == "012345678"


def test_contradictory_criteria_are_never_evaluated() -> None:
    contradiction = {"r": {"all": ["a", "b"]}}
    several = candidate_index(contradiction, *({"r": f"r{number}"} for number in range(9)))
    assert found(several, r="a") == ""


def test_a_debugged_trigger_receives_every_event_of_its_types() -> None:
    watched = candidate_index(*({"r": f"r{number}"} for number in range(9)), debug_level=1)
    assert found(watched, r="r3") == "012345678"


@pytest.mark.parametrize("wanted", [[], [{"s": "s"} for _ in range(9)]])
def test_an_event_with_an_unhashable_value_is_matched_against_all(wanted: list[Any]) -> None:
    several = candidate_index(*wanted, *({"r": f"r{number}"} for number in range(9)))
    assert several.candidates_for({"r": ["r1"]}) == several.candidates


def test_always_evaluated_triggers_keep_their_order_among_indexed_ones() -> None:
    several = candidate_index(*({"r": f"r{number}"} if number % 2 else {} for number in range(40)))
    always = [str(number) for number in range(0, 40, 2)]
    possible = several.candidates_for({"r": "r3"})
    assert [each.trigger.name for each in possible] == ["0", "2", "3", *always[2:]]


def test_with_many_indexed_traits_the_events_own_traits_drive_the_lookup() -> None:
    several = candidate_index(*({f"trait {number}": "a"} for number in range(100)))
    assert found(several, **{"trait 42": "a", "trait 7": "b"}) == "42"
