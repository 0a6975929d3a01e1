"""A worker that lost its lease completes nothing, and logs so.

A real worker is stopped by SIGSTOP during a run, its lease expires, and another worker completes
the stream; then it is continued. A journal records all calls of its handlers. The test itself lets
the lease expire, so that no worker loses another one on a slow machine.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.leases import expire_leases
from support.scenes.program_groups import ProgramGroup, RunningProgram, program_group
from support.scenes.sites import Site, task_events, wait_until
from support.scenes.worker_settings import ONE_BY_ONE, WorkerSettings
from winchester_core.bootstrap import TriggerManager
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import EventFilter, StreamFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.model.stream import StreamRecord


SCENES = Path(__file__).parents[1] / "support" / "scenes"
HANDLERS = SCENES.joinpath("fenced_handlers.py").read_text()
SETTINGS = """\
purge_completed_streams: false
pipeline_worker_delay: 0.2
lease_seconds: {lease}
retry_delay: 0.2
max_attempts: 100
"""
LEASE_LOST = "lease lost: stream="


class Scene:
    """Workers on a site whose handlers stop at chosen points."""

    def __init__(self, site: Site, programs: ProgramGroup, settings: WorkerSettings) -> None:
        self.site = site
        self.programs = programs
        self.settings = settings

    def configure(self, handler: str, *, lease: int = 600) -> None:
        """Configure the pipeline with this handler."""
        classes = {"fenced": "FencedHandler", "quiet": "HandlerWithoutCommit"}
        self.site.install("winchester.handlers", handler, classes[handler], HANDLERS)
        self.site.write("pipelines.yaml", f"report: [{handler}]\n")
        self.site.add_settings(SETTINGS.format(lease=lease) + self.settings.yaml())

    def ingest(self, *hosts: str) -> None:
        """Make the streams of these hosts ready to fire, in order."""
        settings = {"database": {"url": self.site.url}, "clock": "event"}
        settings["trigger_definitions"] = str(self.site.path / "triggers.yaml")
        with TriggerManager(settings) as manager:
            for host in hosts:
                assert manager.add_events(task_events(host)).stored == 2

    def ask(self, where: str, host: str = "") -> None:
        """Make the next process to reach this point stop there."""
        (self.site.path / where).write_text(host)

    def journal(
        self, worker: RunningProgram | None = None, call: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the calls of the handlers in order."""
        path = self.site.path / "journal.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        notes = [json.loads(line) for line in lines]
        return [
            note
            for note in notes
            if (worker is None or note["pid"] == worker.pid) and call in (None, note["call"])
        ]

    def streams(self) -> dict[str, StreamRecord]:
        """Return every stream by its host."""
        with self.site.store() as store:
            streams = store.find_streams(StreamFilter())
        return {stream.distinguished_by["host"]: stream for stream in streams}

    def wait_until_completed(self, *hosts: str) -> None:
        """Wait until the streams of these hosts are completed."""
        with self.site.store() as store:
            filters = [StreamFilter(traits={"host": host}) for host in hosts]

            def completed() -> bool:
                found = [stream for each in filters for stream in store.find_streams(each)]
                return {stream.state for stream in found} == {StreamState.COMPLETED}

            wait_until(completed)

    def makers(self) -> dict[str, list[tuple[int, int]]]:
        """Return attempt and process that created each stored event, by host."""
        made: dict[str, list[tuple[int, int]]] = {}
        with self.site.store() as store:
            for event in store.find_events(EventFilter(event_type="made")):
                attempt, pid = event["message_id"].split("-")[-2:]
                made.setdefault(event["host"], []).append((int(attempt), int(pid)))
        return made

    def assert_continues(self, worker: RunningProgram, host: str) -> None:
        """Assert that the remaining worker completes a new stream and ends normally."""
        self.ingest(host)
        self.wait_until_completed(host)
        assert self.makers()[host] == [(1, worker.pid)]
        assert worker.end() == 0


@pytest.fixture
def scene(site: Site, worker_settings: WorkerSettings) -> Iterator[Scene]:
    with program_group(site) as programs:
        yield Scene(site, programs, worker_settings)


def stopped_worker(scene: Scene, where: str, host: str = "") -> RunningProgram:
    """Start a worker and wait until it has stopped itself."""
    scene.ask(where, host)
    worker = scene.programs.worker("stopped")
    worker.wait_until_stopped()
    expire_leases(scene.site)
    return worker


def complete_by_another(scene: Scene, *hosts: str) -> RunningProgram:
    """Run another worker until it has completed these streams."""
    other = scene.programs.worker("other")
    scene.wait_until_completed(*hosts)
    assert other.end() == 0
    return other


