"""The site of a chaos run: the spools of its ingesters, and its running programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from support.scenes.worker_settings import ONE_BY_ONE, PARALLEL, WorkerSettings

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from support.scenes.program_groups import ProgramGroup, RunningProgram
    from support.scenes.sites import Site
    from winchester_core.model.event import Event

INGESTERS = 2
WORKERS = 3
START = datetime(2026, 3, 14, 10, tzinfo=UTC)
STEPS = ("placed", "paid", "packed", "shipped")
SHOPS = 3
ORDERS_PER_SHOP = 30
"""Order ids of a shop: they recur, so that a group has one stream after another."""

MIXED = (ONE_BY_ONE, PARALLEL, WorkerSettings(4, 10))
"""Settings of the workers in turn."""

SETTINGS = """\
database: {{url: "{url}"}}
clock: event
trigger_definitions: triggers.yaml
pipeline_config: pipelines.yaml
purge_completed_streams: false
pipeline_worker_batch_size: 40
pipeline_worker_delay: 0.2
lease_seconds: 3
retry_delay: 0.2
retry_delay_max: 1
max_attempts: 100000
"""

TRIGGERS = """\
- name: orders
  distinguished_by: [shop, order]
  expiration: "$last + 30m"
  fire_pipeline: order
  expire_pipeline: order
  match_criteria:
    - event_type: ["order.*", "!order.summary"]
  fire_criteria:
    - event_type: order.shipped

- name: shops
  distinguished_by: [shop]
  expiration: "$last + 1h"
  fire_pipeline: rollup
  expire_pipeline: rollup
  match_criteria:
    - event_type: order.summary
  fire_criteria:
    - event_type: order.summary
      number: 7
"""

PIPELINES = """\
order: [chaos_order]
rollup: [chaos_rollup]
"""


class ChaosSite:
    """A site, the spools of its ingesters, and the programs running there."""

    def __init__(
        self,
        site: Site,
        programs: ProgramGroup,
        source: random.Random,
        workers: Sequence[WorkerSettings],
    ) -> None:
        self.site = site
        self._workers = workers
        self.sent: list[Event] = []
        self._program_group = programs
        self._random = source
        self._team: dict[str, RunningProgram] = {}
        self._is_complete = False
        self._configure()

    @property
    def names(self) -> list[str]:
        """Return the names of the running roles."""
        return list(self._team)

    def member(self, name: str) -> RunningProgram:
        """Return the program that has the role now."""
        return self._team[name]

    def open(self) -> None:
        """Start all programs."""
        for name in self._roles():
            self.start(name)

    def start(self, name: str) -> None:
        """Start the program of a role, for the first time or again."""
        if name.startswith("worker"):
            command = ["winchester-worker", "-n", name]
        else:
            command = ["winchester", "ingest"]
        config = self.site.path / f"{name}.yaml"
        self._team[name] = self._program_group.start(name, *command, "-c", config)

    def is_done(self, name: str) -> bool:
        """Return whether the role has ended: its ingester has ingested everything."""
        is_ingester = name.startswith("ingester")
        return is_ingester and self._is_complete and self._team[name].wait() == 0

    def remove(self, name: str) -> None:
        """Remove a role."""
        del self._team[name]

    def produce(self, number: int) -> None:
        """Produce `number` more events, each delivered by two ingesters."""
        events = [self._next_event() for _ in range(number)]
        for ingester in range(INGESTERS):
            order = self._random.sample(events, number)
            with self._spool(ingester).open("a") as spool:
                spool.write("".join(json.dumps(event, default=str) + "\n" for event in order))
        self.sent += events

    def complete(self) -> None:
        """End the input: the ingesters end once they have ingested everything."""
        for ingester in range(INGESTERS):
            Path(f"{self._spool(ingester)}.complete").touch()
        self._is_complete = True

    def _next_event(self) -> Event:
        number = len(self.sent) + self._random.randrange(1_000_000_000)
        late = timedelta(minutes=self._random.choice([0, 0, 0, 20]))
        return {
            "message_id": f"m{len(self.sent)}-{number:x}",
            "event_type": f"order.{self._random.choice(STEPS)}",
            "timestamp": START + timedelta(seconds=10 * len(self.sent)) - late,
            "shop": f"shop {self._random.randrange(SHOPS)}",
            "order": self._random.randrange(ORDERS_PER_SHOP),
        }

    def _spool(self, ingester: int) -> Path:
        return self.site.path / f"spool{ingester}.jsonl"

    def _roles(self) -> list[str]:
        ingesters = [f"ingester{number}" for number in range(INGESTERS)]
        return ingesters + [f"worker{number}" for number in range(WORKERS)]

    def _configure(self) -> None:
        site = self.site
        settings = SETTINGS.format(url=site.url)
        site.write("winchester.yaml", settings)
        site.write("triggers.yaml", TRIGGERS)
        site.write("pipelines.yaml", PIPELINES)
        plugins = Path(__file__).with_name("plugins.py").read_text()
        site.install("winchester.handlers", "chaos_order", "OrderHandler", plugins)
        site.install("winchester.handlers", "chaos_rollup", "RollupHandler", plugins)
        site.install("winchester.event_sources", "spool", "SpoolSource", plugins)
        for ingester in range(INGESTERS):
            self._spool(ingester).touch()
            source = {"source": "spool", "params": {"path": str(self._spool(ingester))}}
            sources = json.dumps({f"spool{ingester}": {**source, "batch_size": 30}})
            site.write(f"ingester{ingester}.yaml", f"{settings}event_sources: {sources}\n")
        for worker in range(WORKERS):
            threads = self._workers[worker % len(self._workers)]
            site.write(f"worker{worker}.yaml", settings + threads.yaml())
