"""Fire criteria with windows, compared with an exhaustive search."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.exhaustive_patterns import Part, Pattern, Seen, meets
from oracle.pattern_members import Member, is_met
from support.builders.events import at
from support.builders.patterns import make_pattern
from support.probes.hypothesis_examples import examples
from winchester_core.criteria import MatchRole
from winchester_core.triggers.grouping import encode_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.model.event import Event
    from winchester_core.triggers.definition import TriggerDefinition

STEPS = 3

parts = st.builds(
    Part,
    number=st.integers(1, 3),
    within=st.none() | st.integers(0, 4),
    is_distinct=st.sampled_from([False, False, True]),
)
search_patterns = st.builds(
    Pattern,
    st.lists(parts, min_size=1, max_size=STEPS).map(tuple),
    st.booleans(),
    st.none() | st.integers(0, 6),
)
Drawn = tuple[int, frozenset[int], Any]
"""The second of an event, the criteria that it satisfies, and its value (None: it lacks one)."""

drawn_events: st.SearchStrategy[list[Drawn]] = st.lists(
    st.tuples(
        st.integers(0, 8),
        st.frozensets(st.integers(0, STEPS - 1)),
        st.sampled_from([1, 1.0, "1", True, 2, None]),
    ),
    max_size=9,
)


def trigger_of(pattern: Pattern) -> TriggerDefinition:
    keys: dict[str, Any] = {}
    if pattern.in_sequence:
        keys["fire_order"] = "sequence"
    if pattern.fire_within is not None:
        keys["fire_within"] = pattern.fire_within
    return make_pattern(
        [criterion_of(index, each) for index, each in enumerate(pattern.parts)], **keys
    )


def criterion_of(index: int, part: Part) -> Mapping[str, Any]:
    criterion: dict[str, Any] = {"event_type": f"*{index}*", "number": part.number}
    if part.within is not None:
        criterion["within"] = part.within
    if part.is_distinct:
        criterion["distinct"] = "value"
    return criterion


def event_of(number: int, drawn: Drawn) -> Event:
    seconds, steps, value = drawn
    event: Event = {
        "message_id": f"m{number}",
        "event_type": "e" + "".join(map(str, sorted(steps))),
        "timestamp": at(seconds),
    }
    return event if value is None else {**event, "value": value}


def seen_of(pattern: Pattern, drawn: Drawn) -> Seen:
    seconds, steps, value = drawn
    return Seen(
        seconds,
        {
            step: encode_value(value) if pattern.parts[step].is_distinct else None
            for step in steps
            if step < len(pattern.parts)
            if not (pattern.parts[step].is_distinct and value is None)
        },
    )


@given(pattern=search_patterns, drawn=drawn_events)
@settings(max_examples=examples(1000))
def test_the_naive_oracle_agrees_with_exhaustive_search(
    pattern: Pattern, drawn: list[Drawn]
) -> None:
    members = [Member(event_of(number, each), MatchRole.OPENS) for number, each in enumerate(drawn)]
    seen = [seen_of(pattern, each) for each in drawn]
    assert is_met(trigger_of(pattern), members) == meets(pattern, seen)


@given(pattern=search_patterns, drawn=drawn_events)
@settings(max_examples=examples(1000))
def test_windows_agree_with_exhaustive_search_at_every_event(
    pattern: Pattern, drawn: list[Drawn]
) -> None:
    seen = [seen_of(pattern, each) for each in drawn]
    expected = [meets(pattern, seen[: end + 1]) for end in range(len(seen))]
    # an event never unmakes what is met, and the rules say it at the event that completes it
    assert sorted(expected) == expected
    if len(trigger_of(pattern).window_rules.indexes) == len(pattern.parts):  # others only count
        assert met_at(pattern, drawn) == (expected.index(True) if True in expected else None)


def met_at(pattern: Pattern, drawn: Sequence[Drawn]) -> int | None:
    """Return the place of the event at which the rules say that the pattern is met."""
    rules = trigger_of(pattern).window_rules
    progress, arrived = rules.start(), []
    for place, each in enumerate(drawn):
        event = event_of(place, each)
        offset = timedelta(seconds=each[0]) // timedelta(microseconds=1)
        counted = rules.counted(event, offset)
        if counted is None:
            continue
        arrived.append(counted)
        met = rules.add(progress, counted)
        if met is None:
            progress, met = rules.count(arrived)
        if met:
            return place
    return None
