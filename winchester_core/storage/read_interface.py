"""Protocol of the read role of a store. See `storage.interface` for the other roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from winchester_core.storage.effect_records import ANY_EFFECT
from winchester_core.storage.filters import ANY_EVENT, ANY_REJECTED, ANY_STREAM, ListOrder
from winchester_core.storage.operations_interface import OperationsReadStore
from winchester_core.storage.page_interface import PageReadStore

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from winchester_core.model.event import Event
    from winchester_core.model.statistics import Replica, StoreStatistics
    from winchester_core.model.stream import StreamRecord, StreamState
    from winchester_core.storage.effect_records import EffectFilter, StoredEffect
    from winchester_core.storage.filters import EventFilter, RejectedFilter, StreamFilter
    from winchester_core.storage.records import RejectedMessage, SilentGroup


class ReadStore(PageReadStore, OperationsReadStore, Protocol):
    """Queries.

    A list begins after its `cursor` in the given order, also if the object with this id has been
    deleted, except in a list of events. A list may read all rows; a page reads a bounded number.
    """

    def replica(self) -> Replica | None:
        """Return the age of the data of a server that accepts no writes; None if it accepts them.

        On MariaDB, the age is that of the latest report of a process.
        """

    def real_time(self) -> datetime:
        """Return the store's clock, aware UTC."""

    def find_events(
        self,
        filters: EventFilter = ANY_EVENT,
        *,
        cursor: str | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        by_timestamp: bool = False,
    ) -> list[Event]:
        """Return up to `limit` events in the order of storage, after the message id `cursor`.

        With `by_timestamp`, they are ordered by timestamp; events with the same timestamp are in
        the order of storage. Events that were stored in one transaction have no defined order. If
        there is no event `cursor`, returns nothing.
        """

    def count_events(self, filters: EventFilter = ANY_EVENT, *, up_to: int | None = None) -> int:
        """Return the number of events, at most `up_to`."""

    def find_streams(
        self,
        filters: StreamFilter = ANY_STREAM,
        *,
        cursor: int | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
    ) -> list[StreamRecord]:
        """Return up to `limit` streams by id, after the id `cursor`."""

    def count_streams(self, filters: StreamFilter = ANY_STREAM, *, up_to: int | None = None) -> int:
        """Return the number of streams, at most `up_to`."""

    def count_states(self) -> dict[StreamState, int]:
        """Return the number of streams in each state; zero counts are omitted."""

    def count_states_by_trigger(self) -> dict[str, dict[StreamState, int]]:
        """Return the number of streams of each trigger and state; zero counts are omitted."""

    def statistics(self, now: datetime | None, *, up_to: int | None = None) -> StoreStatistics:
        """Return counts and ages at the stream time `now` (None before the event clock is set).

        Counts all streams and effects by index scans, so the cost grows with their number; streams
        and rejected messages only `up_to` a number for each trigger and state, if it is given. See
        `StoreStatistics.counted_up_to`.
        """

    def check(self) -> None:
        """Verify that the database responds and has the schema revision of this program.

        Raises `SchemaMismatch`.
        """

    def has_event(self, message_id: str | UUID) -> bool:
        """Return whether an event with this id is stored."""

    def get_event_by_message_id(self, message_id: str | UUID) -> Event:
        """Return the event with this id. Raises `UnknownEvent`."""

    def get_stream_by_id(self, stream_id: int) -> StreamRecord:
        """Return the stream with this id. Raises `UnknownStream`."""

    def get_stream_events(self, stream_id: int) -> list[Event]:
        """Return a stream's events by timestamp, then by arrival.

        Raises `UnknownStream`.
        """

    def silence_of(self, group_key: bytes) -> SilentGroup | None:
        """Return the silence of a group, or None. It may be over; `suppress` is its duration."""

    def waits_of(self, message_id: str | UUID) -> dict[str, datetime]:
        """Return the stream times until which an event waits for a stream, by trigger name.

        The event may also be a member of a stream that has ended. A time may be over.
        """

    def waits_after(self, stream_id: int) -> list[datetime]:
        """Return the stream times until which members of an ended stream wait for the next one.

        In no order, one for each such member. A time may be over.
        """

    def find_rejected(
        self,
        filters: RejectedFilter = ANY_REJECTED,
        *,
        cursor: int | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
    ) -> list[RejectedMessage]:
        """Return up to `limit` rejected messages by id, after the id `cursor`.

        Each contains its body, up to 1 MiB.
        """

    def count_rejected(
        self, filters: RejectedFilter = ANY_REJECTED, *, up_to: int | None = None
    ) -> int:
        """Return the number of rejected messages, at most `up_to`."""

    def get_rejected(self, rejected_id: int) -> RejectedMessage:
        """Return the rejected message with this id. Raises `UnknownRejectedMessage`."""

    def find_effects(
        self,
        filters: EffectFilter = ANY_EFFECT,
        *,
        cursor: int | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
    ) -> list[StoredEffect]:
        """Return up to `limit` effects by id, after the id `cursor`."""

    def count_effects(self, filters: EffectFilter = ANY_EFFECT, *, up_to: int | None = None) -> int:
        """Return the number of effects, at most `up_to`."""

    def get_effect(self, effect_id: int) -> StoredEffect:
        """Return the effect with this id. Raises `UnknownEffect`."""
