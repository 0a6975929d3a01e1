"""Triggers that process the events that `emit` has made for other triggers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from winchester_core import bootstrap
from winchester_core.interfaces import PipelineHandler
from winchester_core.model import StreamState
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.testing import InMemoryEngine, make_event

if TYPE_CHECKING:
    from winchester_core.model import Event

NIGHT = datetime(2026, 3, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

BACKUP: dict[str, Any] = {
    "name": "backup",
    "distinguished_by": ["host", {"timestamp": "day"}],
    "match_criteria": [{"event_type": "backup.*"}],
    "fire_criteria": [{"event_type": "backup.finished"}],
    "expiration": "$first + 3h",
    "fire_pipeline": "silent",
    "expire_pipeline": "missing",
}
DIGEST: dict[str, Any] = {
    "name": "digest",
    "distinguished_by": [{"timestamp": "day"}],
    "match_criteria": [{"event_type": "report.missing"}],
    "fire_criteria": [{"event_type": "never"}],
    "expiration": "$last + 1h",
    "expire_pipeline": "summarize",
}
PIPELINES: dict[str, Any] = {
    "silent": ["logger"],
    "missing": [
        {
            "name": "emit",
            "params": {
                "event_type": "report.missing",
                "timestamp": "now",
                "traits": {
                    "host": {"distinguished_by": "host"},
                    "day": {"distinguished_by": "timestamp"},
                    "bytes": {"sum": "bytes"},
                    "share": {"sum": "share"},
                },
            },
        }
    ],
    "summarize": [
        {
            "name": "emit",
            "params": {
                "event_type": "report.night",
                "traits": {
                    "hosts": {"distinct": "host"},
                    "bytes": {"sum": "bytes"},
                    "share": {"sum": "share"},
                },
            },
        }
    ],
}


class FailsTwice(PipelineHandler):
    """A handler that fails in the first two attempts and records what it is given."""

    given: list[list[Event]]

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        self.given.append([dict(event) for event in events])
        if env["attempt"] < 3:
            raise ConnectionError("not yet")
        return events


def settings_of(
    *triggers: dict[str, Any], pipelines: dict[str, Any] | None = None, **options: Any
) -> Any:
    handlers = options.pop("pipeline_handlers", {})
    content = {
        "trigger_definitions": list(triggers),
        "pipeline_config": PIPELINES if pipelines is None else pipelines,
        **options,
    }
    return bootstrap.load_settings(content, needs=["triggers"], pipeline_handlers=handlers)


def stored(engine: InMemoryEngine, event_type: str) -> list[Event]:
    """Return the stored events of a type."""
    return list(engine.store.find_events(EventFilter(event_type=event_type), limit=100))


def started(host: str, at: datetime = NIGHT) -> Event:
    return make_event("backup.started", timestamp=at, host=host, bytes=2**40, share=0.1)


def test_a_digest_collects_the_events_that_expired_streams_have_emitted() -> None:
    with InMemoryEngine(settings_of(BACKUP, DIGEST)) as engine:
        hosts = [f"h{number}" for number in range(10)]
        engine.add_events(started(host) for host in [*hosts, "fine"])
        engine.add_events([make_event("backup.finished", timestamp=NIGHT + HOUR, host="fine")])
        engine.advance_to(NIGHT + 3 * HOUR)
        missing = stored(engine, "report.missing")
        assert [event["host"] for event in sorted(missing, key=lambda e: e["host"])] == hosts
        assert {event["timestamp"] for event in missing} == {NIGHT + 3 * HOUR}
        assert {event["day"] for event in missing} == {datetime(2026, 3, 3, tzinfo=UTC)}
        engine.advance_to(NIGHT + 4 * HOUR)
        (report,) = stored(engine, "report.night")
    assert report == {
        "message_id": report["message_id"],
        "event_type": "report.night",
        "timestamp": NIGHT + 3 * HOUR,
        "emit_depth": 2,
        "hosts": 10,
        "bytes": 10 * 2**40,
        "share": 1.0,
    }


def test_the_timestamp_now_does_not_depend_on_when_a_worker_runs() -> None:
    with InMemoryEngine(settings_of(BACKUP, DIGEST)) as engine:
        engine.add_events([started("a")])
        engine.advance_to(NIGHT + 20 * HOUR)
        (missing,) = stored(engine, "report.missing")
    assert missing["timestamp"] == NIGHT + 3 * HOUR


def test_a_run_that_is_repeated_makes_the_same_event_and_stores_it_once() -> None:
    attempts: list[list[Event]] = []
    handler = type("Recorded", (FailsTwice,), {"given": attempts})
    pipelines = {**PIPELINES, "missing": [*PIPELINES["missing"], "fails_twice"]}
    settings = settings_of(
        BACKUP,
        DIGEST,
        pipelines=pipelines,
        pipeline_handlers={"fails_twice": handler},
        retry_delay=0.01,
        retry_delay_max=0.01,
    )
    with InMemoryEngine(settings) as engine:
        engine.add_events([started("a")])
        engine.advance_to(NIGHT + 3 * HOUR)
        first, second, third = attempts
        assert first == second == third
        assert stored(engine, "report.missing") == [third[-1]]


def test_a_circle_ends_with_an_error_at_depth_16() -> None:
    circle = {
        "name": "circle",
        "distinguished_by": [],
        "match_criteria": [{"event_type": "ping"}],
        "fire_criteria": [{"event_type": "ping"}],
        "expiration": "$last + 1h",
        "fire_pipeline": "again",
    }
    pipelines = {"again": [{"name": "emit", "params": {"event_type": "ping"}}]}
    settings = settings_of(circle, pipelines=pipelines, max_attempts=1)
    (warning,) = settings.warnings
    assert "triggers may form a circle: 'circle' emits 'ping'" in warning
    with InMemoryEngine(settings) as engine:
        engine.add_events([make_event("ping")])
        depths = sorted(event.get("emit_depth", 0) for event in stored(engine, "ping"))
        (failed,) = engine.store.find_streams(StreamFilter(states=(StreamState.ERROR,)), limit=9)
    assert depths == list(range(16))
    assert "would have an emit_depth of 16" in (failed.last_error or "")


def test_the_usage_handler_declares_its_event_types() -> None:
    trigger = {
        "name": "instances",
        "distinguished_by": ["instance_id"],
        "match_criteria": [{"event_type": "compute.instance.*"}],
        "fire_criteria": [{"event_type": "compute.instance.exists"}],
        "expiration": "$last + 1d",
        "fire_pipeline": "verify",
    }
    (warning,) = settings_of(trigger, pipelines={"verify": ["usage"]}).warnings
    assert "'instances' emits 'compute.instance.exists.verified'" in warning
