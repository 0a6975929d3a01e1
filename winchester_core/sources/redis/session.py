"""Session with a Redis server: received entries, and the thread that keeps them."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winchester_core.sources.errors import source_error
from winchester_core.sources.redis.connection import (
    REDIS_ERRORS,
    connect,
    create_group,
    server_name,
)
from winchester_core.sources.redis.group import BEGINNING, NEW, Entry, EntryId, GroupConsumer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from winchester_core.errors import SourceError

logger = logging.getLogger(__name__)

KEEPS_PER_IDLE = 4
CLAIMS_PER_IDLE = 2
MAX_KEPT = 1000
"""Entries per command that resets their idle time."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An entry that was received."""

    entry: Entry
    redelivered: bool


class RedisSession:
    """A client that reads the entries of one consumer.

    At first it reads the entries that are pending at this consumer, then it takes those of dead
    consumers, regularly, and reads new entries. A thread keeps the unsettled entries from being
    taken by others. Any error ends the session and is stored in `failure`; unsettled entries stay
    pending.
    """

    def __init__(self, params: Mapping[str, Any], consumer: str) -> None:
        """Connect, and create missing groups. Raises `SourceError`."""
        self.failure: SourceError | None = None
        self._params = params
        streams = params["stream"]
        self._streams: list[str] = [streams] if isinstance(streams, str) else streams
        self._name = server_name(params)
        self._lock = threading.Lock()
        self._unsettled: dict[EntryId, Delivery] = {}
        self._received: deque[Delivery] = deque()
        self._own_pending = dict.fromkeys(self._streams, BEGINNING)
        """For each stream, the position up to which the entries of this consumer are read."""
        self._claims = dict.fromkeys(self._streams, BEGINNING)
        self._next_claim_at = 0.0
        try:
            self._client = connect(params)
            for stream in self._streams:
                create_group(self._client, stream, params)
        except (*REDIS_ERRORS, ValueError) as error:
            raise source_error(self._name, error) from error
        self._consumer = GroupConsumer(
            self._client, params["group"], consumer, params["claim_idle_seconds"]
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="redis-keeper", daemon=True)
        self._thread.start()

    def receive_batch(self, max_messages: int, timeout_seconds: float) -> list[Delivery]:
        """Return received entries; wait for the first."""
        timeout_at = time.monotonic() + timeout_seconds
        try:
            while not self._received and self.failure is None:
                seconds = max(0.0, timeout_at - time.monotonic())
                self._read(max_messages, min(seconds, self._params["timeout_seconds"] / 2))
                if not seconds:
                    break
        except REDIS_ERRORS as error:
            self._fail(error)
        return [self._received.popleft() for _ in range(min(max_messages, len(self._received)))]

    def ack(self, ids: Iterable[EntryId]) -> None:
        """Acknowledge these entries."""
        with self._lock:
            settled = [each for each in ids if self._unsettled.pop(each, None) is not None]
        if settled and self.failure is None:
            try:
                self._consumer.ack(settled, delete=self._params["delete_acknowledged"])
            except REDIS_ERRORS as error:
                self._fail(error)

    def release(self, ids: Iterable[EntryId]) -> None:
        """Return these entries again, before others."""
        with self._lock:
            released = [self._unsettled[each] for each in ids if each in self._unsettled]
        self._received.extendleft(Delivery(each.entry, True) for each in reversed(released))

    def count_waiting(self) -> int | None:
        """Return the number of undelivered entries, or None if it is unknown."""
        if self.failure is not None:
            return None
        try:
            return self._consumer.lag(self._streams)
        except REDIS_ERRORS as error:
            self._fail(error)
            return None

    def close(self) -> None:
        """Let other consumers take unsettled entries, and disconnect."""
        self._stop.set()
        self._thread.join()
        try:
            if self.failure is None and self._unsettled:
                self._consumer.release(list(self._unsettled))
        except REDIS_ERRORS as error:
            self._fail(error)
        with suppress(*REDIS_ERRORS):
            self._client.close()

    def _read(self, count: int, block_seconds: float) -> None:
        if self._own_pending:
            self._read_own_pending(count)
        if not self._received and time.monotonic() >= self._next_claim_at:
            self._claim(count)
        if not self._received:
            positions = dict.fromkeys(self._streams, NEW)
            self._add(self._consumer.read(positions, count, block_seconds), redelivered=False)

    def _read_own_pending(self, count: int) -> None:
        entries = self._consumer.read(self._own_pending, count)
        self._own_pending = {entry.id.stream: entry.id.id for entry in entries}
        self._add(entries, redelivered=True)

    def _claim(self, count: int) -> None:
        """Take entries of dead consumers, up to `count` of each stream."""
        for stream, position in self._claims.items():
            self._claims[stream], entries = self._consumer.claim(stream, position, count)
            self._add(entries, redelivered=True)
            if self._claims[stream] == BEGINNING:
                self._consumer.remove_dead_consumers(stream)
        if all(position == BEGINNING for position in self._claims.values()):
            interval = self._params["claim_idle_seconds"] / CLAIMS_PER_IDLE
            self._next_claim_at = time.monotonic() + interval

    def _add(self, entries: Iterable[Entry], *, redelivered: bool) -> None:
        """Add entries that are not held yet; acknowledge deleted ones, which have no content."""
        deleted = []
        for entry in entries:
            with self._lock:
                if entry.id in self._unsettled:
                    continue
                if entry.fields:
                    delivery = Delivery(entry, redelivered)
                    self._unsettled[entry.id] = delivery
                    self._received.append(delivery)
                else:
                    deleted.append(entry.id)
        if deleted:
            logger.warning(
                "entries were deleted before they were stored: stream=%s entries=%d first=%s",
                deleted[0].stream,
                len(deleted),
                deleted[0].id,
            )
            self._consumer.ack(deleted, delete=False)

    def _keep(self) -> None:
        """Reset the idle time of unsettled entries regularly. The body of the thread."""
        interval = self._params["claim_idle_seconds"] / KEEPS_PER_IDLE
        while self.failure is None and not self._stop.wait(interval):
            with self._lock:
                unsettled = list(self._unsettled)
            try:
                for begin in range(0, len(unsettled), MAX_KEPT):
                    self._consumer.keep(unsettled[begin : begin + MAX_KEPT])
            except Exception as error:  # noqa: BLE001 - without the thread, others take the entries
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        logger.debug("session failed: server=%s", self._name, exc_info=error)
        self.failure = self.failure or source_error(self._name, error)
