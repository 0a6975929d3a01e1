"""The trigger index finds what a linear search would, in order and in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from winchester_core.criteria import CriteriaList, Criterion, compile_criterion
from winchester_core.triggers import index as index_module
from winchester_core.triggers.index import TriggerIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.triggers.index import Candidate


@dataclass(frozen=True)
class Trigger:
    """The part of a trigger that the index uses."""

    name: str
    evaluated_criteria: tuple[Criterion, ...]
    debug_level: int = 0


def trigger(name: str, *event_types: Any) -> Trigger:
    return Trigger(
        name,
        tuple(
            compile_criterion({"event_type": each}, {}, CriteriaList.MATCH) for each in event_types
        ),
    )


def names(candidates: Sequence[Candidate[Trigger]]) -> list[str]:
    return [candidate.trigger.name for candidate in candidates]


TRIGGERS = [
    trigger("all", "*"),
    trigger("exact", "a.b"),
    trigger("prefix", "a.*"),
    trigger("suffix", "*.b"),
    trigger("but", ["a.*", "!a.b"]),
    trigger("only_but", "!a.*"),
    trigger("two", "a.b", ["c", "d.*"]),
    trigger("first_letter", "[ab].*"),
    trigger("none"),
]
TYPES = ["a.b", "a.c", "a.", "a", "b.b", "c", "d.e", "d", "", "zzz", "A.B"]


@pytest.mark.parametrize("event_type", TYPES)
def test_candidates_equal_a_linear_search_in_order(
    event_type: str,
) -> None:
    index = TriggerIndex(TRIGGERS)
    searched = [
        (each.name, [one for one in each.evaluated_criteria if one.event_types.matches(event_type)])
        for each in TRIGGERS
    ]
    wanted = [(name, tuple(criteria)) for name, criteria in searched if criteria]
    for _ in range(2):  # when it is found, and when it is remembered
        found = index.candidates_for({"event_type": event_type})
        assert [(each.trigger.name, each.criteria) for each in found] == wanted


def test_a_candidate_keeps_its_matching_criteria_in_order() -> None:
    one = trigger("t", "a.*", "b", ["*", "!a.x"], "a.b")
    (candidate,) = TriggerIndex([one]).candidates_for({"event_type": "a.b"})
    assert candidate.criteria == tuple(one.evaluated_criteria[at] for at in (0, 2, 3))


def test_no_triggers_means_no_candidates() -> None:
    assert TriggerIndex[Trigger]([]).candidates_for({"event_type": "a"}) == ()


def test_a_second_lookup_returns_the_cached_result() -> None:
    index = TriggerIndex(TRIGGERS)
    assert index.candidates_for({"event_type": "a.b"}) is index.candidates_for(
        {"event_type": "a.b"}
    )
    assert index.candidates_for({"event_type": "zzz.nothing"}) is index.candidates_for(
        {"event_type": "zzz.nothing"}
    )


def test_many_distinct_types_do_not_grow_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "MAX_CACHED_TYPES", 50)
    index = TriggerIndex(TRIGGERS)
    for number in range(1_000):
        assert "all" in names(index.candidates_for({"event_type": f"flood.{number}"}))
        assert len(index._index_by_type) <= 50


def test_many_types_with_many_matching_triggers_do_not_grow_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(index_module, "MAX_CACHED_CANDIDATES", 100)
    index = TriggerIndex([trigger(str(number), "*") for number in range(30)])
    for number in range(100):
        assert len(index.candidates_for({"event_type": f"flood.{number}"})) == 30
        assert len(index._indexes_by_slots) == 1


def test_many_types_with_different_triggers_do_not_grow_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(index_module, "MAX_CACHED_CANDIDATES", 100)
    monkeypatch.setattr(index_module, "MIN_CACHED_INDEXES", 2)
    index = TriggerIndex([trigger(str(number), f"?{number}*", "*") for number in range(30)])
    for number in range(100):
        assert len(index.candidates_for({"event_type": f"x{number}"})) == 30
        assert (
            index._cached_references
            == sum(each.reference_count for each in index._indexes_by_slots.values())
            <= 100
        )


def test_several_candidate_lists_are_cached_for_any_number_of_triggers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(index_module, "MAX_CACHED_CANDIDATES", 10)
    index = TriggerIndex([trigger(str(number), f"?{number}*", "*") for number in range(30)])
    types = [f"x{number}" for number in range(index_module.MIN_CACHED_INDEXES)]
    first = [index.candidates_for({"event_type": each}) for each in types]
    assert [index.candidates_for({"event_type": each}) for each in types] == first
    assert all(
        index.candidates_for({"event_type": one}) is two
        for one, two in zip(types, first, strict=True)
    )


def test_only_triggers_reachable_by_the_type_are_evaluated() -> None:
    index = TriggerIndex(
        [trigger(f"t{number}", f"service{number:04}.*") for number in range(1_000)]
    )
    assert len(index._possible_slots("service0500.create")) == 1
    assert names(index.candidates_for({"event_type": "service0500.create"})) == ["t500"]


def test_suffix_globs_are_found_by_suffix() -> None:
    index = TriggerIndex([trigger(f"t{number}", f"*.part{number:04}") for number in range(1_000)])
    assert len(index._possible_slots("service.part0500")) == 1
    assert names(index.candidates_for({"event_type": "service.part0500"})) == ["t500"]


def test_threads_may_share_an_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "MAX_CACHED_TYPES", 5)
    index = TriggerIndex(TRIGGERS)
    wanted = {
        each: names(TriggerIndex(TRIGGERS).candidates_for({"event_type": each})) for each in TYPES
    }
    wrong: list[str] = []

    def ask() -> None:
        for _ in range(200):
            wrong.extend(
                each
                for each in TYPES
                if names(index.candidates_for({"event_type": each})) != wanted[each]
            )

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
