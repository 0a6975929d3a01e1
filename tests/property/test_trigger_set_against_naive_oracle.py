"""A trigger set matches and notifies its observer like a linear search."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from winchester_core.triggers.definition import TriggerDefinition
from winchester_core.triggers.grouping import GroupingError
from winchester_core.triggers.matcher import Match, TriggerSet

if TYPE_CHECKING:
    from collections.abc import Mapping

CONDITIONS = {each.name: each.load() for each in entry_points(group="winchester.conditions")}
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
VALUES = st.sampled_from([1, 1.0, True, "1", "a", "b", NOON])
PREDICATES = st.one_of(
    VALUES,
    VALUES,
    st.lists(VALUES, min_size=1, max_size=3).map(lambda values: {"in": values}),
    st.sampled_from([{"int": 1}, {"int": "> 0"}, {"exists": True}, {"not": "a"}]),
)
CRITERIA = st.fixed_dictionaries(
    {"event_type": st.sampled_from(["a.*", "a.b", "*.b", "*", "!a.b"])},
    optional={
        "traits": st.dictionaries(st.sampled_from("xyz"), PREDICATES, max_size=2),
        "map_distinguished_by": st.just({"x": "y"}),
    },
)
CONFIGS = st.fixed_dictionaries(
    {
        "distinguished_by": st.sampled_from([["x"], ["x", {"timestamp": "day"}], [{"z": "day"}]]),
        "match_criteria": st.lists(CRITERIA, min_size=1, max_size=3),
        "debug_level": st.sampled_from([0, 0, 0, 1, 2]),
        "fire_criteria": st.just([]),
        "expiration": st.just("$last + 1d"),
    }
)
EVENTS = st.builds(
    lambda event_type, traits: {
        "message_id": "m", "event_type": event_type, "timestamp": NOON, **traits
    },
    st.sampled_from(["a.b", "a.c", "b"]),
    st.dictionaries(st.sampled_from("xyz"), VALUES),
)  # fmt: skip


class RecordingObserver:
    """Records the notifications."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str | None]] = []

    def matched(self, definition: TriggerDefinition) -> None:
        self.calls.append((definition.name, None))

    def mismatched(self, definition: TriggerDefinition, reason: str) -> None:
        self.calls.append((definition.name, reason))


@given(st.lists(CONFIGS, max_size=12), st.lists(EVENTS, min_size=1, max_size=3))
def test_a_trigger_set_agrees_with_a_linear_search(
    configs: list[dict[str, Any]], events: list[dict[str, Any]]
) -> None:
    definitions = [
        TriggerDefinition.from_config({"name": f"t{number}", **config}, CONDITIONS)
        for number, config in enumerate(configs)
    ]
    observer = RecordingObserver()
    triggers = TriggerSet(definitions, observer)
    for event in events:
        observer.calls.clear()
        oracle = RecordingObserver()
        assert triggers.match(event) == search(definitions, event, oracle)
        assert observer.calls == oracle.calls


def search(
    definitions: list[TriggerDefinition], event: Mapping[str, Any], observer: RecordingObserver
) -> list[Match]:
    matches = []
    for definition in definitions:
        criteria = [
            each
            for each in definition.match_criteria
            if each.event_types.matches_uncached(event["event_type"])
        ]
        if not criteria:
            continue
        match, reason = decide(definition, criteria, event)
        if match is not None:
            matches.append(match)
        if definition.debug_level and match is not None:
            observer.matched(definition)
        elif definition.debug_level:
            observer.mismatched(definition, reason)
    return matches


def decide(
    definition: TriggerDefinition, criteria: list[Any], event: Mapping[str, Any]
) -> tuple[Match | None, str]:
    for criterion in criteria:
        if criterion.explain(event).matched:
            try:
                group = definition.grouping.group_of(event, criterion.map_distinguished_by)
            except GroupingError as reason:
                return None, str(reason)
            return Match(definition, group), ""
    if definition.debug_level < 2:
        return None, "no match criterion is satisfied"
    return None, "; ".join(each.explain(event).reason for each in criteria)
