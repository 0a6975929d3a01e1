"""Replays a source under one configuration, in a database of its own, without effect."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from winchester_core import bootstrap
from winchester_core.backtest.outcomes import read_outcomes
from winchester_core.errors import StorageError
from winchester_core.ingest.pump import SourcePump
from winchester_core.ingest.replay import Replayer
from winchester_core.interfaces import EventSource
from winchester_core.model.message import Message, MessageKind
from winchester_core.pipelines import PipelineDefinition
from winchester_core.storage.sql.temporary import TemporaryStore

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from winchester_core.backtest.outcomes import StreamOutcome
    from winchester_core.config import Settings
    from winchester_core.ingest.replay import ReplayPace, ReplaySummary
    from winchester_core.storage.interface import ReadStore, Store
    from winchester_core.storage.records import EventFilter


PIPELINES = ("fire_pipeline", "expire_pipeline")


@dataclass(frozen=True, slots=True)
class ReplayResult:
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
    """One replay in a temporary database.

    A context manager: at its end the database is deleted. `stop` ends a replay early.
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
        """Replay `source` with the triggers of `settings`, whose own database is not touched."""
        kept = replace(settings, purge_completed_streams=False, trim_events=False)
        clock = bootstrap.replay_clock(self._store)
        manager = bootstrap.make_ingester(kept, self._store, clock)
        workers = bootstrap.make_worker(
            kept, self._store, clock, pipelines=_empty_pipelines(settings)
        )
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
        return ReplayResult(self._store, summary, read_outcomes(self._store))


def _empty_pipelines(settings: Settings) -> dict[str, PipelineDefinition]:
    """Each pipeline that a trigger names, without a handler."""
    named = {trigger.get(key) for trigger in settings.trigger_definitions for key in PIPELINES}
    return {name: PipelineDefinition(name, ()) for name in named if name is not None}


# The events of a database as a source: what has been ingested comes again.


class StoredEventSource(EventSource):
    """The events that `wanted` finds in `store`, in the order of their storing. It only reads.

    Opened again, it comes to its end after as many as the first time: a second replay does not
    get what was ingested meanwhile.
    """

    def __init__(self, store: ReadStore, wanted: EventFilter) -> None:
        super().__init__()
        self.exhausted = False
        self._store = store
        self._wanted = wanted
        self._cursor: str | None = None
        self._read = 0
        self._most: int | None = None

    def open(self) -> None:
        """Begin anew."""
        self.exhausted = False
        self._cursor, self._read = None, 0

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """The next of them. Raises `StorageError` where a worker trims faster than this reads."""
        del timeout_seconds  # what is stored is there
        left = max_messages if self._most is None else min(max_messages, self._most - self._read)
        page = (
            self._store.find_events(self._wanted, cursor=self._cursor, limit=left) if left else []
        )
        self._read += len(page)
        if left and not page and self._cursor is not None:
            self._check_cursor(self._cursor)
        if page:
            self._cursor = page[-1]["message_id"]
        if len(page) < max_messages:
            self.exhausted = True
            self._most = self._read
        return [Message(event, MessageKind.EVENT) for event in page]

    def ack(self, messages: Sequence[Message]) -> None:
        """Nothing is to be told: the events stay."""

    def release(self, messages: Sequence[Message]) -> None:
        """Nothing is to be given back."""

    def reject(self, message: Message, reason: str) -> None:
        """Nothing is to be told: the event stays."""

    def close(self) -> None:
        """Nothing is open."""

    def _check_cursor(self, cursor: str) -> None:
        """Tell the end of the events from one that was trimmed meanwhile: nothing is past it."""
        if not self._store.has_event(cursor):
            raise StorageError(
                f"event {cursor} was trimmed while the events were read: begin later (--since)"
            )
