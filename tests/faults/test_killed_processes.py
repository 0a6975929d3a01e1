"""Behaviour sections 2 and 6: a process killed at any point loses nothing and doubles nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from winchester_core import bootstrap
from winchester_core.storage.records import EventFilter, StreamFilter
from winchester_core.storage.sql.schema import Schema
from winchester_core.telemetry.checkpoints import Checkpoint

PROGRAM = Path(__file__).with_name("process_under_test.py")
START = datetime(2026, 3, 14, 10, tzinfo=UTC)

INGEST_POINTS = [
    Checkpoint.RECEIVED,
    Checkpoint.DISTILLED,
    Checkpoint.EVENTS_STORED,
    Checkpoint.STREAMS_STORED,
    Checkpoint.BEFORE_INGEST_COMMIT,
    Checkpoint.INGEST_COMMITTED,
    Checkpoint.ACKNOWLEDGED,
]
WORK_POINTS = [
    Checkpoint.BEFORE_CLAIM_COMMIT,
    Checkpoint.CLAIMED,
    Checkpoint.EVENTS_LOADED,
    Checkpoint.HANDLED,
    Checkpoint.LEASE_PROVED,
    Checkpoint.HANDLERS_COMMITTED,
    Checkpoint.BEFORE_COMPLETION_COMMIT,
    Checkpoint.COMPLETED,
]


def settings_for(directory: Path) -> dict[str, Any]:
    return {
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
    """Ten orders of four events; some never ship, one event comes twice, one is bad."""
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


class Scene:
    """A database, a file of events, and processes that work on them."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.settings = settings_for(directory)
        self.file = directory / "events.jsonl"
        self.file.write_text("".join(json.dumps(each) + "\n" for each in sample_events()))
        self.journal = directory / "journal.jsonl"
        self.journal.touch()
        Schema(self._database()).upgrade()

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
        finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if finished.returncode not in (0, -signal.SIGKILL):
            pytest.fail(finished.stderr)
        return finished.returncode

    def store(self) -> Any:
        return bootstrap.open_store(bootstrap.load_settings(self.settings))

    def let_time_pass(self) -> None:
        store = self.store()
        store.advance_event_clock(START + timedelta(days=1))
        store.close()

    def snapshot(self) -> dict[str, Any]:
        """Everything that counts, without surrogate keys and what retries rightly change."""
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


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The state after each stage when nothing is killed."""
    scene = Scene(tmp_path_factory.mktemp("undisturbed") / "scene")
    assert scene.run("ingest") == 0
    ingested = scene.snapshot()
    scene.let_time_pass()
    assert scene.run("work") == 0
    return {"ingested": ingested, "worked": scene.snapshot(), "commits": scene.commits()}


def test_the_undisturbed_run_does_what_the_kills_are_compared_with(
    undisturbed: dict[str, Any],
) -> None:
    assert len(undisturbed["ingested"]["events"]) == 38
    assert len(undisturbed["ingested"]["rejected"]) == 1
    states = [stream[2] for stream in undisturbed["worked"]["streams"] if stream[0] == "orders"]
    assert states == ["completed"] * 10
    summaries = [stream for stream in undisturbed["worked"]["streams"] if stream[0] == "summaries"]
    assert len(summaries) == 10
    assert len(undisturbed["commits"]) == 10


@pytest.mark.parametrize("hit", [1, 3])
@pytest.mark.parametrize("point", INGEST_POINTS)
def test_killed_ingest_then_redelivery_leaves_the_same_state(
    point: Checkpoint, hit: int, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    scene = Scene(tmp_path / "scene")
    assert scene.run("ingest", kill_at=point, hit=hit) == -signal.SIGKILL
    assert scene.run("ingest") == 0
    assert scene.snapshot() == undisturbed["ingested"]


@pytest.mark.parametrize("point", WORK_POINTS)
def test_killed_worker_is_rescued_and_each_stream_completed_once(
    point: Checkpoint, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    scene = Scene(tmp_path / "scene")
    scene.run("ingest")
    scene.let_time_pass()
    assert scene.run("work", kill_at=point, hit=2 if point in REPEATED else 1) == -signal.SIGKILL
    assert scene.run("work") == 0
    assert scene.snapshot() == undisturbed["worked"]
    check_commits(scene, point)


REPEATED = {
    Checkpoint.HANDLED,
    Checkpoint.LEASE_PROVED,
    Checkpoint.HANDLERS_COMMITTED,
    Checkpoint.BEFORE_COMPLETION_COMMIT,
    Checkpoint.COMPLETED,
}


def check_commits(scene: Scene, point: Checkpoint) -> None:
    """A commit runs once a stream; again only when the worker died between it and completion."""
    commits = scene.commits()
    twice = point in (Checkpoint.HANDLERS_COMMITTED, Checkpoint.BEFORE_COMPLETION_COMMIT)
    assert len({line["stream"] for line in commits}) == 10
    assert len(commits) == (11 if twice else 10)
    if twice:
        repeated = [line for line in commits if line["attempt"] == 2]
        assert commits[1]["stream"] in [line["stream"] for line in repeated]


@pytest.mark.parametrize(
    "point", [Checkpoint.HANDLED, Checkpoint.BEFORE_COMPLETION_COMMIT, Checkpoint.COMPLETED]
)
def test_killed_worker_that_completes_many_at_once_loses_nothing(
    point: Checkpoint, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    scene = Scene(tmp_path / "scene")
    scene.run("ingest")
    scene.let_time_pass()
    assert scene.run("work", quiet=True, kill_at=point) == -signal.SIGKILL
    assert scene.run("work", quiet=True) == 0
    assert scene.snapshot() == undisturbed["worked"]


def test_worker_killed_while_it_stores_a_failure_does_not_lose_the_stream(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    scene = Scene(tmp_path / "scene")
    scene.run("ingest")
    scene.let_time_pass()
    point = Checkpoint.BEFORE_FAILURE_COMMIT
    assert scene.run("work", fails_first=True, kill_at=point, hit=2) == -signal.SIGKILL
    assert scene.run("work", fails_first=True) == 0
    assert scene.snapshot() == undisturbed["worked"]
