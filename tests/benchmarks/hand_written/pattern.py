"""Hand-written pattern common to all databases; subclasses provide the SQL."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.hand_written.tables import metadata
from benchmarks.workload import EXISTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Engine

REQUIRED = frozenset({"message_id", "event_type", "timestamp"})
EXPIRATION = timedelta(days=2)
LEASE = timedelta(minutes=1)
WORKER = "by hand"


@dataclass(slots=True)
class StreamChange:
    """Change of the stream of one instance and day by a batch."""

    key: bytes
    first: datetime
    last: datetime
    events: int = 0
    fires: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed stream."""

    id: int
    serial: int


class WritePattern(ABC):
    """The pattern on one database, in its own tables."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        metadata.create_all(engine)

    def add(self, batches: Iterable[Sequence[Mapping[str, Any]]]) -> None:
        """Store each batch in one transaction: new events, their streams, the links."""
        for batch in batches:
            with self.engine.begin() as connection:
                self._add(connection, batch)

    def work(self, limit: int) -> int:
        """Claim, load and complete until nothing is ready to fire; return the number of streams."""
        done = 0
        while claims := self._claim_batch(limit):
            for events in self.events_of(claims):
                _handle(events)
            with self.engine.begin() as connection:
                done += self.complete(connection, claims)
        return done

    def events_of(self, claims: Sequence[Claim]) -> Iterator[list[dict[str, Any]]]:
        """Return the events of each of these streams, by time."""
        with self.engine.begin() as connection:
            rows = self.load(connection, claims)
        for _stream, members in groupby(rows, key=itemgetter(0)):
            yield [_event(row) for row in members]

    @abstractmethod
    def insert_events(
        self, connection: Connection, batch: Sequence[Mapping[str, Any]]
    ) -> dict[str, int]:
        """Insert new events; return the row ids by message id."""

    @abstractmethod
    def move_streams(
        self, connection: Connection, changes: Sequence[StreamChange], now: datetime
    ) -> dict[bytes, int]:
        """Open or move the streams; return their ids by key."""

    @abstractmethod
    def insert_links(self, connection: Connection, links: list[tuple[int, int]]) -> None:
        """Insert links of stream id and event id."""

    @abstractmethod
    def claim(self, connection: Connection, now: datetime, limit: int) -> list[Claim]:
        """Claim up to `limit` streams that are ready to fire."""

    @abstractmethod
    def load(self, connection: Connection, claims: Sequence[Claim]) -> Iterable[Sequence[Any]]:
        """Return rows of stream id, message id, type, time and traits, by stream and time."""

    @abstractmethod
    def complete(self, connection: Connection, claims: Sequence[Claim]) -> int:
        """Delete the streams that are still claimed, and their links; return their number."""

    def _add(self, connection: Connection, batch: Sequence[Mapping[str, Any]]) -> None:
        ids = self.insert_events(connection, batch)
        changes: dict[bytes, StreamChange] = {}
        members: list[tuple[bytes, int]] = []
        for event in batch:
            row_id = ids.pop(event["message_id"], None)
            if row_id is None:
                continue
            moment = event["timestamp"]
            key = _key(event["instance_id"], moment)
            change = changes.get(key)
            if change is None:
                change = changes[key] = StreamChange(key, moment, moment)
            change.first, change.last = min(change.first, moment), max(change.last, moment)
            change.events += 1
            change.fires |= event["event_type"] == EXISTS
            members.append((key, row_id))
        if changes:
            ordered = [changes[key] for key in sorted(changes)]
            stream_ids = self.move_streams(connection, ordered, datetime.now(UTC))
            self.insert_links(connection, [(stream_ids[key], row_id) for key, row_id in members])

    def _claim_batch(self, limit: int) -> list[Claim]:
        with self.engine.begin() as connection:
            return self.claim(connection, datetime.now(UTC), limit)


def traits_of(event: Mapping[str, Any]) -> str:
    """Return the traits that are not columns as JSON text; datetimes are tagged."""
    traits = {name: event[name] for name in event if name not in REQUIRED}
    return orjson.dumps(traits, default=_tag, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()


def _tag(moment: datetime) -> dict[str, str]:
    return {"datetime": moment.isoformat()}


def _key(instance_id: str, moment: datetime) -> bytes:
    return hashlib.sha256(f"{instance_id} {moment.date()}".encode()).digest()


def _event(row: Sequence[Any]) -> dict[str, Any]:
    _, message_id, event_type, timestamp, traits = row
    event = {"message_id": message_id, "event_type": event_type, "timestamp": timestamp}
    for name, value in orjson.loads(traits).items():
        is_moment = type(value) is dict
        event[name] = datetime.fromisoformat(value["datetime"]) if is_moment else value
    return event


def _handle(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return events
