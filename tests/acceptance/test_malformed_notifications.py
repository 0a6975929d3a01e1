"""Every malformed notification is stored, dropped, or kept as rejected with its reason."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

from winchester_core import bootstrap
from winchester_core.ingest.pump import SourcePump
from winchester_core.sources.jsonl import JsonlSource
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.storage.sql.schema_migration import DatabaseSchema
from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from winchester_core.ingest import Ingester

GOOD: dict[str, Any] = {
    "message_id": "6c9e0d3f-0000-4000-8000-000000000001",
    "event_type": "compute.instance.exists",
    "timestamp": "2026-03-15 00:10:00.5",
    "publisher_id": "compute.node-1",
    "_context_request_id": "req-1",
    "payload": {
        "instance_id": "5b7c0d3f-0000-4000-8000-000000000001",
        "tenant_id": "t-1",
        "memory_mb": 512,
        "display_name": "web",
        "launched_at": "2026-02-01T00:00:00Z",
        "audit_period_beginning": "2026-03-14 00:00:00",
        "audit_period_ending": "2026-03-15 00:00:00",
    },
}


def changed(number: int, **payload: Any) -> dict[str, Any]:
    body = {**GOOD, "message_id": f"6c9e0d3f-0000-4000-8000-0000000001{number:02}"}
    return {**body, "payload": {**GOOD["payload"], **payload}}


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in changed(0).items() if name != key}


OWN_LINES: dict[str, tuple[str, str | None]] = {
    "as nova sends it": (json.dumps(GOOD), None),
    "in an envelope": (
        json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(changed(1))}),
        None,
    ),
    "unit in a number": (json.dumps(changed(2, memory_mb="512MB")), None),
    "date of one blank": (json.dumps(changed(3, launched_at=" ")), None),
    "name with a NUL": (json.dumps(changed(4, display_name="a\0b")), None),
    "name with a lone surrogate": (json.dumps(changed(5, display_name="\ud800")), None),
    "number of 70 bits": (json.dumps(changed(6, memory_mb=2**70)), None),
    "name that is an object": (json.dumps(changed(7, display_name={"a": [1, None]})), None),
    "payload that is text": (json.dumps({**changed(8), "payload": "text"}), None),
    "no id": (json.dumps(without("message_id")), "message_id: is missing"),
    "type null": (json.dumps({**changed(9), "event_type": None}), "event_type"),
    "time in words": (json.dumps({**changed(10), "timestamp": "tomorrow"}), "timestamp"),
    "id that is a number": (json.dumps({**changed(11), "message_id": 7}), "message_id"),
    "no JSON": ("{not json", "body: is not JSON"),
    "no object": ("[1, 2]x", "body"),
    "NaN": (json.dumps(changed(12, memory_mb=float("nan"))), None),
    "time that is NaN": (json.dumps({**changed(13), "timestamp": float("nan")}), "timestamp"),
    "nested too deeply": ("[" * 100_000, "body"),
}


def manager_on(checkout: Path, directory: Path) -> Ingester:
    environ = {"WINCHESTER_DATABASE_URL": f"sqlite:///{directory / 'test.db'}"}
    settings = bootstrap.load_settings(checkout / "etc" / "winchester.yaml", environ=environ)
    with closing(bootstrap.open_database(settings)) as database:
        DatabaseSchema(database).upgrade()
    store = bootstrap.open_store(settings)
    return bootstrap.make_ingester(settings, store, bootstrap.stream_clock(settings, store))


def pump(manager: Ingester, path: Path) -> Any:
    source = JsonlSource(path=str(path), format="notification", datetime_traits=[])
    return SourcePump("malformed", source, manager, batch_size=10, stop=threading.Event()).run()


def test_each_line_is_stored_or_rejected_once_with_its_reason(
    checkout: Path, tmp_path: Path
) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text("".join(line + "\n" for line, _ in OWN_LINES.values()))
    with manager_on(checkout, tmp_path) as manager:
        totals = pump(manager, path)
        bad = [reason for _, reason in OWN_LINES.values() if reason is not None]
        assert (totals.received, totals.rejected) == (len(OWN_LINES), len(bad))
        assert totals.stored == len(OWN_LINES) - len(bad)
        rejected = manager.store.find_rejected()
        for kept, reason in zip(rejected, bad, strict=True):
            assert reason in kept.reason, kept.reason
            assert kept.source == "malformed"
            assert f"{path}:" in kept.reason
        bodies = [kept.body.decode() for kept in rejected]
        assert bodies == [line for line, reason in OWN_LINES.values() if reason is not None]
        assert pump(manager, path).duplicates == totals.stored
        assert len(manager.store.find_rejected()) == len(bad)


def test_a_bad_trait_drops_only_the_trait(checkout: Path, tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    names = ["unit in a number", "date of one blank", "name with a NUL", "number of 70 bits", "NaN"]
    path.write_text("".join(OWN_LINES[name][0] + "\n" for name in names))
    with manager_on(checkout, tmp_path) as manager:
        assert pump(manager, path).stored == 5
        assert manager.counters[Count.TRAITS_DROPPED] == 5
        events = manager.store.find_events(EventFilter())
        lost = ["memory_mb", "launched_at", "display_name", "memory_mb", "memory_mb"]
        assert [name for name, event in zip(lost, events, strict=True) if name in event] == []
        assert manager.store.count_streams(StreamFilter()) == 1


def test_every_recorded_malformed_notification_is_stored_dropped_or_rejected(
    checkout: Path, shared_data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = (shared_data / "notifications" / "tricky.jsonl").read_text().splitlines()
    cases = [json.loads(line) for line in lines]
    path = tmp_path / "tricky.jsonl"
    path.write_text("".join(json.dumps(case["body"]) + "\n" for case in cases))
    with manager_on(checkout, tmp_path) as manager:
        totals = pump(manager, path)
        assert totals.received == len(cases)
        settled = totals.stored + totals.duplicates + totals.dropped + totals.rejected
        assert settled == len(cases)
        lost_id = [case["id"] for case in cases if case["id"] in ("id_absent", "type_null")]
        assert totals.rejected == len(manager.store.find_rejected()) == len(lost_id) == 2
        for case in cases:
            if "distill_raises" in case and case["id"] not in lost_id:
                message_id = case["body"]["message_id"]
                assert manager.store.has_event(message_id)
                assert f"trait dropped: event={message_id} trait=" in caplog.text
