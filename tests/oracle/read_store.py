"""The read role of the memory store."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from oracle import queries
from oracle.locked_memory import LockedMemory
from winchester_core.errors import UnknownEvent
from winchester_core.model.event import message_id_text
from winchester_core.storage.filters import ANY_EVENT, ANY_REJECTED, ANY_STREAM, ListOrder
from winchester_core.storage.records import SilentGroup

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from winchester_core.model.event import Event
    from winchester_core.model.statistics import StoreStatistics
    from winchester_core.model.stream import StreamRecord, StreamState
    from winchester_core.storage.filters import EventFilter, RejectedFilter, StreamFilter
    from winchester_core.storage.records import RejectedMessage


class MemoryReadStore(LockedMemory):
    """An in-memory `ReadStore`, except the effects."""

    def find_events(
        self,
        filters: EventFilter = ANY_EVENT,
        *,
        cursor: str | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        by_timestamp: bool = False,
    ) -> list[Event]:
        """See `ReadStore.find_events`."""
        with self._lock:
            found = queries.matching_events(
                self._memory, filters, cursor, order, by_timestamp=by_timestamp
            )
            return [dict(event) for event in islice(found, limit)]

    def count_events(self, filters: EventFilter = ANY_EVENT, *, up_to: int | None = None) -> int:
        """See `ReadStore.count_events`."""
        with self._lock:
            return sum(1 for _ in islice(queries.matching_events(self._memory, filters), up_to))

    def find_streams(
        self,
        filters: StreamFilter = ANY_STREAM,
        *,
        cursor: int | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
    ) -> list[StreamRecord]:
        """See `ReadStore.find_streams`."""
        with self._lock:
            found = queries.matching_streams(self._memory, filters, cursor, order)
            return [stream.record() for stream in islice(found, limit)]

    def count_streams(self, filters: StreamFilter = ANY_STREAM, *, up_to: int | None = None) -> int:
        """See `ReadStore.count_streams`."""
        with self._lock:
            return sum(1 for _ in islice(queries.matching_streams(self._memory, filters), up_to))

    def count_states(self) -> dict[StreamState, int]:
        """See `ReadStore.count_states`."""
        with self._lock:
            return dict(Counter(stream.state for stream in self._memory.streams.values()))

    def count_states_by_trigger(self) -> dict[str, dict[StreamState, int]]:
        """See `ReadStore.count_states_by_trigger`."""
        with self._lock:
            return queries.count_states_by_trigger(self._memory)

    def statistics(self, now: datetime | None, *, up_to: int | None = None) -> StoreStatistics:
        """See `ReadStore.statistics`."""
        with self._lock:
            return queries.collect_statistics(self._memory, now, self._clock.now(), up_to)

    def replica(self) -> None:
        """See `ReadStore.replica`. This store accepts writes."""

    def check(self) -> None:
        """See `ReadStore.check`. Always passes."""

    def has_event(self, message_id: str | UUID) -> bool:
        """See `ReadStore.has_event`."""
        with self._lock:
            return message_id_text(message_id) in self._memory.events

    def get_event_by_message_id(self, message_id: str | UUID) -> Event:
        """See `ReadStore.get_event_by_message_id`."""
        with self._lock:
            each = self._memory.events.get(message_id_text(message_id))
        if each is None:
            raise UnknownEvent(message_id_text(message_id))
        return dict(each.event)

    def get_stream_by_id(self, stream_id: int) -> StreamRecord:
        """See `ReadStore.get_stream_by_id`."""
        with self._lock:
            return self._memory.stream(stream_id).record()

    def get_stream_events(self, stream_id: int) -> list[Event]:
        """See `ReadStore.get_stream_events`."""
        with self._lock:
            return self._memory.events_of(self._memory.stream(stream_id))

    def silence_of(self, group_key: bytes) -> SilentGroup | None:
        """See `ReadStore.silence_of`."""
        with self._lock:
            silence = self._memory.silences.get(group_key)
        return None if silence is None else SilentGroup(silence.fires_at, silence.stream_id)

    def waits_of(self, message_id: str | UUID) -> dict[str, datetime]:
        """See `ReadStore.waits_of`."""
        with self._lock:
            waiting = [each for group in self._memory.waiting.values() for each in group]
        return {
            each.trigger: each.waits_until
            for each in waiting
            if each.message_id == message_id_text(message_id) and each.waits_until is not None
        }

    def waits_after(self, stream_id: int) -> list[datetime]:
        """See `ReadStore.waits_after`."""
        with self._lock:
            stream = self._memory.streams.get(stream_id)
            if stream is None or stream.is_open:
                return []
            waiting = self._memory.waiting.get(stream.group.key, ())
            return [
                each.waits_until
                for each in waiting
                if each.message_id in stream.members and each.waits_until is not None
            ]

    def find_rejected(
        self,
        filters: RejectedFilter = ANY_REJECTED,
        *,
        cursor: int | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
    ) -> list[RejectedMessage]:
        """See `ReadStore.find_rejected`."""
        with self._lock:
            found = queries.matching_rejected(self._memory, filters, cursor, order)
            return list(islice(found, limit))

    def count_rejected(
        self, filters: RejectedFilter = ANY_REJECTED, *, up_to: int | None = None
    ) -> int:
        """See `ReadStore.count_rejected`."""
        with self._lock:
            return sum(1 for _ in islice(queries.matching_rejected(self._memory, filters), up_to))

    def get_rejected(self, rejected_id: int) -> RejectedMessage:
        """See `ReadStore.get_rejected`."""
        with self._lock:
            return self._memory.rejected[self._memory.rejected_key(rejected_id)]
