"""A stream that kills every worker ends in error, and costs no other stream its attempts."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import VM, ingest, make_event, make_trigger
from support.probes.time_limits import BOUND_SECONDS
from support.servers.databases import BACKENDS, temporary_database
from winchester_core.model.stream import StreamState, Trial
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema_migration import DatabaseSchema
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).parents[1] / "support" / "scenes" / "poison_process.py"
MAX_ATTEMPTS = 5
STREAMS = 25


class PoisonScene:
    """A database, and workers on it that share a name, a host and the default lease."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.journal = folder / "journal.jsonl"
        self.journal.touch()
        self.store = SqlStore(Database(url))
        DatabaseSchema(self.store.database).upgrade()

    def start(self, triggers: list[str], **task: Any) -> subprocess.Popen[str]:
        given = {"url": self.url, "journal": str(self.journal), "triggers": triggers, **task}
        return subprocess.Popen(
            [sys.executable, str(PROGRAM), json.dumps(given)], stderr=subprocess.PIPE, text=True
        )

    def deaths(self, **task: Any) -> int:
        """Restart the worker whenever it dies; return how often, when it has ended by itself."""
        for deaths in range(2 * MAX_ATTEMPTS):
            process = self.start(["vm"], **task)
            _, errors = process.communicate(timeout=BOUND_SECONDS)
            if process.returncode == 0:
                return deaths
            assert process.returncode in (7, -9, -11), errors
        pytest.fail("the worker dies again and again")

    def runs(self) -> list[tuple[str, int]]:
        return [tuple(json.loads(line)) for line in self.journal.read_text().splitlines()]


@pytest.fixture(params=BACKENDS)
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PoisonScene]:
    """The scene on each database."""
    with temporary_database(request.param, tmp_path) as url:
        made = PoisonScene(url, tmp_path)
        with closing(made.store):
            yield made


@pytest.mark.parametrize(
    "way", ["exit", "segfault", "kill", "exit in handle", "exit in commit", "kill in commit"]
)
def test_a_stream_that_kills_its_worker_costs_no_other_stream_its_attempts(
    scene: PoisonScene, way: str
) -> None:
    for number in range(STREAMS):
        ingest(scene.store, VM, make_event(f"e{number}", "vm.end", number, instance=f"i{number}"))
    assert scene.deaths(way=way, poison="i12") == MAX_ATTEMPTS + 1
    for stream in scene.store.find_streams():
        if stream.distinguished_by["instance"] == "i12":
            assert (stream.state, stream.failures) == (StreamState.ERROR, MAX_ATTEMPTS)
            assert stream.last_error == f"worker died {MAX_ATTEMPTS} times"
            assert (stream.attempts, stream.trial) == (MAX_ATTEMPTS + 1, Trial.DUE)
        else:
            assert (stream.state, stream.failures) == (StreamState.COMPLETED, 0)
            assert stream.attempts <= 2
    runs = scene.runs()
    assert len(set(runs)) == len(runs)  # no stream runs twice under the same number


def test_workers_with_different_triggers_share_a_database(scene: PoisonScene) -> None:
    names = ["vm", "other"]
    for number in range(STREAMS):
        for name in names:
            event = make_event(f"{name}{number}", "vm.end", number, instance=f"{name}{number}")
            ingest(scene.store, make_trigger(name), event)
    processes = [scene.start([name]) for name in names]
    for process in processes:
        _, errors = process.communicate(timeout=BOUND_SECONDS)
        assert process.returncode == 0, errors
    streams = scene.store.find_streams()
    assert {(each.state, each.attempts) for each in streams} == {(StreamState.COMPLETED, 1)}
    assert len(scene.runs()) == 2 * STREAMS
