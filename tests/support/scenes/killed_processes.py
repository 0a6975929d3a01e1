"""Processes killed at failpoints, and the state that they leave."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.worker_settings import ONE_BY_ONE, WorkerSettings
from winchester_core import bootstrap
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.storage.sql.schema_migration import DatabaseSchema

PROGRAM = Path(__file__).with_name("failpoint_process.py")
START = datetime(2026, 3, 14, 10, tzinfo=UTC)


def settings_for(directory: Path, workers: WorkerSettings) -> dict[str, Any]:
    return {
        "worker_concurrency": workers.concurrency,
        "commit_batch": workers.commit_batch,
        "database": {"url": f"sqlite:///{directory / 'test.db'}"},
        "clock": "event",
        "lease_seconds": 1,
        "retry_delay": 1,
        "purge_completed_streams": False,
        "trigger_definitions": [
            {
                "name": "orders",
                "distinguished_by": ["order"],
                "match_criteria": [{"event_type": ["order.*", "!order.summary"]}],
                "fire_criteria": [{"event_type": "order.shipped"}],
                "expiration": "$last + 1h",
                "fire_pipeline": "summary",
                "expire_pipeline": "summary",
            },
            {
                "name": "summaries",
                "distinguished_by": ["order"],
                "match_criteria": [{"event_type": "order.summary"}],
                "fire_criteria": [{"event_type": "order.none"}],
                "expiration": "$last + 1000d",
                "expire_pipeline": "summary",
            },
        ],
        "pipeline_config": {"summary": ["logger"]},
    }


def sample_events() -> list[dict[str, Any]]:
    """Ten orders of four events; some never ship, one event is repeated, one is invalid."""
    events = []
    for number in range(40):
        order, kind = number % 10, ("placed", "paid", "packed", "shipped")[number // 10]
        if kind == "shipped" and order in (3, 7):
            continue
        events.append(
            {
                "message_id": f"m-{number}",
                "event_type": f"order.{kind}",
                "timestamp": (START + timedelta(minutes=number)).isoformat(),
                "order": f"o-{order}",
            }
        )
    events.insert(20, events[5])
    events.insert(25, {"message_id": "bad", "event_type": "order.paid"})
    return events


class KilledScene:
    """A database, a file of events, and processes on them that may be killed."""

    def __init__(self, directory: Path, workers: WorkerSettings = ONE_BY_ONE) -> None:
        directory.mkdir()
        self.settings = settings_for(directory, workers)
        self.file = directory / "events.jsonl"
        self.file.write_text("".join(json.dumps(each) + "\n" for each in sample_events()))
        self.journal = directory / "journal.jsonl"
        self.journal.touch()
        DatabaseSchema(self._database()).upgrade()

    def _database(self) -> Any:
        return bootstrap.open_database(bootstrap.load_settings(self.settings))

    def run(self, role: str, **more: Any) -> int:
        task = {
            "role": role,
            "settings": self.settings,
            "file": str(self.file),
            "journal": str(self.journal),
            **more,
        }
        command = [sys.executable, str(PROGRAM), json.dumps(task)]
        finished = subprocess.run(
            command, capture_output=True, text=True, timeout=BOUND_SECONDS, check=False
        )
        if finished.returncode not in (0, -signal.SIGKILL):
            pytest.fail(finished.stderr)
        return finished.returncode

    def store(self) -> Any:
        return bootstrap.open_store(bootstrap.load_settings(self.settings))

    def advance_event_clock(self) -> None:
        store = self.store()
        store.advance_event_clock(START + timedelta(days=1))
        store.close()

    def snapshot(self) -> dict[str, Any]:
        """Return the relevant state, without surrogate keys and effects of retries."""
        store = self.store()
        streams = store.find_streams(StreamFilter(), limit=1000)
        result = {
            "events": sorted(
                store.find_events(EventFilter(), limit=1000), key=lambda each: each["message_id"]
            ),
            "streams": sorted(
                (
                    stream.name,
                    str(dict(stream.distinguished_by)),
                    stream.state.value,
                    stream.first_event,
                    stream.last_event,
                    stream.expire_timestamp,
                    stream.fire_timestamp or START,
                    stream.progress,
                    stream.is_open,
                    [each["message_id"] for each in store.get_stream_events(stream.id)],
                )
                for stream in streams
            ),
            "rejected": [
                (each.reason.partition("jsonl:")[2], each.digest) for each in store.find_rejected()
            ],
            "clock": store.event_clock(),
        }
        store.close()
        return result

    def commits(self) -> list[dict[str, int]]:
        return [json.loads(line) for line in self.journal.read_text().splitlines()]