def continue_worker(worker: RunningProgram) -> None:
    """Continue a stopped worker until it has noticed the lost lease."""
    worker.resume()
    wait_until(lambda: LEASE_LOST in worker.text())


def test_a_worker_stopped_before_its_commit_neither_commits_nor_completes(scene: Scene) -> None:
    scene.configure("fenced")
    scene.ingest("a")
    stopped = stopped_worker(scene, "stop-in-handle")
    other = complete_by_another(scene, "a")
    completed = scene.streams()["a"]
    continue_worker(stopped)
    scene.assert_continues(stopped, "b")
    calls = [note["call"] for note in scene.journal(stopped) if note["stream"] == completed.id]
    assert calls == ["handle", "rollback"]
    assert [note["call"] for note in scene.journal(other)] == ["handle", "commit"]
    assert scene.makers()["a"] == [(2, other.pid)]
    assert scene.streams()["a"] == completed
    assert completed.attempts == 2


def test_a_worker_stopped_in_its_commit_does_not_complete(scene: Scene) -> None:
    scene.configure("fenced")
    scene.ingest("a")
    stopped = stopped_worker(scene, "stop-in-commit")
    other = complete_by_another(scene, "a")
    completed = scene.streams()["a"]
    continue_worker(stopped)
    scene.assert_continues(stopped, "b")
    # the lease was proved, hence commit began; as it may have acted, another did the same again,
    # and could detect it by the attempt; what was committed is not rolled back
    notes = [note for note in scene.journal() if note["stream"] == completed.id]
    assert [(note["call"], note["attempt"], note["pid"]) for note in notes] == [
        ("handle", 1, stopped.pid),
        ("commit", 1, stopped.pid),
        ("handle", 2, other.pid),
        ("commit", 2, other.pid),
    ]
    assert scene.makers()["a"] == [(2, other.pid)]
    assert scene.streams()["a"] == completed


# with threads, the process might stop within a transaction, and keep its locks
@pytest.mark.parametrize("worker_settings", [ONE_BY_ONE], indirect=True, ids=str)
def test_a_worker_stopped_during_a_batch_completion_completes_none(scene: Scene) -> None:
    scene.configure("quiet", lease=1)  # the renewal finds the lost leases at once
    hosts = ("a", "b", "c", "d", "e")
    scene.ingest(*hosts)
    stopped = stopped_worker(scene, "stop-in-handle", "c")
    assert len(scene.journal(stopped, "handle")) == 3
    # on a slow machine the worker may have completed the first ones before it came to "c"
    states = {host: each.state for host, each in scene.streams().items()}
    early = [host for host in hosts if states[host] is StreamState.COMPLETED]
    hosts = tuple(host for host in hosts if host not in early)
    other = complete_by_another(scene, *hosts)
    completed = scene.streams()
    continue_worker(stopped)
    scene.assert_continues(stopped, "f")
    handled = [note["stream"] for note in scene.journal(stopped, "handle")]
    lost = [note["stream"] for note in scene.journal(stopped, "rollback")]
    # "a" and "b" had run and awaited completion, and "c" was running; what the worker ran
    # of the others before it noticed is lost as well
    ids = {host: completed[host].id for host in completed}
    held = [ids[host] for host in ("a", "b", "c") if host not in early]
    assert lost[: len(held)] == held
    assert handled == [*(ids[host] for host in early), *lost, scene.streams()["f"].id]
    assert stopped.text().count(LEASE_LOST) == len(lost)
    makers = scene.makers()
    assert {host: makers[host] for host in hosts} == {host: [(2, other.pid)] for host in hosts}
    after = scene.streams()
    assert {host: after[host] for host in completed} == completed


def test_the_lease_is_renewed_while_a_handler_runs(scene: Scene) -> None:
    lease_seconds = 15  # a slow machine may be two thirds of it late
    scene.configure("fenced", lease=lease_seconds)
    scene.ingest("a")
    hold = scene.site.path / "hold"
    hold.touch()
    busy = scene.programs.worker("busy")
    wait_until(lambda: scene.journal(busy, "handle"))
    idle = scene.programs.worker("idle")
    with scene.site.store() as store:
        claimed_until = store.find_streams()[0].lease_until
        assert claimed_until is not None
        wait_until(lambda: store.real_time() > claimed_until)
        held = store.find_streams()[0]
        assert held.lease_until is not None
        assert held.lease_until > store.real_time()
    hold.unlink()
    scene.wait_until_completed("a")
    assert (busy.end(), idle.end()) == (0, 0)
    assert scene.journal(idle) == []
    assert [note["call"] for note in scene.journal(busy)] == ["handle", "commit"]
    assert scene.makers() == {"a": [(1, busy.pid)]}
    assert scene.streams()["a"].attempts == 1
    assert held.worker == scene.streams()["a"].worker
