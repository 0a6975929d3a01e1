"""`TriggerManager`: what a program hands in, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.embedding import AUGUST, make_event, make_trigger
from winchester_core import TriggerManager, load_settings
from winchester_core.errors import ConfigurationError
from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    from pathlib import Path

    from support.scenes.embedding import EmbeddingProgram

DEFINITIONS = [
    {
        "event_type": "test.*",
        "traits": {
            "instance_id": {"fields": "payload.instance_id"},
            "memory_mb": {"type": "int", "fields": "payload.memory_mb"},
        },
    }
]
NOTIFICATION: dict[str, Any] = {
    "message_id": "n-1",
    "event_type": "test.start",
    "publisher_id": "compute.host",
    "timestamp": "2014-08-01 17:16:15.000014",
    "payload": {"instance_id": "i-1", "memory_mb": 1024},
}


@pytest.fixture
def notified(program: EmbeddingProgram) -> TriggerManager:
    """A manager with event definitions."""
    pytest.importorskip("stackdistiller", reason="the extra openstack is not installed")
    return program.ingest(make_trigger(), distiller_config=DEFINITIONS)


# Events


def test_add_event_stores_an_event(program: EmbeddingProgram) -> None:
    manager = program.ingest()
    assert manager.add_event(make_event("1", test_trait="foobar", other_test_trait=42)) is True
    stored = manager.store.get_event_by_message_id("1")
    assert (stored["test_trait"], stored["other_test_trait"]) == ("foobar", 42)
    assert (manager.received, manager.saved) == (1, 1)


def test_add_event_ignores_a_duplicate(program: EmbeddingProgram) -> None:
    manager = program.ingest(make_trigger())
    assert [manager.add_event(make_event("1")) for _ in range(2)] == [True, False]
    (stream,) = manager.store.find_streams()
    assert stream.event_count == 1
    assert (manager.received, manager.saved) == (2, 1)


@pytest.mark.parametrize("key", ["message_id", "event_type", "timestamp"])
def test_add_event_refuses_an_event_without_a_required_key(
    program: EmbeddingProgram, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    event = make_event("1")
    del event[key]
    manager = program.ingest()
    assert manager.add_event(event) is False
    assert manager.saved == 0
    assert f"{key}: is missing" in caplog.text


def test_an_event_may_have_no_traits(program: EmbeddingProgram) -> None:
    event = {"message_id": "1", "event_type": "test.thing", "timestamp": AUGUST}
    assert program.ingest().add_event(event) is True


def test_the_events_of_a_program_are_not_changed(program: EmbeddingProgram) -> None:
    event = make_event("1", at=AUGUST.replace(tzinfo=None), nothing=None)
    before = dict(event)
    program.ingest().add_event(event)
    assert event == before


def test_an_event_joins_the_streams_of_all_triggers_that_it_matches(
    program: EmbeddingProgram,
) -> None:
    other = [{"event_type": "other.*"}]
    triggers = [
        make_trigger(name="a"),
        make_trigger(name="b", match_criteria=other),
        make_trigger(name="c"),
    ]
    program.ingest(*triggers).add_event(make_event("1"))
    assert sorted(each.name for each in program.store.find_streams()) == ["a", "c"]


def test_an_event_that_no_trigger_matches_is_only_stored(program: EmbeddingProgram) -> None:
    manager = program.ingest(make_trigger())
    assert manager.add_event(make_event("1", "other.thing")) is True
    assert manager.store.count_streams() == 0


def test_an_event_joins_an_open_stream(program: EmbeddingProgram) -> None:
    manager = program.ingest(make_trigger())
    manager.add_event(make_event("1"))
    manager.add_event(make_event("2"))
    (stream,) = manager.store.find_streams()
    assert program.ids(stream.id) == ["1", "2"]


def test_an_event_opens_a_stream_when_none_is_open(program: EmbeddingProgram) -> None:
    manager = program.ingest(make_trigger())
    manager.add_event(make_event("1", "test.thing"))
    assert program.worker(make_trigger()).process_ready_streams(10) == 1
    manager.add_event(make_event("2"))
    assert [program.ids(each.id) for each in manager.store.find_streams()] == [["1"], ["2"]]


def test_criteria_met_make_the_stream_ready_to_fire(program: EmbeddingProgram) -> None:
    manager = program.ingest(make_trigger())
    manager.add_event(make_event("1"))
    (stream,) = manager.store.find_streams()
    assert stream.fire_timestamp is None
    manager.add_event(make_event("2", "test.thing"))
    assert manager.store.get_stream_by_id(stream.id).fire_timestamp == AUGUST


def test_a_stream_that_is_ready_accepts_events_and_keeps_its_fire_time(
    program: EmbeddingProgram,
) -> None:
    manager = program.ingest(make_trigger())
    manager.add_event(make_event("1", "test.thing"))
    manager.add_event(make_event("2", "test.thing", AUGUST.replace(hour=18)))
    (stream,) = manager.store.find_streams()
    assert (stream.event_count, stream.fire_timestamp) == (2, AUGUST)


# Notifications


def test_convert_notification_returns_the_event_and_stores_nothing(
    notified: TriggerManager,
) -> None:
    event = notified.convert_notification(NOTIFICATION)
    assert event is not None
    assert event["timestamp"] == AUGUST
    assert {
        key: event[key] for key in ("message_id", "event_type", "instance_id", "memory_mb")
    } == {
        "message_id": "n-1",
        "event_type": "test.start",
        "instance_id": "i-1",
        "memory_mb": 1024,
    }
    assert notified.store.count_events() == 0


def test_convert_notification_returns_none_where_no_definition_covers(
    notified: TriggerManager,
) -> None:
    assert notified.convert_notification({**NOTIFICATION, "event_type": "other.thing"}) is None
    assert notified.counters[Count.NOTIFICATIONS_DROPPED] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {**NOTIFICATION, "message_id": None},
        {**NOTIFICATION, "timestamp": "yesterday"},
        {},
        "test notification here",
        None,
    ],
)
def test_convert_notification_returns_none_for_an_invalid_one(
    notified: TriggerManager, wrong: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert notified.convert_notification(wrong) is None
    assert notified.counters[Count.EVENTS_INVALID] == 1
    assert "event invalid" in caplog.text


def test_notifications_need_event_definitions(program: EmbeddingProgram) -> None:
    with pytest.raises(ConfigurationError, match="no event definitions"):
        program.ingest().convert_notification(NOTIFICATION)


def test_all_notifications_are_converted_on_request(program: EmbeddingProgram) -> None:
    pytest.importorskip("stackdistiller", reason="the extra openstack is not installed")
    manager = program.ingest(distiller_config=[], catch_all_notifications=True)
    event = manager.convert_notification({**NOTIFICATION, "event_type": "other.thing"})
    assert event is not None
    assert event["event_type"] == "other.thing"


def test_add_notification_converts_and_adds_the_event(notified: TriggerManager) -> None:
    assert notified.add_notification(NOTIFICATION) is True
    (stream,) = notified.store.find_streams()
    assert dict(stream.distinguished_by) == {"instance_id": "i-1"}
    assert (notified.received, notified.saved) == (1, 1)


@pytest.mark.parametrize("wrong", [{**NOTIFICATION, "event_type": "other"}, {}, "text"])
def test_add_notification_adds_nothing_for_a_dropped_or_invalid_one(
    notified: TriggerManager, wrong: Any
) -> None:
    assert notified.add_notification(wrong) is False
    assert (notified.received, notified.saved) == (1, 0)


# Triggers


def test_triggers_are_added_and_deleted(program: EmbeddingProgram) -> None:
    manager = program.ingest()
    manager.add_trigger_definition([make_trigger(name="test_trigger1")])
    manager.add_event(make_event("1"))
    manager.delete_trigger_definition("test_trigger1")
    manager.add_event(make_event("2"))
    (stream,) = manager.store.find_streams()
    assert program.ids(stream.id) == ["1"]


def test_a_trigger_with_a_known_name_replaces_it(program: EmbeddingProgram) -> None:
    manager = program.ingest(make_trigger())
    manager.add_trigger_definition([make_trigger(match_criteria=[{"event_type": "other.*"}])])
    manager.add_events([make_event("1"), make_event("2", "other.thing")])
    (stream,) = manager.store.find_streams()
    assert program.ids(stream.id) == ["2"]


def test_an_invalid_trigger_adds_none_of_its_list(program: EmbeddingProgram) -> None:
    manager = program.ingest()
    with pytest.raises(ConfigurationError, match="expiration"):
        manager.add_trigger_definition([make_trigger(), make_trigger(name="b", expiration="+")])
    manager.add_event(make_event("1"))
    assert manager.store.count_streams() == 0


def test_deleting_an_unknown_trigger_is_an_error(program: EmbeddingProgram) -> None:
    with pytest.raises(ConfigurationError, match="no trigger is named 'nowhere'"):
        program.ingest().delete_trigger_definition("nowhere")


# Configuration


def test_a_configuration_is_a_mapping_a_path_or_loaded_settings(
    program: EmbeddingProgram, tmp_path: Path
) -> None:
    path = tmp_path / "winchester.yaml"
    path.write_text(f"database: {{url: '{program.settings['database']['url']}'}}\n")
    for source in (program.settings, path, str(path), load_settings(path)):
        with TriggerManager(source) as manager:
            assert manager.store.count_events() == 0


def test_other_files_are_found_in_the_directories_of_config_path(
    program: EmbeddingProgram, tmp_path: Path
) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for each in folders:
        each.mkdir()
    (folders[1] / "my_triggers.yaml").write_text("[]\n")
    content = {
        **program.settings,
        "config_path": [str(each) for each in folders],
        "trigger_definitions": "my_triggers.yaml",
    }
    TriggerManager(content).close()
    with pytest.raises(ConfigurationError, match=r"no file 'nowhere\.yaml'"):
        TriggerManager({**content, "trigger_definitions": "nowhere.yaml"})


def test_a_configuration_without_a_database_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="database"):
        TriggerManager({})


def test_yaml_that_cannot_be_read_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "winchester.yaml"
    path.write_text("database:\n  url: [\n")
    with pytest.raises(ConfigurationError, match=r"winchester\.yaml:3"):
        TriggerManager(path)


def test_an_unknown_setting_is_refused(program: EmbeddingProgram) -> None:
    with pytest.raises(ConfigurationError, match="statistics_perod"):
        TriggerManager({**program.settings, "statistics_perod": 10})
