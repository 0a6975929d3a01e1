"""A worker process one of whose streams kills it.

Its argument is a JSON object: `url` (of the database), `triggers` (names), `journal` (file for
runs), `concurrency`, `commit_batch`, and `poison` (the value of `instance` of the stream that
kills) with `way` (how).
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from support.builders.events import make_trigger
from winchester_core.clock import ClockKind, StreamClock, SystemClock
from winchester_core.interfaces import PipelineHandler
from winchester_core.pipelines import HandlerSpec, PipelineDefinition
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.store import SqlStore
from winchester_core.worker import Worker, WorkerOptions
from winchester_core.worker.options import WorkerConfiguration

WAYS: dict[str, Any] = {
    "exit": lambda: os._exit(7),
    "segfault": lambda: ctypes.string_at(0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
}


class PoisonHandler(PipelineHandler):
    """Dies while it handles the poison; journals each run."""

    def handle_events(self, events: list[dict[str, Any]], env: dict[str, Any]) -> list[Any]:
        instance = env["distinguished_by"]["instance"]
        with Path(self.params["journal"]).open("a") as journal:
            journal.write(json.dumps([instance, env["attempt"]]) + "\n")
        self._is_poison = instance == self.params["poison"]
        if self._is_poison and not self.params["in_commit"]:
            WAYS[self.params["way"]]()
        return events


class CommittingPoisonHandler(PoisonHandler):
    """The same with a commit, in which it may die."""

    def commit(self) -> None:
        if self._is_poison and self.params["in_commit"]:
            WAYS[self.params["way"]]()


def run(task: dict[str, Any]) -> None:
    way, _, phase = task.get("way", "").partition(" in ")
    params = {
        "journal": task["journal"],
        "poison": task.get("poison"),
        "way": way,
        "in_commit": phase == "commit",
    }
    handler = CommittingPoisonHandler if phase else PoisonHandler
    pipeline = (HandlerSpec("poison", handler, params),)
    store = SqlStore(Database(task["url"]))
    worker = Worker(
        store=store,
        stream_clock=StreamClock(ClockKind.SYSTEM, store, SystemClock()),
        configuration=WorkerConfiguration(
            [make_trigger(name) for name in task["triggers"]],
            {name: PipelineDefinition(name, pipeline) for name in ("fire", "expire")},
            WorkerOptions(
                retry_delay=timedelta(seconds=0.1),
                purge_completed=False,
                concurrency=task["concurrency"],
                commit_batch=task["commit_batch"],
            ),
        ),
        name="w",
    )
    worker.run_until_idle()


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
