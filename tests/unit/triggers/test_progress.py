"""Progress of a stream: events move it towards firing or expiring."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from winchester_core.criteria.conditions.numbers import IntCondition
from winchester_core.model.stream import Reason
from winchester_core.triggers import progress, recalculation
from winchester_core.triggers.definition import TriggerDefinition

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


def trigger(**changes: Any) -> TriggerDefinition:
    config = {
        "name": "t",
        "distinguished_by": ["id"],
        "match_criteria": [{"event_type": "*"}],
        "fire_criteria": [
            {"event_type": "paid"},
            {"event_type": "item", "number": 2, "traits": {"size": {"int": "> 3"}}},
        ],
        "expiration": "$last + 1h",
        "fire_pipeline": "p",
        **changes,
    }
    return TriggerDefinition.from_config(config, {"int": IntCondition})


def event(event_type: str, minutes: int = 0, **traits: Any) -> dict[str, Any]:
    moment = NOON + timedelta(minutes=minutes)
    return {"message_id": "m", "event_type": event_type, "timestamp": moment, **traits}


def test_a_stream_fires_once_every_criterion_has_its_number_and_the_fire_time_is_fixed() -> None:
    definition = trigger(fire_delay=30)
    stream = progress.start(definition, event("item", size=5), NOON)
    progress.add_event(definition, stream, event("paid"), NOON)
    progress.add_event(definition, stream, event("item", size=3), NOON)
    assert (stream.counts, stream.fire_timestamp) == ([1, 1], None)
    progress.add_event(definition, stream, event("item", size=4), NOON + timedelta(seconds=7))
    assert stream.fire_timestamp == NOON + timedelta(seconds=37)
    progress.add_event(definition, stream, event("paid"), NOON + timedelta(hours=2))
    assert stream.fire_timestamp == NOON + timedelta(seconds=37)
    assert stream.counts == [1, 2]
    assert stream.event_count == 5


def test_late_events_move_the_first_time_and_the_expiry() -> None:
    definition = trigger(expiration="$first + 1d")
    stream = progress.start(definition, event("item"), NOON)
    assert stream.expire_timestamp == NOON + timedelta(days=1)
    progress.add_event(definition, stream, event("item", minutes=-60), NOON)
    assert stream.first_event == NOON - timedelta(hours=1)
    assert stream.last_event == NOON
    assert stream.expire_timestamp == NOON + timedelta(hours=23)


def test_the_expiry_may_depend_on_the_arrival_time() -> None:
    definition = trigger(expiration="$timestamp + 5m")
    stream = progress.start(definition, event("item"), NOON + timedelta(days=2))
    assert stream.expire_timestamp == NOON + timedelta(days=2, minutes=5)


@pytest.mark.parametrize(
    ("expiration", "clamped"),
    [
        ("$last + 9000y", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("$last - 1500y", datetime(1000, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_expiry_outside_the_years_1000_to_9999_is_clamped(
    expiration: str, clamped: datetime
) -> None:
    stream = progress.start(trigger(expiration=expiration), event("item"), NOON)
    assert stream.expire_timestamp == clamped


def test_a_stream_with_met_criteria_no_longer_expires() -> None:
    definition = trigger(fire_criteria=[{"event_type": "paid"}], fire_delay=7200)
    stream = progress.start(definition, event("paid"), NOON)
    assert progress.due_reason(stream, NOON + timedelta(minutes=90)) is None
    assert progress.due_reason(stream, NOON + timedelta(hours=2)) is Reason.FIRE


def test_a_stream_is_due_exactly_at_its_expiry() -> None:
    stream = progress.start(trigger(), event("item"), NOON)
    just_before = stream.expire_timestamp - timedelta(microseconds=1)
    assert progress.due_reason(stream, just_before) is None
    assert progress.accepts_events(trigger(), stream, just_before)
    assert progress.due_reason(stream, stream.expire_timestamp) is Reason.EXPIRE
    assert not progress.accepts_events(trigger(), stream, stream.expire_timestamp)


def test_recalculation_uses_the_current_rules_and_keeps_a_fire_time() -> None:
    old, members = trigger(), [event("paid"), event("item", size=9)]
    stream = progress.start(old, members[0], NOON)
    progress.add_event(old, stream, members[1], NOON)
    new = trigger(fire_criteria=[{"event_type": "paid"}], expiration="$last + 2h")
    later = NOON + timedelta(minutes=5)
    recalculation.recalculate(new, stream, members, later)
    assert (stream.counts, stream.fire_timestamp) == ([1], later)
    assert stream.expire_timestamp == NOON + timedelta(hours=2)
    assert stream.fingerprint == new.fingerprint != old.fingerprint
    recalculation.recalculate(old, stream, members, NOON + timedelta(hours=1))
    assert stream.fire_timestamp == later


def test_the_fingerprint_covers_fire_criteria_and_expiration_only() -> None:
    assert trigger().fingerprint == trigger(fire_delay=5, name="other").fingerprint
    assert trigger().fingerprint != trigger(expiration="$last + 2h").fingerprint
