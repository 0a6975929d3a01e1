"""Measured operations on a large database: those of ingest, workers and commands."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING
from uuid import uuid4

from support.builders.bulk_rows import END, RARE_TYPE, Bulk
from support.builders.events import LEASE, VM, ingest, make_event
from winchester_core.clock import FixedTime
from winchester_core.model.stream import CLAIM_REASONS, Reason, StreamState
from winchester_core.storage.filters import EventFilter, ListOrder, StreamFilter
from winchester_core.storage.records import Completion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from winchester_core.storage.records import TrimResult
    from winchester_core.storage.sql.store import SqlStore

BATCH = 1000
CLAIMS = 100
TRIM = 100
BEFORE_ALL = END - timedelta(days=60)
ALL_DUE = END + timedelta(days=90)
HALF = END - timedelta(days=14)


class Measures:
    """Operations by name; each can be repeated any number of times."""

    def __init__(self, store: SqlStore, bulk: Bulk) -> None:
        self._store = store
        self._bulk = bulk
        self._open = range(bulk.first_open, bulk.streams)
        self._batches = (f"{uuid4()}-{number}" for number in count())
        self._trimmed: TrimResult | None = None

    def all(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Yield name and action of each operation; operations that delete events come last."""
        yield f"ingest {BATCH} events, half into open streams", self.ingest
        yield f"claim, load and complete {CLAIMS} streams of all that are due", self.work
        yield "poll of an idle worker", self.poll
        yield from self._lists()
        yield from self._counts()
        yield f"trim a batch of {TRIM}", self.trim
        yield f"trim a batch of {TRIM}, from the oldest event", self.trim_from_start

    def ingest(self) -> None:
        """Ingest a batch, as a source delivers it."""
        batch = next(self._batches)
        known = [
            make_event(f"{batch}/known/{i}", instance=f"i-{self._open[-1 - i % len(self._open)]}")
            for i in range(BATCH // 2)
        ]
        new = [
            make_event(f"{batch}/new/{i}", instance=f"{batch}-{i // 8}") for i in range(BATCH // 2)
        ]
        ingest(self._store, VM, *known, *new, now=END)

    def work(self) -> None:
        """Claim, load and complete a batch, without handlers."""
        claims = self._store.claim_ready(
            worker="w", reason=Reason.EXPIRE, now=ALL_DUE, limit=CLAIMS, lease=LEASE
        )
        self._store.events_of([each.stream_id for each in claims])
        self._store.complete([Completion(each) for each in claims], FixedTime(END))

    def poll(self) -> None:
        """Run the queries of an idle worker."""
        self._store.rescue(max_attempts=5, limit=BATCH)
        for reason in CLAIM_REASONS:
            self._store.claim_ready(
                worker="w", reason=reason, now=BEFORE_ALL, limit=BATCH, lease=LEASE
            )
        self._store.trim(BEFORE_ALL, BEFORE_ALL, TRIM)
        self._store.backlog(BEFORE_ALL)

    def trim(self) -> int:
        """Trim one batch, continuing after the previous one."""
        return self._trim(self._trimmed)

    def trim_from_start(self) -> int:
        """Trim one batch, starting at the oldest event."""
        return self._trim(None)

    def _trim(self, before: TrimResult | None, age: datetime = HALF) -> int:
        cursor = before.cursor if before is not None else None
        self._trimmed = self._store.trim(age, age, TRIM, cursor)
        return self._trimmed.removed

    def _lists(self) -> Iterator[tuple[str, Callable[[], object]]]:
        store, bulk = self._store, self._bulk
        hour, day = END - timedelta(hours=1), END - timedelta(days=1)
        events = {
            "event list": EventFilter(),
            "event list --event-type, a common one": EventFilter("compute.instance.update"),
            "event list --event-type, a rare one": EventFilter(RARE_TYPE),
            "event list --since, the last hour": EventFilter(since=hour),
            "event list --since, the last half": EventFilter(since=HALF),
            "event list --since --trait, of the last day": EventFilter(
                since=day, traits={"host": "compute-7"}
            ),
        }
        for name, event_filter in events.items():
            yield name, lambda chosen=event_filter: store.find_events(chosen)
            yield (
                f"{name}, newest first",
                lambda chosen=event_filter: store.find_events(chosen, order=ListOrder.NEWEST),
            )
            yield (
                f"{name}, newest by timestamp",
                lambda chosen=event_filter: store.find_events(
                    chosen, order=ListOrder.NEWEST, by_timestamp=True
                ),
            )
        streams = {
            "stream list": StreamFilter(),
            "stream list --state error": StreamFilter(states=(StreamState.ERROR,)),
            "stream list --state active": StreamFilter(states=(StreamState.ACTIVE,)),
            "stream list --younger-than, the last hour": StreamFilter(younger_than=hour),
            "stream list --last-event-younger-than, the last hour": StreamFilter(
                last_event_younger_than=hour
            ),
            "stream list --last-event-older-than, the first hours": StreamFilter(
                last_event_older_than=bulk.moment(bulk.events // 100)
            ),
            "stream list --event-type, a common one": StreamFilter(event_type="*.update"),
            "stream list --event-type, a rare one": StreamFilter(event_type=RARE_TYPE),
            "stream list --message-id": StreamFilter(message_id=bulk.message_id(bulk.events // 2)),
            "stream list --trait": StreamFilter(traits={"instance": f"i-{bulk.streams // 2 + 1}"}),
        }
        for name, stream_filter in streams.items():
            yield name, lambda chosen=stream_filter: store.find_streams(chosen)
            yield (
                f"{name}, newest first",
                lambda chosen=stream_filter: store.find_streams(chosen, order=ListOrder.NEWEST),
            )

    def _counts(self) -> Iterator[tuple[str, Callable[[], object]]]:
        store = self._store
        hour = EventFilter(since=END - timedelta(hours=1))
        failed = StreamFilter(states=(StreamState.ERROR,))
        yield "event list --count", store.count_events
        yield "event list --count --since, the last hour", lambda: store.count_events(hour)
        yield "stream list --count --state error", lambda: store.count_streams(failed)
        yield "trigger list, with streams by state", store.count_states_by_trigger
