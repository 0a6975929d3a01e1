"""Explanations of windows, members and sums agree with what the engine counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders.stream_records import make_stream_record
from winchester_core.criteria import MatchRole
from winchester_core.triggers import counting
from winchester_core.triggers.definition import TriggerDefinition
from winchester_core.triggers.details import format_details, parse_details, shown_progress
from winchester_core.triggers.explanation import explain_event, length_text
from winchester_core.triggers.member_explanation import explain_members
from winchester_core.triggers.progress_explanation import (
    describe_fire_criterion,
    describe_missing,
    describe_sequence,
    explain_progress,
    progress_of,
    progress_text,
)

if TYPE_CHECKING:
    from winchester_core.model.stream import StreamRecord

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def trigger(*fire_criteria: dict[str, Any], **keys: Any) -> TriggerDefinition:
    config = {
        "name": "t",
        "distinguished_by": [],
        "match_criteria": [{"event_type": "*"}],
        "fire_criteria": list(fire_criteria),
        "expiration": "$last + 1h",
        "fire_pipeline": "p",
        **keys,
    }
    return TriggerDefinition.from_config(config, {})


def event(event_type: str, minute: float, **traits: Any) -> dict[str, Any]:
    return {
        "message_id": f"{event_type}{minute:g}",
        "event_type": event_type,
        "timestamp": NOON + minute * MINUTE,
        **traits,
    }


def stream_of(definition: TriggerDefinition, events: list[dict[str, Any]]) -> StreamRecord:
    """Return the stream of events that arrive in this order, each at its time."""
    first, *others = events
    progress = counting.start(definition, first, first["timestamp"])
    for number, each in enumerate(others, start=2):
        role = next(
            criterion.role for criterion in definition.evaluated_criteria if criterion.matches(each)
        )
        members = events[:number]
        now = max(member["timestamp"] for member in members)
        if role is MatchRole.CANCELS:
            counting.cancel(definition, progress, each, now, lambda known=members: known)
        else:
            counting.add_event(definition, progress, each, now, role, lambda known=members: known)
    text = format_details(progress.details)
    details = parse_details(text)
    assert details is not None
    return make_stream_record(
        first_event=progress.first_event,
        last_event=progress.last_event,
        expire_timestamp=progress.expire_timestamp,
        fire_timestamp=progress.fire_timestamp,
        event_count=progress.event_count,
        progress=shown_progress(details),
        fingerprint=progress.fingerprint,
        progress_text=text,
    )


def by_time(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(events, key=lambda each: each["timestamp"])


MINUTES = st.lists(st.integers(0, 20), min_size=1, max_size=12)


@given(MINUTES, st.integers(2, 5), st.integers(1, 8), st.integers(0, 5))
def test_a_window_has_the_events_that_a_later_event_may_complete(
    minutes: list[int], number: int, within: int, later: int
) -> None:
    definition = trigger({"event_type": "a", "number": number, "within": f"{within}m"})
    events = [event("a", minute) for minute in minutes]
    stream = stream_of(definition, events)
    now = NOON + (max(minutes) + later) * MINUTE
    (progress,) = explain_progress(definition, stream, by_time(events), now)
    ordered = sorted(minutes)
    complete = any(
        last - first <= within for first, last in zip(ordered, ordered[number - 1 :], strict=False)
    )
    assert progress.is_met == complete == (stream.fire_timestamp is not None)
    if complete:
        return
    alive = [each for each in minutes if each + within >= max(minutes) + later]
    assert progress.has == len(alive)
    assert progress.window is not None
    expected = NOON + (min(alive) + within) * MINUTE if alive else None
    assert progress.window.next_out == expected
    assert sum(each.number for each in progress.mismatches) == len(minutes) - len(alive)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 12)), min_size=1, max_size=10))
def test_a_sequence_is_met_if_and_only_if_its_stream_fires(words: list[tuple[str, int]]) -> None:
    steps = ({"event_type": "a", "number": 2}, {"event_type": "b"})
    definition = trigger(*steps, fire_order="sequence", fire_within="4m")
    events = [event(*word) for word in words]
    stream = stream_of(definition, events)
    now = max(each["timestamp"] for each in events)
    progress = explain_progress(definition, stream, by_time(events), now)
    assert all(each.is_met for each in progress) == (stream.fire_timestamp is not None)
    assert [each.step for each in progress] == [1, 2]


def test_the_reached_step_is_named_with_its_end() -> None:
    steps = ({"event_type": "a"}, {"event_type": "b"}, {"event_type": "c"})
    definition = trigger(*steps, fire_order="sequence", fire_within="5m")
    events = [event("a", 0), event("b", 1)]
    stream = stream_of(definition, events)
    reached = explain_progress(definition, stream, events, NOON + 2 * MINUTE)
    assert describe_sequence(reached) == (
        "step 2 of 3 is reached; with the events so far, the last step must be reached by "
        "2026-03-14T12:05:00+00:00 (fire_within)"
    )
    over = explain_progress(definition, stream, events, NOON + 6 * MINUTE)
    assert describe_sequence(over) == "no step of the sequence of 3 is reached"
    endless = trigger(*steps, fire_order="sequence")
    reached = explain_progress(endless, stream_of(endless, events), events, NOON + 60 * MINUTE)
    assert describe_sequence(reached) == "step 2 of 3 is reached"


def test_members_that_do_not_count_have_a_reason() -> None:
    definition = trigger(
        {"event_type": "a", "number": 5},
        match_criteria=[{"event_type": "a"}, {"event_type": "b", "opens": False}],
        cancel_criteria=[{"event_type": "x"}],
    )
    events = [event("a", 3), event("a", 8), event("b", 1), event("x", 4), event("b", 6)]
    stream = stream_of(definition, events)
    explanation = explain_members(definition, stream, by_time(events))
    assert [(each.message_id, each.number) for each in explanation.ignored] == [
        ("b1", 2),
        ("x4", 1),
        ("b6", 1),
    ]
    assert [each["message_id"] for each in explanation.counted] == ["a8"]
    assert explanation.cancelled_by is not None
    assert explanation.cancelled_by.message_id == "x4"
    trimmed = explain_members(definition, stream, [events[1]])
    assert trimmed.cancelled_by is not None
    assert (trimmed.cancelled_by.message_id, trimmed.ignored) == (None, ())


def test_progress_counted_by_other_criteria_is_counted_again() -> None:
    old = trigger({"event_type": "a", "number": 9, "within": "9m"})
    new = trigger({"event_type": "a", "number": 9, "within": "2m"})
    events = [event("a", 0), event("a", 3), event("a", 4)]
    stream = stream_of(old, events)
    assert explain_progress(old, stream, events)[0].has == 3
    assert explain_progress(new, stream, events)[0].has == 2
    assert progress_of(stream).details == parse_details(stream.progress_text)


def test_numbers_counted_before_a_trigger_had_cancel_criteria_are_used() -> None:
    old = trigger({"event_type": "a", "number": 5})
    new = trigger({"event_type": "a", "number": 5}, cancel_criteria=[{"event_type": "x"}])
    assert old.fingerprint == new.fingerprint
    events = [event("a", 0), event("a", 1)]
    text = {"progress": (2,), "progress_text": "2"}
    plain = replace(stream_of(old, events), **text)
    assert explain_progress(new, plain, events)[0].has == 2
    assert explain_members(new, plain, events).ignored == ()
    cancelled = stream_of(new, [*events, event("a", 9), event("x", 4)])
    members = [*events, event("x", 4), event("a", 9)]
    assert explain_progress(old, cancelled, members)[0].has == 1


@pytest.mark.parametrize(
    ("criterion", "text"),
    [
        ({"event_type": "a"}, "event type 'a'"),
        ({"event_type": "a", "number": 3}, "3 events: event type 'a'"),
        (
            {"event_type": "a", "number": 3, "within": 90},
            "3 events within 1m 30s: event type 'a'",
        ),
        (
            {"event_type": "a", "number": 2, "distinct": "ip"},
            "2 different values of ip: event type 'a'",
        ),
        (
            {"event_type": "a", "sum": {"gb": {"at_least": 0.1}}},
            "a sum of gb of at least 0.1: event type 'a'",
        ),
    ],
)
def test_what_a_criterion_needs_is_described(criterion: dict[str, Any], text: str) -> None:
    assert describe_fire_criterion(trigger(criterion).fire_criteria[0]) == text


def test_sums_are_exact() -> None:
    definition = trigger({"event_type": "a", "sum": {"gb": {"at_least": 2}}})
    events = [event("a", minute, gb=0.1) for minute in range(10)]
    (progress,) = explain_progress(definition, stream_of(definition, events), events)
    assert (progress.has, progress.needs, progress.label) == (1, 2, "sum of gb of 1, needs 2")


def test_numbers_are_shown_with_their_unit_and_interval() -> None:
    assert progress_text(3, 5, "events", "10m") == "3 of 5 within 10m"
    assert progress_text(1, 2, "different values of ip", None) == "1 of 2 different values of ip"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (0.5, "500000us"), (90, "1m 30s"), (129600, "1d 12h")]
)
def test_a_length_is_written_as_in_a_configuration(seconds: float, text: str) -> None:
    assert length_text(timedelta(seconds=seconds)) == text


def test_the_role_of_an_event_is_explained() -> None:
    definition = trigger(
        {"event_type": "a"},
        match_criteria=[{"event_type": ["a", "x"]}, {"event_type": "b", "opens": False}],
        cancel_criteria=[{"event_type": "x"}],
    )
    found = {kind: explain_event(definition, event(kind, 0)) for kind in "abxy"}
    assert [found[kind].role for kind in "abxy"] == [
        MatchRole.OPENS,
        MatchRole.JOINS,
        MatchRole.CANCELS,
        None,
    ]
    assert found["a"].reason == "it meets match criterion 1"
    assert found["b"].reason == (
        "it meets match criterion 2: it joins the open stream of its group; it opens none"
    )
    assert found["x"].reason == (
        "it meets cancel criterion 1: it cancels the open stream of its group, except for "
        "events that are newer"
    )
    assert found["y"].reason == "it meets no match or cancel criterion"


def test_members_of_a_matching_type_that_do_not_count_are_not_denied() -> None:
    definition = trigger(
        {"event_type": "a", "number": 2},
        {"event_type": "b"},
        cancel_criteria=[{"event_type": "ok"}],
    )
    events = [event("a", 0), event("c", 2), event("ok", 1)]
    stream = stream_of(definition, events)
    first, second = explain_progress(definition, stream, by_time(events))
    assert describe_missing(1, first).endswith("; no event that counts has a matching type")
    assert describe_missing(2, second).endswith("; no event has a matching type")
