"""The whole engine on a temporary database and a controlled clock, for tests of triggers."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

from winchester_core import bootstrap
from winchester_core.config import Settings
from winchester_core.ingest.pump import SourcePump
from winchester_core.ingest.replay import Replayer, ReplayPace
from winchester_core.storage.sql.temporary import TemporaryStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path
    from typing import Self

    from winchester_core.ingest import AddResult
    from winchester_core.ingest.replay import ReplaySummary
    from winchester_core.interfaces import EventSource


class InMemoryEngine:
    """Triggers, pipelines and a temporary database in memory, on the event clock.

    `settings` are those of any configuration: a file, a mapping with its content, or `Settings`.
    Its database is not touched. `store` can be read as any store. A context manager: at its end
    what is stored is deleted.

    >>> with InMemoryEngine(settings) as engine:
    ...     engine.add_events(events)
    ...     engine.advance_to(moment)

    Raises `ConfigurationError`.
    """

    def __init__(self, settings: Settings | Mapping[str, Any] | str | Path) -> None:
        known = (
            settings
            if isinstance(settings, Settings)
            else bootstrap.load_settings(settings, needs=["triggers"], ignores=["sources"])
        )
        self.store = TemporaryStore()
        self._close = weakref.finalize(self, self.store.close)
        clock = bootstrap.replay_clock(self.store)
        self.triggers = bootstrap.make_ingester(known, self.store, clock)
        self.worker = bootstrap.make_worker(known, self.store, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete what is stored. Idempotent; done for an engine that is no longer referenced."""
        self._close()

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
