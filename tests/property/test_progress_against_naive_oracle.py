"""Incremental progress of a stream equals that computed from all its events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from winchester_core.triggers import progress
from winchester_core.triggers.definition import TriggerDefinition

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
TYPES = st.sampled_from(["a.b", "a.c", "b"])
CRITERIA = st.fixed_dictionaries(
    {"event_type": st.sampled_from(["a.*", "a.b", "!b", "*"]), "number": st.integers(1, 3)}
)
EVENTS = st.builds(
    lambda event_type, minutes: {
        "message_id": "m", "event_type": event_type, "timestamp": NOON + timedelta(minutes=minutes)
    },
    TYPES,
    st.integers(-5, 5),
)  # fmt: skip


@given(st.lists(CRITERIA, max_size=3), st.lists(EVENTS, min_size=1, max_size=8))
def test_incremental_progress_equals_that_of_the_whole_stream(
    fire_criteria: list[dict[str, Any]], events: list[dict[str, Any]]
) -> None:
    definition = TriggerDefinition.from_config(
        {
            "name": "t",
            "distinguished_by": [],
            "match_criteria": [],
            "fire_criteria": fire_criteria,
            "expiration": "$first + 1h",
        },
        {},
    )
    facts = progress.start(definition, events[0], NOON)
    met_at = NOON if met(definition, events[:1]) else None
    for number, event in enumerate(events[1:], 2):
        now = NOON + timedelta(seconds=number)
        progress.add_event(definition, facts, event, now)
        if met_at is None and met(definition, events[:number]):
            met_at = now
    stamps = [event["timestamp"] for event in events]
    assert (facts.first_event, facts.last_event) == (min(stamps), max(stamps))
    assert facts.expire_timestamp == min(stamps) + timedelta(hours=1)
    assert facts.event_count == len(events)
    assert facts.fire_timestamp == met_at
    assert progress.criteria_met(definition, facts.counts) is (met_at is not None)


def met(definition: TriggerDefinition, events: list[dict[str, Any]]) -> bool:
    """Return whether there are criteria, and each has its number among these events."""
    return bool(definition.fire_criteria) and all(
        sum(map(criterion.matches, events)) >= criterion.number
        for criterion in definition.fire_criteria
    )
