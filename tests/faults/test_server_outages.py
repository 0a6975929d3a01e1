"""A server that stops, crashes and recovers: every program waits, logs it once, and continues."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from support.scenes.program_groups import program_group
from support.scenes.sites import Site, task_events, wait_until
from support.servers.database_servers import private_server
from winchester_core.model.stream import StreamState
from winchester_core.storage.records import EventFilter, StreamFilter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.scenes.program_groups import ProgramGroup, RunningProgram
    from support.servers.database_servers import PrivateServer

HANDLER = """\
import json, os, time
from pathlib import Path
from winchester_core.interfaces import PipelineHandler


class HeldHandler(PipelineHandler):
    # notes what it is asked for; waits while there is a file named hold

    def handle_events(self, events, env):
        self._note = {"host": events[0]["host"], "attempt": env["attempt"]}
        self.note("handle")
        while Path("hold").exists():
            time.sleep(0.02)
        return events

    def commit(self):
        self.note("commit")

    def rollback(self):
        self.note("rollback")

    def note(self, call):
        with Path("journal.jsonl").open("a") as journal:
            journal.write(json.dumps({"call": call, **self._note}) + "\\n")
"""

SETTINGS = """\
purge_completed_streams: false
pipeline_worker_delay: 0.2
ingest_batch_size: 10
lease_seconds: 600
"""
UNAVAILABLE, AVAILABLE = "resource unavailable, retrying: ", "resource available again: "


class Scene:
    """A private server, an ingester that reads the events fed to it, and two workers."""

    def __init__(self, server: PrivateServer, site: Site, programs: ProgramGroup) -> None:
        self.server = server
        self.site = site
        self.hosts: list[str] = []
        self._program_group = programs
        feed = site.path / "feed"
        os.mkfifo(feed)
        self.workers = [programs.worker(f"worker-{each}") for each in "ab"]
        ingest = ["ingest", "-c", site.config, "--file", feed, "--format", "event"]
        self.ingester = programs.start(
            "ingester", "winchester", *ingest, "--datetime-trait", "never"
        )
        self._feed = feed.open("w")

    @property
    def programs(self) -> list[RunningProgram]:
        return [self.ingester, *self.workers]

    def feed(self, *hosts: str) -> None:
        """Feed two events per host; the second makes its stream fire."""
        self.hosts += hosts
        for host in hosts:
            for event in task_events(host):
                self._feed.write(json.dumps(event) + "\n")
        self._feed.flush()

    def end_feed(self) -> None:
        self._feed.close()

    def wait_until_completed(self) -> None:
        with self.site.store() as store:
            completed = StreamFilter(states=(StreamState.COMPLETED,))
            wait_until(lambda: store.count_streams(completed) == len(self.hosts))

    def wait_until_noticed(self, times: int) -> None:
        """Wait until every program has noticed this many outages."""
        wait_until(lambda: all(each.text().count(UNAVAILABLE) >= times for each in self.programs))

    def wait_until_recovered(self) -> None:
        """Wait until every program has noticed the end of each outage."""
        texts = (each.text for each in self.programs)
        for text in texts:
            wait_until(lambda text=text: text().count(AVAILABLE) == text().count(UNAVAILABLE))

    def journal(self) -> list[dict[str, object]]:
        lines = (self.site.path / "journal.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture(params=["postgresql", "mariadb"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    with private_server(request.param) as server:
        site = Site(tmp_path, server.url)
        site.migrate()
        site.install("winchester.handlers", "held", "HeldHandler", HANDLER)
        site.write("pipelines.yaml", "report: [held]\n")
        site.add_settings(SETTINGS)
        with program_group(site) as programs:
            yield Scene(server, site, programs)


def names(prefix: str, number: int) -> list[str]:
    return [f"{prefix}{each}" for each in range(number)]


def test_a_server_outage_or_crash_costs_only_time(scene: Scene) -> None:
    scene.feed(*names("before", 20))
    scene.wait_until_completed()

    hold = scene.site.write("hold", "")
    scene.feed("running")
    wait_until(lambda: {"call": "handle", "host": "running", "attempt": 1} in scene.journal())
    scene.server.stop()
    hold.unlink()  # its handlers finish while the server is unavailable
    scene.feed(*names("away", 20))
    scene.wait_until_noticed(1)
    scene.server.start()
    scene.wait_until_completed()

    scene.feed(*names("between", 5))
    scene.server.restart(immediately=True)
    scene.feed(*names("after", 20))
    scene.wait_until_completed()
    scene.wait_until_recovered()
    scene.end_feed()
    assert scene.ingester.wait() == 0
    assert [worker.end() for worker in scene.workers] == [0, 0]

    with scene.site.store() as store:
        streams = store.find_streams(limit=1000)
        assert store.count_events(EventFilter()) == 2 * len(scene.hosts)
    assert sorted(str(each.distinguished_by["host"]) for each in streams) == sorted(scene.hosts)
    assert {stream.attempts for stream in streams} == {1}  # waiting is no failed attempt
    check_interrupted_run(scene)
    for program in scene.programs:
        text = program.text()
        assert "Traceback" not in text
        assert text.count(UNAVAILABLE) <= 3, text


def check_interrupted_run(scene: Scene) -> None:
    """Assert that the run interrupted by the outage was committed after it."""
    calls = [note for note in scene.journal() if note["host"] == "running"]
    assert [note["call"] for note in calls] == ["handle", "commit"]
