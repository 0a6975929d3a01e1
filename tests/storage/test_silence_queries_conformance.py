"""Every store: queries of silences of groups, and of waits of events and ended streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.builders.events import at, make_event, matched_events
from winchester_core.clock import EventTime
from winchester_core.storage.records import SilentGroup
from winchester_core.triggers.definition import TriggerDefinition
from winchester_core.triggers.grouping import group_key

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store

TRIGGER: dict[str, Any] = {
    "name": "alarm",
    "distinguished_by": ["instance"],
    "match_criteria": [{"event_type": "a"}, {"event_type": "b", "opens": False}],
    "fire_criteria": [{"event_type": "a"}],
    "lateness": "10m",
    "suppress": "1h",
    "expiration": "$last + 1h",
    "fire_pipeline": "fire",
}
ALARM = TriggerDefinition.from_config(TRIGGER, {})


def record(store: Store, *events: tuple[str, str, float]) -> None:
    """Store events, each with its id, type and seconds."""
    made = [make_event(*each, instance="i") for each in events]
    store.record(matched_events([ALARM], made), EventTime(None))


def test_a_group_is_silent_from_the_fire_time_of_its_stream(store: Store) -> None:
    key = group_key("alarm", {"instance": "i"})
    assert store.silence_of(key) is None
    record(store, ("1", "a", 60))
    (stream,) = store.find_streams()
    assert store.silence_of(key) == SilentGroup(at(60), stream.id)
    assert store.silence_of(group_key("alarm", {"instance": "j"})) is None


def test_an_event_waits_for_the_event_that_opens(store: Store) -> None:
    record(store, ("1", "b", 60))
    assert store.waits_of("1") == {"alarm": at(660)}
    assert store.waits_of("2") == store.waits_of("no\0text") == {}
    record(store, ("2", "a", 120))
    assert store.waits_of("1") == {}


def test_members_of_a_cancelled_stream_wait_for_the_next_one(store: Store) -> None:
    config = {
        **TRIGGER,
        "fire_criteria": [{"event_type": "a", "number": 2}],
        "cancel_criteria": [{"event_type": "c"}],
    }
    cancels = TriggerDefinition.from_config(config, {})
    other = TriggerDefinition.from_config({**config, "name": "other"}, {})
    for each in (("1", "a", 60), ("2", "b", 70), ("3", "c", 80)):
        made = [make_event(*each, instance="i")]
        store.record(matched_events([cancels, other], made), EventTime(None))
    for stream in store.find_streams():
        assert sorted(store.waits_after(stream.id)) == [at(670), at(680)]
    assert store.waits_after(0) == []
    opening = make_event("4", "a", 90, instance="i")
    store.record(matched_events([cancels], [opening]), EventTime(None))
    ended = store.find_streams(limit=2)
    waits = {each.name: sorted(store.waits_after(each.id)) for each in ended}
    assert waits == {"alarm": [], "other": [at(670), at(680)]}


def test_the_key_of_a_group_is_that_of_the_grouping() -> None:
    for value in ("i", 1, 1.0, True):
        group = ALARM.grouping.group_of({"instance": value}, {})
        assert group.key == group_key("alarm", group.values)
    daily = TriggerDefinition.from_config(
        {**TRIGGER, "distinguished_by": ["instance", {"timestamp": "day"}]}, {}
    )
    group = daily.grouping.group_of({"instance": "i", "timestamp": at(60)}, {})
    assert group.key == group_key("alarm", group.values)
