"""A process that kills itself with SIGKILL at a failpoint.

Its argument is a JSON object: `role` ("ingest" or "work"), `settings`, `file` (events to
ingest), `journal` (file for handlers' commits), `box` (file for effects; none without it), and
`kill_at` (a failpoint) with `hit` (which hit of it kills, from 1), or neither. With `ahead`, the
process dies only when the batch after that one has been prepared.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

from winchester_core import bootstrap
from winchester_core.failpoints import Failpoint, on_hit
from winchester_core.ingest.pump import SourcePump
from winchester_core.interfaces import Delivered, DeliveryOutcome, Effect, PipelineHandler
from winchester_core.pipelines import HandlerSpec, PipelineDefinition
from winchester_core.sources.jsonl import JsonlSource


class JournalHandler(PipelineHandler):
    """Makes one new event per stream, and records its commits."""

    def handle_events(self, events: list[dict[str, Any]], env: dict[str, Any]) -> list[Any]:
        first = events[0]
        self._line = {"stream": env["stream_id"], "attempt": env["attempt"]}
        if self.params.get("fails_first") and env["attempt"] == 1:
            raise RuntimeError("the first attempt fails")
        made = {
            "message_id": str(uuid.uuid5(uuid.NAMESPACE_URL, first["message_id"])),
            "event_type": "order.summary",
            "timestamp": events[-1]["timestamp"],
            "order": first["order"],
            "count": len(events),
        }
        return [*events, made]

    def commit(self) -> None:
        with Path(self.params["journal"]).open("a") as journal:
            journal.write(json.dumps(self._line) + "\n")


class HandlerWithoutCommit(JournalHandler):
    """The same without a commit of its own, so that many streams are completed in one batch."""

    commit = PipelineHandler.commit


class PostHandler(PipelineHandler):
    """Queues two effects per stream, and records its deliveries."""

    def handle_events(self, events: list[dict[str, Any]], env: dict[str, Any]) -> list[Any]:
        self._env, self._order = env, events[0]["order"]
        env["outbox"].put([self._order, 1])
        if self.params["commits"]:
            return events
        env["outbox"].put([self._order, 2])
        return events

    def deliver(self, effects: list[Effect]) -> list[DeliveryOutcome]:
        with Path(self.params["box"]).open("a") as box:
            lines = ([effect.id, effect.attempt, *effect.payload] for effect in effects)
            box.writelines(json.dumps(line) + "\n" for line in lines)
        return [Delivered() for _ in effects]


class CommittingPostHandler(PostHandler):
    """The same, queueing its second effect in `commit`."""

    def commit(self) -> None:
        self._env["outbox"].put([self._order, 2])


AHEAD_SECONDS = 60.0


def arm(kill_at: str | None, hit: int, *, ahead: bool = False) -> None:
    """Kill this process at the given hit of a failpoint."""
    passed = 0
    prepared = threading.Semaphore(0)

    def hook(point: Failpoint) -> None:
        nonlocal passed
        passed += point == kill_at
        if point is Failpoint.PREPARED:
            prepared.release()
        if point == kill_at and passed == hit:
            for _ in range(hit + 1 if ahead else 0):
                assert prepared.acquire(timeout=AHEAD_SECONDS), "no batch is prepared ahead"
            os.kill(os.getpid(), signal.SIGKILL)

    on_hit(hook if kill_at else None)


def run_ingest(task: dict[str, Any]) -> None:
    settings = bootstrap.load_settings(task["settings"])
    store = bootstrap.open_store(settings)
    manager = bootstrap.make_ingester(settings, store, bootstrap.stream_clock(settings, store))
    form = {"mapping": task["mapping"]} if "mapping" in task else {"format": "event"}
    source = JsonlSource(path=task["file"], **form)
    if task.get("ahead"):
        store.is_embedded = False  # as a server, so that batches are prepared ahead
    with manager:
        SourcePump("test", source, manager, batch_size=7, stop=threading.Event()).run()


def post_handlers(task: dict[str, Any]) -> list[HandlerSpec]:
    """Return the handler that delivers effects to the file `box`, if there is one."""
    if "box" not in task:
        return []
    commits = not task.get("quiet", False)
    handler_class = CommittingPostHandler if commits else PostHandler
    return [HandlerSpec("post", handler_class, {"box": task["box"], "commits": commits})]


def run_work(task: dict[str, Any]) -> None:
    settings = bootstrap.load_settings(task["settings"])
    store = bootstrap.open_store(settings)
    handler_class = HandlerWithoutCommit if task.get("quiet") else JournalHandler
    params = {"journal": task["journal"], "fails_first": task.get("fails_first", False)}
    handlers = (HandlerSpec("journal", handler_class, params), *post_handlers(task))
    pipelines = {"summary": PipelineDefinition("summary", handlers)}
    clock = bootstrap.stream_clock(settings, store)
    bootstrap.make_worker(settings, store, clock, pipelines=pipelines).run_until_idle()


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    arm(given.get("kill_at"), given.get("hit", 1), ahead=given.get("ahead", False))
    {"ingest": run_ingest, "work": run_work}[given["role"]](given)
