"""Programs that embed Winchester need its public names only, and no files."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from winchester_core import PipelineManager, TriggerManager, bootstrap, load_settings, open_store
from winchester_core.errors import ConfigurationError
from winchester_core.model.stream import StreamState
from winchester_core.storage.sql.schema import DatabaseSchema

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
TRIGGER: dict[str, Any] = {
    "name": "order",
    "distinguished_by": ["order_id"],
    "match_criteria": [{"event_type": "order.*"}],
    "fire_criteria": [{"event_type": "order.paid"}],
    "expiration": "$last + 1d",
    "fire_pipeline": "report",
    "expire_pipeline": "report",
}


def event(message_id: str, event_type: str = "order.placed", **traits: Any) -> dict[str, Any]:
    return {
        "message_id": message_id,
        "event_type": event_type,
        "timestamp": NOON,
        "order_id": 1,
        **traits,
    }


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    content = {"database": {"url": f"sqlite:///{tmp_path / 'orders.db'}"}, "clock": "event"}
    with closing(bootstrap.open_database(load_settings(content))) as database:
        DatabaseSchema(database).upgrade()
    return content


def test_ingest_needs_no_pipelines_and_accepts_triggers_from_the_program(
    settings: dict[str, Any],
) -> None:
    with TriggerManager(settings) as manager:
        assert manager.current_time() is None
        manager.add_trigger_definition([TRIGGER])
        assert manager.add_event(event("1")) is True
        assert manager.add_event(event("1")) is False
        assert manager.add_events([event("2"), {}, "text"]).invalid == 2  # type: ignore[list-item]
        assert (manager.received, manager.saved) == (5, 2)
        assert manager.current_time() == NOON
        assert manager.store.count_streams() == 1
        assert [each["message_id"] for each in manager.store.find_events()] == ["1", "2"]


def test_a_worker_on_the_same_mapping_fires_and_expires_and_its_store_resets(
    settings: dict[str, Any],
) -> None:
    content = {
        **settings,
        "trigger_definitions": [TRIGGER],
        "pipeline_config": {"report": ["logger"]},
        "purge_completed_streams": False,
    }
    with TriggerManager(content) as manager, closing(PipelineManager(content)) as worker:
        manager.add_events([event("1"), event("2", "order.paid"), event("3", order_id=2)])
        assert worker.current_time() == NOON
        assert worker.process_ready_streams(10) == 1
        assert worker.process_ready_streams(10, expire=True) == 0
        manager.store.advance_event_clock(NOON + timedelta(days=2))
        assert worker.run_once() == 1
    with closing(open_store(settings)) as store:
        first, second = store.find_streams()
        assert {first.state, second.state} == {StreamState.COMPLETED}
        assert [each["message_id"] for each in store.get_stream_events(first.id)] == ["1", "2"]
        store.purge_stream(first.id)
        assert [each.id for each in store.find_streams()] == [second.id]
        assert store.count_events() == 3


def test_a_worker_without_pipelines_reports_the_missing_setting(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        PipelineManager({**settings, "trigger_definitions": [TRIGGER]})
    assert [problem.split(":")[1].strip() for problem in caught.value.problems] == [
        "pipeline_config"
    ]


def test_notifications_may_be_bare_or_enveloped(settings: dict[str, Any]) -> None:
    pytest.importorskip("stackdistiller", reason="the extra openstack is not installed")
    definitions = [{"event_type": "order.*", "traits": {"size": {"fields": "payload.size"}}}]
    notification = {
        "message_id": "n-1",
        "event_type": "order.placed",
        "timestamp": "2026-03-14 12:00:00",
        "payload": {"size": 3},
    }
    second = json.dumps({**notification, "message_id": "n-2"})
    with TriggerManager({**settings, "distiller_config": definitions}) as manager:
        assert manager.add_notification(notification) is True
        assert manager.add_notification({"oslo.version": "2.0", "oslo.message": second}) is True
        assert manager.add_notifications(["text", {}]).invalid == 2  # type: ignore[list-item]
        converted = manager.convert_notification({**notification, "message_id": "n-3"})
        assert converted is not None
        assert (converted["size"], converted["timestamp"]) == ("3", NOON)
        assert [each["message_id"] for each in manager.store.find_events()] == ["n-1", "n-2"]


def test_retried_transactions_are_counted(
    settings: dict[str, Any],
) -> None:
    with TriggerManager({**settings, "trigger_definitions": [TRIGGER]}) as triggers:
        assert triggers.store.database.counters is triggers.counters  # type: ignore[attr-defined]
