"""Programs that embed Winchester need its public names only, and no files."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from winchester_core import PipelineManager, TriggerManager, bootstrap, load_settings, open_store
from winchester_core.errors import ConfigurationError
from winchester_core.model.stream import StreamState
from winchester_core.storage.sql.schema_migration import DatabaseSchema

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
        assert manager.convert_notification({**notification, "event_type": "other"}) is None
        assert manager.convert_notification({**notification, "message_id": 5}) is None
        assert manager.convert_notification("text") is None  # type: ignore[arg-type]


def test_retried_transactions_are_counted(
    settings: dict[str, Any],
) -> None:
    with TriggerManager({**settings, "trigger_definitions": [TRIGGER]}) as triggers:
        assert triggers.store.database.counters is triggers.counters  # type: ignore[attr-defined]


class Recording:
    """A handler without the base class; `fails` makes its runs fail."""

    seen: list[Any]

    def __init__(self, **params: Any) -> None:
        self.params = params
        self.seen = []
        self.fails = False

    def handle_events(self, events: list[dict[str, Any]], env: dict[str, Any]) -> list[Any]:
        if self.fails:
            raise ValueError("as the test wants it")
        self.seen.append([each["message_id"] for each in events])
        return events

    def commit(self) -> None:
        self.seen.append("commit")

    def rollback(self) -> None:
        self.seen.append("rollback")


def test_a_worker_starts_without_triggers_and_adds_and_deletes_them(
    settings: dict[str, Any],
) -> None:
    content = {**settings, "pipeline_config": {"report": ["logger"]}}
    with TriggerManager(settings) as manager, closing(PipelineManager(content)) as worker:
        for each in (manager, worker):
            each.add_trigger_definition([TRIGGER])
        manager.add_events([event("1"), event("2", "order.paid")])
        assert worker.process_ready_streams(10) == 1
        assert manager.store.count_streams() == 0  # fired, completed and purged
        worker.delete_trigger_definition("order")
        with pytest.raises(ConfigurationError, match="no trigger is named 'order'"):
            worker.delete_trigger_definition("order")


def test_a_trigger_added_to_a_worker_names_a_pipeline_of_the_worker(
    settings: dict[str, Any],
) -> None:
    content = {**settings, "pipeline_config": {"report": ["logger"]}}
    with (
        closing(PipelineManager(content)) as worker,
        pytest.raises(ConfigurationError, match=r"no pipeline is named 'repotr'.*'report'"),
    ):
        worker.add_trigger_definition([{**TRIGGER, "fire_pipeline": "repotr"}])


@pytest.mark.parametrize("shared", [True, False])
def test_handlers_of_the_program_are_classes_or_objects(
    settings: dict[str, Any], shared: bool
) -> None:
    made: list[Recording] = []

    def make(**params: Any) -> Recording:
        made.append(Recording(**params))
        return made[-1]

    entry: Any = "mine" if shared else {"name": "mine", "params": {"book": 42}}
    content = {
        **settings,
        "trigger_definitions": [TRIGGER],
        "pipeline_config": {"report": [entry]},
    }
    given = make() if shared else make
    with (
        TriggerManager(content) as manager,
        closing(PipelineManager(content, pipeline_handlers={"mine": given})) as worker,
    ):
        for order in (1, 2):
            manager.add_event(event(str(order), "order.paid", order_id=order))
        assert worker.process_ready_streams(10) == 2
    if shared:
        assert [each.seen for each in made] == [[["1"], "commit", ["2"], "commit"]]
    else:
        assert [each.seen for each in made] == [[["1"], "commit"], [["2"], "commit"]]
        assert [each.params for each in made] == [{"book": 42}] * 2


@pytest.mark.parametrize(
    ("given", "entry", "problem"),
    [
        (object(), "mine", "'mine' of this program has no method handle_events"),
        (dict, "mine", "'mine' of this program has no method handle_events"),
        (Recording(), {"name": "mine", "params": {"book": 42}}, "book"),
    ],
)
def test_an_unusable_handler_of_the_program_is_refused(
    settings: dict[str, Any], given: Any, entry: Any, problem: str
) -> None:
    content = {**settings, "pipeline_config": {"report": [entry]}}
    with pytest.raises(ConfigurationError, match=problem):
        PipelineManager(content, pipeline_handlers={"mine": given})


def test_handlers_beside_loaded_settings_are_refused(settings: dict[str, Any]) -> None:
    handlers = {"mine": Recording}
    content = {**settings, "pipeline_config": {"report": ["mine"]}}
    loaded = load_settings(content, pipeline_handlers=handlers)
    PipelineManager(loaded).close()
    with pytest.raises(ConfigurationError, match="pass it to load_settings"):
        PipelineManager(loaded, pipeline_handlers=handlers)


@pytest.mark.parametrize("reason", ["fire", "expire"])
def test_fire_and_expire_return_whether_the_stream_is_completed(
    settings: dict[str, Any], reason: str
) -> None:
    handler = Recording()
    content = {
        **settings,
        "trigger_definitions": [TRIGGER],
        "pipeline_config": {"report": ["mine"]},
        "purge_completed_streams": False,
    }
    with (
        TriggerManager(content) as manager,
        closing(PipelineManager(content, pipeline_handlers={"mine": handler})) as worker,
    ):
        manager.add_event(event("1"))
        (stream,) = manager.store.find_streams()
        run = worker.fire_stream if reason == "fire" else worker.expire_stream
        handler.fails = True
        assert run(stream.id) is False
        assert manager.store.get_stream_by_id(stream.id).attempts == 1
        handler.fails = False
        assert run(stream.id) is True
        assert run(stream.id) is False  # completed


def test_an_event_id_may_be_a_uuid(settings: dict[str, Any]) -> None:
    uuid = UUID("12345678-1234-5678-1234-567812345678")
    with TriggerManager(settings) as manager:
        assert manager.add_event({**event(""), "message_id": uuid}) is True
        assert manager.add_event(event(str(uuid))) is False
        assert manager.store.has_event(uuid)
        assert manager.store.get_event_by_message_id(uuid)["message_id"] == str(uuid)


def test_runs_of_one_object_do_not_overlap_in_threads(settings: dict[str, Any]) -> None:
    busy, seen = threading.Lock(), []

    class OneAtATime:
        def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
            assert busy.acquire(blocking=False)
            self.stream_id = env["stream_id"]
            return events

        def commit(self) -> None:
            seen.append(self.stream_id)
            busy.release()

        def rollback(self) -> None:
            busy.release()

    content = {
        **settings,
        "trigger_definitions": [TRIGGER],
        "pipeline_config": {"report": ["mine"]},
        "worker_concurrency": 4,
    }
    with (
        TriggerManager(content) as manager,
        closing(PipelineManager(content, pipeline_handlers={"mine": OneAtATime()})) as worker,
    ):
        for order in range(20):
            manager.add_event(event(str(order), "order.paid", order_id=order))
        worker.run_until_idle()
        assert worker.counters["streams_failed"] == 0
    assert len(set(seen)) == len(seen) == 20
