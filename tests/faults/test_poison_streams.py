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
from support.scenes.worker_settings import ONE_BY_ONE, WorkerSettings
from support.servers.databases import BACKENDS, temporary_database
from winchester_core.model.stream import StreamState, Trial
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema_migration import DatabaseSchema
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).parents[1] / "support" / "scenes" / "poison_process.py"
MAX_ATTEMPTS = 5
STREAMS = 60
SETTINGS = (ONE_BY_ONE, WorkerSettings(32, 100))
WAYS = (
    "exit",
    "exit in handle",
    "exit in commit",
    "segfault in handle",
    "segfault in commit",
    "kill",
    "kill in commit",
)
"""Way in which the stream kills its worker; with "in", its handler has a commit."""

CASES = [
    pytest.param(backend, settings, way, id=f"{backend}-{settings}-{way}")
    for backend in BACKENDS
    for settings in SETTINGS
    for way in WAYS
    # a server does not depend on the way in which a worker is killed
    if backend == "sqlite" or way in ("exit", "kill in commit")
]


class PoisonScene:
    """A database, and workers on it that share a name, a host and the default lease."""

    def __init__(self, url: str, folder: Path, settings: WorkerSettings) -> None:
        self.url = url
        self.settings = settings
        self.journal = folder / "journal.jsonl"
        self.journal.touch()
        self.store = SqlStore(Database(url))
        DatabaseSchema(self.store.database).upgrade()

    def start(self, triggers: list[str], **task: Any) -> subprocess.Popen[str]:
        given = {
            "url": self.url,
            "journal": str(self.journal),
            "triggers": triggers,
            "concurrency": self.settings.concurrency,
            "commit_batch": self.settings.commit_batch,
            **task,
        }
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


@pytest.fixture
def scene(backend: str, settings: WorkerSettings, tmp_path: Path) -> Iterator[PoisonScene]:
    """The scene on a database, with workers of these settings."""
    with temporary_database(backend, tmp_path) as url:
        made = PoisonScene(url, tmp_path, settings)
        with closing(made.store):
            yield made


@pytest.mark.parametrize(("backend", "settings", "way"), CASES)
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


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
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
