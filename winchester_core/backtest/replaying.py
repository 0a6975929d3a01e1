"""Replays a source under one configuration, in a database of its own, without effect."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from winchester_core import bootstrap, ingest, worker
from winchester_core.backtest.outcomes import read_outcomes
from winchester_core.ingest.pump import SourcePump
from winchester_core.ingest.replay import Replayer
from winchester_core.pipelines import PipelineDefinition
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema import DatabaseSchema
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from winchester_core.backtest.outcomes import StreamOutcome
    from winchester_core.config import Settings
    from winchester_core.ingest.replay import ReplayPace, ReplaySummary
    from winchester_core.interfaces import EventSource
    from winchester_core.storage.interface import Store

FILE = "backtest.db"
PIPELINES = ("fire_pipeline", "expire_pipeline")


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to. `store` holds its streams and events until the backtest is closed."""

    store: Store
    summary: ReplaySummary
    streams: Sequence[StreamOutcome]

    @property
    def numbers(self) -> dict[str, int]:
        """How many streams there are, and how many of each outcome."""
        outcomes = Counter(stream.outcome.value for stream in self.streams)
        return {"streams": len(self.streams), **dict(sorted(outcomes.items()))}


class Backtest:
    """One replay in `directory`, which must be there and is left to the caller.

    A context manager: at its end the database is closed. `stop` ends a replay early.
    """

    def __init__(self, directory: Path, pace: ReplayPace, stop: threading.Event) -> None:
        self._pace = pace
        self._stop = stop
        self._database = Database(f"sqlite:///{directory / FILE}")
        DatabaseSchema(self._database).upgrade()
        self._store = SqlStore(self._database)

    def __enter__(self) -> Backtest:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def run(
        self, settings: Settings, source: EventSource, on_batch: Callable[[int], None]
    ) -> Replayed:
        """Replay `source` with the triggers of `settings`, whose own database is not touched."""
        kept = replace(settings, purge_completed_streams=False, trim_events=False)
        clock = bootstrap.replay_clock(self._store)
        manager = ingest.Ingester(**bootstrap.ingest_parts(kept, self._store, clock=clock))
        parts = bootstrap.worker_parts(kept, self._store, clock=clock)
        workers = worker.Worker(**{**parts, "pipelines": _empty_pipelines(settings)})
        pump = SourcePump(
            "backtest", source, manager, batch_size=self._pace.batch_size, stop=self._stop
        )
        summary = Replayer(
            source=source,
            pump=pump,
            manager=manager,
            worker=workers,
            pace=self._pace,
            stop=self._stop,
            on_batch=on_batch,
        ).run()
        return Replayed(self._store, summary, read_outcomes(self._store))


def _empty_pipelines(settings: Settings) -> dict[str, PipelineDefinition]:
    """Each pipeline that a trigger names, without a handler."""
    named = {trigger.get(key) for trigger in settings.trigger_definitions for key in PIPELINES}
    return {name: PipelineDefinition(name, ()) for name in named if name is not None}
