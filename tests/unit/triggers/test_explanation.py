"""Explanations of an event at a trigger, and of a stream's progress towards its fire criteria."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.builders.events import NOON
from support.builders.stream_records import make_stream_record
from winchester_core.criteria.conditions.numbers import IntCondition
from winchester_core.triggers.definition import TriggerDefinition
from winchester_core.triggers.explanation import explain_event
from winchester_core.triggers.matcher import TriggerSet
from winchester_core.triggers.progress_explanation import Mismatch, explain_progress

if TYPE_CHECKING:
    from winchester_core.model.stream import StreamRecord


def trigger(**changes: Any) -> TriggerDefinition:
    config = {
        "name": "t",
        "distinguished_by": ["order", {"timestamp": "day"}],
        "match_criteria": [
            {"event_type": "paid"},
            {"event_type": "item", "map_distinguished_by": {"order": "of"}},
        ],
        "fire_criteria": [
            {"event_type": "paid"},
            {"event_type": "item", "number": 3, "traits": {"size": {"int": "> 3"}}},
        ],
        "expiration": "$last + 1h",
        "fire_pipeline": "p",
        **changes,
    }
    return TriggerDefinition.from_config(config, {"int": IntCondition})


def event(event_type: str, message_id: str = "m", **traits: Any) -> dict[str, Any]:
    return {"message_id": message_id, "event_type": event_type, "timestamp": NOON, **traits}


def stream(definition: TriggerDefinition, *progress: int, **changes: Any) -> StreamRecord:
    facts: dict[str, Any] = {"event_count": 4, "fingerprint": definition.fingerprint, **changes}
    return make_stream_record(progress=progress, **facts)


def test_the_first_matching_criterion_decides_the_group() -> None:
    explanation = explain_event(trigger(), event("item", of=7, size=5))
    assert (explanation.matched, explanation.reason) == (True, "it meets match criterion 2")
    assert explanation.distinguished_by is not None
    assert explanation.distinguished_by["order"] == 7
    assert [each.is_met for each in explanation.match_criteria] == [False, True]
    assert [each.is_met for each in explanation.fire_criteria] == [False, True]


def test_an_event_of_another_type_is_reported_by_its_type_only() -> None:
    explanation = explain_event(trigger(), event("lost"))
    assert (explanation.matched, explanation.reason) == (False, "it meets no match criterion")
    assert [each.reason for each in explanation.match_criteria] == [
        "its event type is not 'paid'",
        "its event type is not 'item'",
    ]
    assert explanation.fire_criteria[1].reason == "its event type is not 'item'"
    assert explanation.fire_criteria[1].criterion == "event type 'item' and size is an int > 3"


def test_a_missing_distinguishing_trait_is_reported_with_its_criterion() -> None:
    explanation = explain_event(trigger(), event("item", order=7))
    assert explanation.reason == (
        "it meets match criterion 2, but it lacks the distinguishing trait 'of'"
    )
    assert explanation.distinguished_by is None


def test_an_explanation_agrees_with_the_matching() -> None:
    definition = trigger()
    triggers = TriggerSet([definition])
    for each in (
        event("paid", order=1),
        event("paid"),
        event("item", of="a"),
        event("item"),
        event("lost", order=1),
    ):
        explanation = explain_event(definition, each)
        groups = [match.group.values for match in triggers.match(each)]
        assert groups == ([explanation.distinguished_by] if explanation.matched else [])


def test_unmatched_events_are_grouped_by_reason_with_matching_types_first() -> None:
    definition = trigger()
    events = [
        event("paid", "m1"),
        event("item", "m2", size=5),
        event("item", "m3", size=1),
        event("item", "m4"),
        event("item", "m5", size=2),
    ]
    _, items = explain_progress(definition, stream(definition, 1, 1), events)
    assert (items.has, items.needs, items.is_met) == (1, 3, False)
    assert [(each.number, each.message_id, each.type_matches) for each in items.mismatches] == [
        (2, "m3", True),
        (1, "m4", True),
        (1, "m1", False),
    ]
    assert "'size' is missing" in items.mismatches[1].reason
    assert items.mismatches[2] == Mismatch("its event type is not 'item'", 1, "m1", False)


def test_stored_progress_is_shown_while_the_rules_are_unchanged() -> None:
    definition = trigger()
    stored = stream(definition, 1, 2)
    paid, items = explain_progress(definition, stored, [])
    assert (paid.has, paid.is_met, items.has) == (1, True, 2)


def test_progress_under_other_rules_is_recalculated_up_to_the_required_number() -> None:
    old, new = trigger(), trigger(fire_criteria=[{"event_type": "item", "number": 2}])
    events = [event("item", f"m{number}") for number in range(3)]
    (items,) = explain_progress(new, stream(old, 1, 0), events)
    assert (items.has, items.needs, items.is_met) == (2, 2, True)
