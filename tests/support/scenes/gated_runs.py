"""A site with handlers that journal their calls, and wait in them on request."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.scenes.sites import wait_until
from winchester_core.bootstrap import TriggerManager
from winchester_core.storage.filters import EventFilter, StreamFilter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from support.scenes.program_groups import RunningProgram
    from support.scenes.sites import Site
    from winchester_core.model.stream import StreamState

HANDLERS = Path(__file__).with_name("gated_handlers.py").read_text()
KINDS = ("fast", "slow")

TRIGGER = """\
- name: {kind}
  distinguished_by: [host]
  expiration: "$last + 1h"
  fire_pipeline: {kind}
  match_criteria: [event_type: {kind}.end]
  fire_criteria: [event_type: {kind}.end]
"""

SETTINGS = """\
purge_completed_streams: false
pipeline_worker_delay: 0.2
retry_delay: 0.2
"""


class GatedSite:
    """A site with the triggers and pipelines "fast" and "slow", both with the same handler."""

    def __init__(self, site: Site) -> None:
        self.site = site
        site.write("triggers.yaml", "".join(TRIGGER.format(kind=kind) for kind in KINDS))
        site.write("pipelines.yaml", "fast: [gated]\nslow: [gated]\n")
        site.add_settings(SETTINGS)

    def configure(self, settings: str, *, has_commit: bool = True) -> None:
        """Add settings, and install the handler with or without a commit."""
        handler = "GatedHandler" if has_commit else "GatedHandlerWithoutCommit"
        self.site.install("winchester.handlers", "gated", handler, HANDLERS)
        self.site.add_settings(settings)

    def ingest(self, kind: str, hosts: Iterable[str]) -> None:
        """Make a stream of each host ready to fire, in order."""
        settings = {
            "database": {"url": self.site.url},
            "clock": "event",
            "trigger_definitions": str(self.site.path / "triggers.yaml"),
        }
        events = [
            {
                "message_id": f"{kind}-{host}",
                "event_type": f"{kind}.end",
                "timestamp": "2015-01-20T10:00:00+00:00",
                "host": host,
            }
            for host in hosts
        ]
        with TriggerManager(settings) as manager:
            assert manager.add_events(events).stored == len(events)

    @contextmanager
    def holding(self, phase: str, hosts: str) -> Iterator[None]:
        """Make calls in this phase wait within the context, if their host begins with `hosts`."""
        request = self.site.write(f"hold-{phase}", hosts)
        try:
            yield
        finally:
            request.unlink()

    def journal(self, *calls: str, worker: RunningProgram | None = None) -> list[dict[str, Any]]:
        """Return these calls of the handlers in order, of one worker or all."""
        path = self.site.path / "journal.jsonl"
        text = path.read_text() if path.exists() else ""
        notes = [json.loads(line) for line in text.splitlines(keepends=True) if line[-1] == "\n"]
        return [
            note
            for note in notes
            if note["call"] in calls and (worker is None or note["pid"] == worker.pid)
        ]

    def hosts(self, *calls: str) -> list[str]:
        """Return the hosts of these calls in order."""
        return [note["host"] for note in self.journal(*calls)]

    def states(self) -> dict[str, StreamState]:
        """Return the state of each stream by its host."""
        with self.site.store() as store:
            streams = store.find_streams(StreamFilter(), limit=1000)
        return {stream.distinguished_by["host"]: stream.state for stream in streams}

    def wait_for(self, state: StreamState, hosts: Iterable[str]) -> None:
        """Wait until the streams of these hosts are in a state."""
        wanted = set(hosts)
        wait_until(
            lambda: wanted <= {host for host, each in self.states().items() if each is state}
        )

    def makers(self) -> dict[str, list[tuple[int, int]]]:
        """Return attempt and process that created each stored event, by host."""
        made: dict[str, list[tuple[int, int]]] = {}
        with self.site.store() as store:
            for event in store.find_events(EventFilter(event_type="made"), limit=1000):
                attempt, pid = event["message_id"].split("-")[-2:]
                made.setdefault(event["host"], []).append((int(attempt), int(pid)))
        return made
