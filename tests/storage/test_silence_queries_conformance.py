"""Every database: queries of the silence of a group, and of the waits of an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.builders.events import at, make_event, matched_events
from winchester_core.clock import EventTime
from winchester_core.storage.records import SilentGroup
from winchester_core.triggers.definition import TriggerDefinition
from winchester_core.triggers.grouping import group_key

if TYPE_CHECKING:
    from winchester_core.storage.sql.store import SqlStore

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


def record(store: SqlStore, *events: tuple[str, str, float]) -> None:
    """Store events, each with its id, type and seconds."""
    made = [make_event(*each, instance="i") for each in events]
    store.record(matched_events([ALARM], made), EventTime(None))


def test_a_group_is_silent_from_the_fire_time_of_its_stream(sql_store: SqlStore) -> None:
    key = group_key("alarm", {"instance": "i"})
    assert sql_store.silence_of(key) is None
    record(sql_store, ("1", "a", 60))
    (stream,) = sql_store.find_streams()
    assert sql_store.silence_of(key) == SilentGroup(at(60), stream.id)
    assert sql_store.silence_of(group_key("alarm", {"instance": "j"})) is None


def test_an_event_waits_for_the_event_that_opens(sql_store: SqlStore) -> None:
    record(sql_store, ("1", "b", 60))
    assert sql_store.waits_of("1") == {"alarm": at(660)}
    assert sql_store.waits_of("2") == sql_store.waits_of("no\0text") == {}
    record(sql_store, ("2", "a", 120))
    assert sql_store.waits_of("1") == {}


def test_the_key_of_a_group_is_that_of_the_grouping() -> None:
    for value in ("i", 1, 1.0, True):
        group = ALARM.grouping.group_of({"instance": value}, {})
        assert group.key == group_key("alarm", group.values)
    daily = TriggerDefinition.from_config(
        {**TRIGGER, "distinguished_by": ["instance", {"timestamp": "day"}]}, {}
    )
    group = daily.grouping.group_of({"instance": "i", "timestamp": at(60)}, {})
    assert group.key == group_key("alarm", group.values)
