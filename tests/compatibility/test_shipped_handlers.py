"""The handlers of the older system, under the class paths and params of its files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.embedding import ScriptedHandler, make_event, make_trigger
from winchester_core import EventFilter
from winchester_core.errors import ConfigurationError
from winchester_core.model.json import load_payload

if TYPE_CHECKING:
    from support.scenes.embedding import EmbeddingProgram
    from winchester_core import PipelineManager

CLASS_PATHS = {
    "logger": "winchester.pipeline_handler:LoggingHandler",
    "usage": "winchester.pipeline_handler:UsageHandler",
    "notabene": "winchester.pipeline_handler:NotabeneHandler",
    "atompub": "winchester.pipeline_handler:AtomPubHandler",
}
NOTABENE = {
    "host": "my_host",
    "user": "my_user",
    "password": "pwd",
    "port": 123,
    "vhost": "virtual",
    "library": "librabbitmq",
    "exchange": "my_exchange",
    "exchange_type": "topic",
    "queue_name": "foo",
    "env_keys": ["usage_notifications"],
}
ATOMPUB = {
    "url": "http://feed.example.org/events",
    "event_types": ["test.foo.*", "!test.wakka.*"],
    "extra_info": {"data_center": "TST1", "region": "TST"},
    "content_format": "cuf_xml",
    "http_timeout": 123,
    "wait_interval": 10,
    "max_wait": 100,
}
EXISTS = "compute.instance.exists"
BEGIN = datetime(2014, 12, 30, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
CORE = {
    "launched_at": BEGIN - DAY,
    "instance_flavor_id": "1",
    "tenant_id": "t",
    "os_architecture": "x64",
    "os_version": "1",
    "os_distro": "org.debian",
}


def configured(program: EmbeddingProgram, *handlers: Any) -> PipelineManager:
    """Return a worker whose pipeline consists of `handlers`, by the names of `CLASS_PATHS`."""
    return program.worker(
        make_trigger(match_criteria=[{}], fire_criteria=[{}]),
        handlers={"probe": ScriptedHandler},
        pipeline_handlers=CLASS_PATHS,
        pipeline_config={"fire": list(handlers), "expire": []},
    )


def run(program: EmbeddingProgram, worker: PipelineManager, *events: dict[str, Any]) -> None:
    """Store `events` as one stream, and fire it."""
    trigger = make_trigger(match_criteria=[{}], expiration="$last + 9d")
    program.ingest(trigger).add_events(events)
    (stream,) = program.store.find_streams()
    assert worker.fire_stream(stream.id) is True


def exists(message_id: str = "exists", at: datetime = BEGIN + DAY, **traits: Any) -> dict[str, Any]:
    period = {"audit_period_beginning": BEGIN, "audit_period_ending": BEGIN + DAY}
    return make_event(message_id, EXISTS, at, **{**CORE, **period, "state": "active", **traits})


def verdicts(program: EmbeddingProgram, *events: dict[str, Any]) -> list[str]:
    """Return the verdicts of `usage` on a stream of `events`: their kind, and the code if wrong."""
    run(program, configured(program, "usage"), *events)
    return [
        f"{kind} {each.get('error_code', '')}".strip()
        for kind in ("warnings", "failed", "verified")
        for each in program.store.find_events(EventFilter(event_type=f"{EXISTS}.{kind}"))
    ]


def test_the_class_paths_of_the_older_system_are_understood(program: EmbeddingProgram) -> None:
    entries = [
        "logger",
        "usage",
        {"name": "notabene", "params": NOTABENE},
        {"name": "atompub", "params": ATOMPUB},
    ]
    configured(program, *entries)


def test_another_class_path_is_refused_with_the_entry_point_to_declare(
    program: EmbeddingProgram,
) -> None:
    with pytest.raises(ConfigurationError, match=r"winchester\.handlers = mine = my\.code:Mine"):
        program.worker(pipeline_handlers={"mine": "my.code:Mine"})


# usage


def delete(message_id: str = "delete", **traits: Any) -> dict[str, Any]:
    deleted = {"deleted_at": BEGIN + HOUR, "launched_at": CORE["launched_at"], **traits}
    return make_event(message_id, "compute.instance.delete.end", BEGIN + HOUR, **deleted)


def rebuild(**traits: Any) -> dict[str, Any]:
    kind = "compute.instance.rebuild.end"
    return make_event("rebuild", kind, BEGIN + HOUR, **{**CORE, **traits})


DELETED = {"state": "deleted", "deleted_at": BEGIN + HOUR}
HALF = {"audit_period_ending": BEGIN + HOUR}
USAGE: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "a whole day without operations": ([exists()], ["verified"]),
    "no exists": ([make_event("1")], ["failed U0"]),
    "events after the last exists": (
        [exists(), make_event("2", at=BEGIN + 2 * DAY)],
        ["failed U0", "verified"],
    ),
    "several exists": ([exists("1"), exists("2", BEGIN + 2 * DAY)], ["verified", "verified"]),
    "active without launched_at": ([exists(launched_at=None)], ["failed U1"]),
    "no conflict with an operation": ([rebuild(), exists()], ["verified"]),
    "a conflict with an operation": ([rebuild(os_version="2"), exists()], ["failed U2"]),
    "deleted_at though active": ([exists(deleted_at=BEGIN)], ["failed U3"]),
    "deleted before launched": (
        [exists(state="deleted", deleted_at=BEGIN - 2 * DAY)],
        ["failed U4"],
    ),
    "deleted in the period without an event": ([exists(**DELETED)], ["failed U5"]),
    "a delete event without deleted_at": ([delete(), exists()], ["failed U6"]),
    "several delete events": ([delete(), delete("second"), exists(**DELETED)], ["failed U7"]),
    "a delete event": ([delete(), exists(**DELETED)], ["verified"]),
    "a conflict with the delete event": (
        [delete(deleted_at=BEGIN + 2 * HOUR), exists(**DELETED)],
        ["failed U2"],
    ),
    "launched in the period without events": ([exists(launched_at=BEGIN + HOUR)], ["failed U8"]),
    "deleted without a launch event": (
        [exists(**{**DELETED, "deleted_at": BEGIN - HOUR})],
        ["verified"],
    ),
    "part of a day without operations": ([exists(**HALF)], ["warnings", "verified"]),
    "part of a day with an operation": ([rebuild(), exists(**HALF)], ["verified"]),
    "no audit period": ([exists(audit_period_beginning=None)], ["verified"]),
}


@pytest.mark.parametrize(("events", "expected"), USAGE.values(), ids=USAGE)
def test_usage_checks_each_exists_against_the_events_before_it(
    program: EmbeddingProgram, events: list[dict[str, Any]], expected: list[str]
) -> None:
    assert verdicts(program, *events) == expected


def test_a_verdict_names_stream_instance_and_time(program: EmbeddingProgram) -> None:
    verdicts(program, exists())
    (verdict,) = program.store.find_events(EventFilter(event_type=f"{EXISTS}.verified"))
    assert (verdict["instance_id"], verdict["timestamp"]) == ("i-1", BEGIN + DAY)
    assert verdict["original_message_id"] == "exists"
    assert program.store.get_stream_by_id(verdict["stream_id"])


def test_usage_passes_its_notifications_in_env(program: EmbeddingProgram) -> None:
    probe = ScriptedHandler()
    worker = program.worker(
        make_trigger(match_criteria=[{}]),
        handlers={"probe": probe},
        pipeline_config={"fire": ["usage", "probe"], "expire": []},
    )
    run(program, worker, exists())
    (notification,) = probe.env["usage_notifications"]
    assert notification["event_type"] == f"{EXISTS}.verified"


# notabene and atompub


def queued(program: EmbeddingProgram) -> list[Any]:
    """Return the payloads that wait in the outbox."""
    return [load_payload(each.payload) for each in program.store.find_effects()]


@pytest.mark.parametrize("missing", ["exchange", "queue_name"])
def test_notabene_needs_exchange_and_queue(program: EmbeddingProgram, missing: str) -> None:
    params = {key: value for key, value in NOTABENE.items() if key != missing}
    with pytest.raises(ConfigurationError, match=missing):
        configured(program, {"name": "notabene", "params": params})


def test_notabene_publishes_the_notifications_of_its_env_keys(program: EmbeddingProgram) -> None:
    worker = configured(program, "usage", {"name": "notabene", "params": NOTABENE})
    run(program, worker, exists(**HALF))
    assert [each["event_type"] for each in queued(program)] == [
        f"{EXISTS}.warnings",
        f"{EXISTS}.verified",
    ]


def test_notabene_publishes_nothing_without_env_keys(program: EmbeddingProgram) -> None:
    params = {**NOTABENE, "env_keys": []}
    run(program, configured(program, "usage", {"name": "notabene", "params": params}), exists())
    assert queued(program) == []


ATOMPUB_TYPES: list[tuple[Any, list[str]]] = [
    (None, ["test.foo.a", "test.wakka.b", "test.boingy"]),
    ("test.foo.a", ["test.foo.a"]),
    (["test.foo.a"], ["test.foo.a"]),
    (["!test.foo.a"], ["test.wakka.b", "test.boingy"]),
    (["test.foo.*", "!test.wakka.*"], ["test.foo.a"]),
]


@pytest.mark.parametrize(("patterns", "published"), ATOMPUB_TYPES)
def test_atompub_publishes_the_events_whose_type_matches(
    program: EmbeddingProgram, patterns: Any, published: list[str]
) -> None:
    params = {key: value for key, value in ATOMPUB.items() if key != "event_types"}
    if patterns is not None:
        params["event_types"] = patterns
    types = ("test.foo.a", "test.wakka.b", "test.boingy")
    events = [make_event(each, each, BEGIN + n * HOUR) for n, each in enumerate(types)]
    run(program, configured(program, {"name": "atompub", "params": params}), *events)
    assert [each["event_type"] for each in queued(program)] == published


def test_atompub_needs_a_url(program: EmbeddingProgram) -> None:
    with pytest.raises(ConfigurationError, match="url"):
        configured(program, {"name": "atompub", "params": {}})
