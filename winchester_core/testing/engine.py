"""In-memory engine with a temporary database and an event clock, for tests of triggers."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

from winchester_core import bootstrap
from winchester_core.config import Settings
from winchester_core.ingest.replay import Replayer, ReplayPace
from winchester_core.storage.sql.temporary import TemporaryStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from typing import Self

    from winchester_core.ingest import AddResult
    from winchester_core.ingest.replay import ReplaySummary
    from winchester_core.interfaces import EventSource
    from winchester_core.model.message import Message


class InMemoryEngine:
    """Triggers, pipelines and a temporary database in memory, on the event clock.

    `settings` is a configuration file, a mapping with its content, or `Settings`. The database in
    it is not used. `store` is a complete store. The engine is a context manager that deletes all
    stored data on exit.

    >>> with InMemoryEngine(settings) as engine:
    ...     engine.add_events(events)
    ...     engine.advance_to(moment)

    Raises `ConfigurationError`.
    """

    def __init__(self, settings: Settings | Mapping[str, Any] | str | Path) -> None:
        loaded = (
            settings
            if isinstance(settings, Settings)
            else bootstrap.load_settings(
                settings, needs=["triggers"], ignores=["sources", "console"]
            )
        )
        self.store = TemporaryStore()
        self._close = weakref.finalize(self, self.store.close)
        clock = bootstrap.replay_clock(self.store)
        self.triggers = bootstrap.make_ingester(loaded, self.store, clock)
        self.worker = bootstrap.make_worker(loaded, self.store, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete all stored data. Idempotent. Also happens when the engine is garbage-collected."""
        self._close()

    def add_events(self, events: Iterable[Mapping[str, Any]]) -> AddResult:
        """Add events and advance the clock; run the worker until no stream is ready."""
        result = self.triggers.add_events(events)
        self.worker.run_until_idle()
        return result

    def add_notifications(self, notifications: Iterable[Mapping[str, Any]]) -> AddResult:
        """Add notifications and advance the clock; run the worker until no stream is ready."""
        result = self.triggers.add_notifications(notifications)
        self.worker.run_until_idle()
        return result

    def add_messages(self, messages: Sequence[Message]) -> AddResult:
        """Add messages of a source and advance the clock; run the worker until no stream is ready.

        The result has one outcome per message. A message with `mappings` may make several events.
        """
        result = self.triggers.add_messages(messages)
        self.worker.run_until_idle()
        return result

    def advance_to(self, moment: datetime) -> None:
        """Advance stream time to `moment` (aware); run the worker until no stream is ready."""
        self.store.advance_event_clock(moment)
        self.worker.run_until_idle()

    def replay(self, source: EventSource, pace: ReplayPace | None = None) -> ReplaySummary:
        """Replay a source until it is exhausted, as `winchester replay` does."""
        return Replayer(
            source,
            self.triggers,
            self.worker,
            pace=pace or ReplayPace(),
            stop=threading.Event(),
        ).run()
