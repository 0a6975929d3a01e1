"""An ingester that reads events fed to it, and two workers, on a database that fails."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.scenes.program_groups import program_group
from support.scenes.sites import Site, task_events, wait_until
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import EventFilter, StreamFilter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from support.scenes.program_groups import ProgramGroup, RunningProgram

HANDLER = """\
import json, os, time
from pathlib import Path
from winchester_core.interfaces import Delivered, PipelineHandler


class HeldHandler(PipelineHandler):
    # records its calls, and delivers; waits while there is a file named hold

    def handle_events(self, events, env):
        self._note = {"host": events[0]["host"], "attempt": env["attempt"]}
        self.note("handle")
        env["outbox"].put(events[0]["host"])
        while Path("hold").exists():
            time.sleep(0.02)
        return events

    def commit(self):
        self.note("commit")

    def rollback(self):
        self.note("rollback")

    def deliver(self, effects):
        for effect in effects:
            self._note = {"host": effect.payload, "attempt": effect.attempt}
            self.note("deliver")
        return [Delivered() for _ in effects]

    def note(self, call):
        with Path("journal.jsonl").open("a") as journal:
            journal.write(json.dumps({"call": call, **self._note}) + "\\n")
"""

SETTINGS = """\
purge_completed_streams: false
pipeline_worker_delay: 0.2
ingest_batch_size: 10
"""
LEASE_SECONDS = 600
UNAVAILABLE, AVAILABLE = "resource unavailable, retrying: ", "resource available again: "


class OutageScene:
    """The programs, with what was fed to them; created by `outage_scene`."""

    def __init__(self, site: Site, programs: ProgramGroup) -> None:
        self.site = site
        self.hosts: list[str] = []
        feed = site.path / "feed"
        os.mkfifo(feed)
        self.start_worker = programs.worker
        self.workers = [self.start_worker(f"worker-{each}") for each in "ab"]
        ingest = ["ingest", "-c", site.config, "--file", feed, "--format", "event"]
        self.ingester = programs.start(
            "ingester", "winchester", *ingest, "--datetime-trait", "never"
        )
        self.input = feed.open("w")

    @property
    def programs(self) -> list[RunningProgram]:
        return [self.ingester, *self.workers]

    def feed(self, *hosts: str) -> None:
        """Feed two events per host; the second makes its stream fire."""
        self.hosts += hosts
        for host in hosts:
            for event in task_events(host):
                self.input.write(json.dumps(event) + "\n")
        self.input.flush()

    def wait_until_completed(self) -> None:
        """Wait until every stream is completed, and its effect is delivered."""
        with self.site.store() as store:
            completed = StreamFilter(states=(StreamState.COMPLETED,))
            wait_until(
                lambda: (
                    store.count_streams(completed) == len(self.hosts) and store.count_effects() == 0
                )
            )

    def wait_until_noticed(
        self, times: int = 1, programs: Sequence[RunningProgram] | None = None
    ) -> None:
        """Wait until these programs, by default all, have noticed this many outages."""
        noticing = self.programs if programs is None else programs
        wait_until(lambda: all(each.text().count(UNAVAILABLE) >= times for each in noticing))

    def wait_until_recovered(self) -> None:
        """Wait until every program has noticed the end of each outage."""
        texts = (each.text for each in self.programs)
        for text in texts:
            wait_until(lambda text=text: text().count(AVAILABLE) == text().count(UNAVAILABLE))

    def end(self) -> None:
        """End the programs, and assert that nothing was lost, repeated or failed."""
        self.input.close()
        assert self.ingester.wait() == 0, self.ingester.text()
        assert [worker.end() for worker in self.workers] == [0, 0]
        with self.site.store() as store:
            streams = store.find_streams(limit=1000)
            assert store.count_events(EventFilter()) == 2 * len(self.hosts)
        assert sorted(str(each.distinguished_by["host"]) for each in streams) == sorted(self.hosts)
        # waiting is no failed attempt, and no sign that a worker died
        marks = {(each.attempts, each.failures, each.trial, each.last_error) for each in streams}
        assert marks == {(1, 0, None, None)}
        for call in ("handle", "commit", "deliver"):
            assert sorted(self.hosts_of(call)) == sorted(self.hosts)
        for program in self.programs:
            assert "Traceback" not in program.text()

    def hosts_of(self, call: str) -> list[str]:
        """Return the hosts that the handlers noted for a call, in order."""
        journal = self.site.path / "journal.jsonl"
        notes = map(json.loads, journal.read_text().splitlines() if journal.exists() else ())
        return [note["host"] for note in notes if note["call"] == call]


@contextmanager
def outage_scene(
    path: Path, url: str, lease_seconds: float = LEASE_SECONDS
) -> Iterator[OutageScene]:
    """Yield the programs, running on the database at `url`."""
    site = Site(path, url)
    site.migrate()
    site.install("winchester.handlers", "held", "HeldHandler", HANDLER)
    site.write("pipelines.yaml", "report: [held]\n")
    site.add_settings(f"{SETTINGS}lease_seconds: {lease_seconds}\n")
    with program_group(site) as programs:
        scene = OutageScene(site, programs)
        with scene.input:
            yield scene


def names(prefix: str, number: int) -> list[str]:
    """Return a number of names of hosts."""
    return [f"{prefix}{each}" for each in range(number)]
