"""Replay of a source with one configuration, in a temporary database and without handlers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from winchester_core import bootstrap
from winchester_core.backtest.replayed_streams import read_streams
from winchester_core.errors import StorageError
from winchester_core.ingest.replay import Replayer
from winchester_core.interfaces import EventSource
from winchester_core.model.message import Message, MessageKind
from winchester_core.pipelines import PipelineDefinition
from winchester_core.storage.sql.temporary import TemporaryStore

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from winchester_core.backtest.replayed_streams import ReplayedStream
    from winchester_core.config import Settings
    from winchester_core.ingest.replay import ReplayPace, ReplaySummary
    from winchester_core.storage.filters import EventFilter
    from winchester_core.storage.interface import Store
    from winchester_core.storage.read_interface import ReadStore


PIPELINES = ("fire_pipeline", "expire_pipeline", "cancel_pipeline")


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """Result of a replay. `store` has its streams and events until the `Backtest` is closed."""

    store: Store
    summary: ReplaySummary
    streams: Sequence[ReplayedStream]

    @property
    def numbers(self) -> dict[str, int]:
        """Number of streams, in total and by outcome."""
        outcomes = Counter(stream.outcome.value for stream in self.streams)
        return {"streams": len(self.streams), **dict(sorted(outcomes.items()))}


class Backtest:
    """Replay in a temporary database.

    A context manager, which deletes the database on exit. `stop` ends a replay early.
    """

    def __init__(self, pace: ReplayPace, stop: threading.Event) -> None:
        self._pace = pace
        self._stop = stop
        self._store = TemporaryStore()

    def __enter__(self) -> Backtest:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def run(
        self, settings: Settings, source: EventSource, on_batch: Callable[[int], None]
    ) -> ReplayResult:
        """Replay `source` with the triggers, but not the database, of `settings`."""
        replay_settings = replace(settings, purge_completed_streams=False, trim_events=False)
        clock = bootstrap.replay_clock(self._store)
        ingester = bootstrap.make_ingester(replay_settings, self._store, clock)
        worker = bootstrap.make_worker(
            replay_settings, self._store, clock, pipelines=_empty_pipelines(settings)
        )
        summary = Replayer(
            source,
            ingester,
            worker,
            pace=self._pace,
            stop=self._stop,
            name="backtest",
            on_batch=on_batch,
        ).run()
        return ReplayResult(self._store, summary, read_streams(self._store))


def _empty_pipelines(settings: Settings) -> dict[str, PipelineDefinition]:
    """Return all pipelines that triggers name, without handlers."""
    names = {trigger.get(key) for trigger in settings.trigger_definitions for key in PIPELINES}
    return {name: PipelineDefinition(name, ()) for name in names if name is not None}


# A source that reads the events of a database.


class StoredEventSource(EventSource):
    """Events of `store` that match `event_filter`, in storage order. Read-only.

    The second pass returns only as many events as the first, so events that were ingested in the
    meantime do not appear.
    """

    def __init__(self, store: ReadStore, event_filter: EventFilter) -> None:
        super().__init__()
        self.exhausted = False
        self._store = store
        self._filter = event_filter
        self._cursor: str | None = None
        self._read = 0
        self._total: int | None = None

    def open(self) -> None:
        """Start a pass from the first event."""
        self.exhausted = False
        self._cursor, self._read = None, 0

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return the next events. Raises `StorageError` if a worker trims them first."""
        del timeout_seconds  # stored events are available at once
        left = max_messages if self._total is None else min(max_messages, self._total - self._read)
        page = (
            self._store.find_events(self._filter, cursor=self._cursor, limit=left) if left else []
        )
        self._read += len(page)
        if left and not page and self._cursor and not self._store.has_event(self._cursor):
            raise StorageError(
                f"event {self._cursor} was trimmed while the events were read: choose a later "
                "--since"
            )
        if page:
            self._cursor = page[-1]["message_id"]
        if len(page) < max_messages:
            self.exhausted = True
            self._total = self._read
        return [Message(event, MessageKind.EVENT) for event in page]

    def ack(self, messages: Sequence[Message]) -> None:
        """Do nothing; the events stay in the database."""

    def release(self, messages: Sequence[Message]) -> None:
        """Do nothing; the events are still in the database."""

    def reject(self, message: Message, reason: str) -> None:
        """Do nothing; the event stays in the database."""

    def close(self) -> None:
        """Do nothing; there is no resource to close."""
