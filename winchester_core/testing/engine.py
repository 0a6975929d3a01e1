"""The whole engine in memory, on a clock under control: for trying triggers and handlers out."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from winchester_core import bootstrap, ingest, worker
from winchester_core.clock import SystemClock
from winchester_core.config import Settings
from winchester_core.ingest.pump import SourcePump
from winchester_core.ingest.replay import Replayer, ReplayPace
from winchester_core.storage.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from winchester_core.ingest import AddResult
    from winchester_core.ingest.replay import ReplaySummary
    from winchester_core.interfaces import EventSource


class InMemoryEngine:
    """Triggers, pipelines and a store in memory, on the event clock.

    `settings` are those of any configuration: a file, a mapping with its content, or `Settings`.
    Its database is not touched. `store` can be read as any store.

    >>> engine = InMemoryEngine(settings)
    >>> engine.add_events(events)
    >>> engine.advance_to(moment)

    Raises `ConfigurationError`.
    """

    def __init__(self, settings: Settings | Mapping[str, Any] | str | Path) -> None:
        known = (
            settings
            if isinstance(settings, Settings)
            else bootstrap.load_settings(settings, needs=["triggers"], ignores=["sources"])
        )
        self.store = MemoryStore(SystemClock())
        clock = bootstrap.replay_clock(self.store)
        self.triggers = ingest.Ingester(**bootstrap.ingest_parts(known, self.store, clock=clock))
        self.worker = worker.Worker(**bootstrap.worker_parts(known, self.store, clock=clock))

    def add_events(self, events: Iterable[Mapping[str, Any]]) -> AddResult:
        """Add events, which move the clock, and work until nothing is ready."""
        result = self.triggers.add_events(events)
        self.worker.run_until_idle()
        return result

    def add_notifications(self, notifications: Iterable[Mapping[str, Any]]) -> AddResult:
        """Add notifications, which move the clock, and work until nothing is ready."""
        result = self.triggers.add_notifications(notifications)
        self.worker.run_until_idle()
        return result

    def advance_to(self, moment: datetime) -> None:
        """Let stream time go on to `moment` (aware), and work until nothing is ready."""
        self.store.advance_event_clock(moment)
        self.worker.run_until_idle()

    def replay(self, source: EventSource, pace: ReplayPace | None = None) -> ReplaySummary:
        """Replay a source to its end, as `winchester replay` does."""
        stop = threading.Event()
        chosen = pace or ReplayPace()
        pump = SourcePump("replay", source, self.triggers, batch_size=chosen.batch_size, stop=stop)
        return Replayer(
            source=source,
            pump=pump,
            manager=self.triggers,
            worker=self.worker,
            pace=chosen,
            stop=stop,
        ).run()
