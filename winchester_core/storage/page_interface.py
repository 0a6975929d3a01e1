"""Protocol of lists that are read in pages with a bounded effort, for interactive programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from winchester_core.storage.effect_records import ANY_EFFECT
from winchester_core.storage.filters import ANY_EVENT, ANY_REJECTED, ANY_STREAM, ListOrder
from winchester_core.storage.list_pages import MAX_SEARCHED_ROWS
from winchester_core.storage.operation_records import ANY_ACTION

if TYPE_CHECKING:
    from winchester_core.model.action import ActionRecord
    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.effect_records import EffectFilter, StoredEffect
    from winchester_core.storage.filters import EventFilter, RejectedFilter, StreamFilter
    from winchester_core.storage.list_pages import Key, ListPage
    from winchester_core.storage.operation_records import ActionFilter
    from winchester_core.storage.records import RejectedMessage


class PageReadStore(Protocol):
    """Pages of lists.

    A page contains the first `limit` matches after the key `after`, which need not exist any more.
    If an index finds at most `max_rows` rows that may match, only these are read. Otherwise, the
    next `max_rows` rows of the list are searched for matches. Errors, reasons, bodies and payloads
    are cut to 2,048 characters. Raises `ValueError` if `after` is not a key of the list, or a
    number is less than 1.
    """

    def page_of_streams(
        self,
        filters: StreamFilter = ANY_STREAM,
        *,
        after: Key | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        max_rows: int = MAX_SEARCHED_ROWS,
    ) -> ListPage[StreamRecord]:
        """Return a page of streams by id."""

    def page_of_events(
        self,
        filters: EventFilter = ANY_EVENT,
        *,
        after: Key | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        max_rows: int = MAX_SEARCHED_ROWS,
        by_timestamp: bool = False,
    ) -> ListPage[Event]:
        """Return a page of events in the order of storage, or by timestamp and then by storage.

        Traits are compared in this process, so events that are filtered by them have no total.
        """

    def page_of_stream_events(
        self,
        stream_id: int,
        *,
        after: Key | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        max_rows: int = MAX_SEARCHED_ROWS,
    ) -> ListPage[Event]:
        """Return a page of a stream's events by timestamp, then by arrival.

        If the stream has more than `max_rows` events, it is divided in the order of arrival into
        parts of at most that many, and each part is ordered by timestamp. A page contains events of
        one part. Raises `UnknownStream`.
        """

    def page_of_rejected(
        self,
        filters: RejectedFilter = ANY_REJECTED,
        *,
        after: Key | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        max_rows: int = MAX_SEARCHED_ROWS,
    ) -> ListPage[RejectedMessage]:
        """Return a page of rejected messages by id."""

    def page_of_effects(
        self,
        filters: EffectFilter = ANY_EFFECT,
        *,
        after: Key | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        max_rows: int = MAX_SEARCHED_ROWS,
    ) -> ListPage[StoredEffect]:
        """Return a page of effects by id."""

    def page_of_actions(
        self,
        filters: ActionFilter = ANY_ACTION,
        *,
        after: Key | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        max_rows: int = MAX_SEARCHED_ROWS,
    ) -> ListPage[ActionRecord]:
        """Return a page of actions by id."""

    def page_of_stream_ids(
        self,
        filters: StreamFilter = ANY_STREAM,
        *,
        after: Key | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        max_rows: int = MAX_SEARCHED_ROWS,
    ) -> ListPage[int]:
        """Return the ids of a page of streams, which are cheaper to read."""

    def page_of_rejected_ids(
        self,
        filters: RejectedFilter = ANY_REJECTED,
        *,
        after: Key | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        max_rows: int = MAX_SEARCHED_ROWS,
    ) -> ListPage[int]:
        """Return the ids of a page of rejected messages, which are cheaper to read."""

    def page_of_effect_ids(
        self,
        filters: EffectFilter = ANY_EFFECT,
        *,
        after: Key | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        max_rows: int = MAX_SEARCHED_ROWS,
    ) -> ListPage[int]:
        """Return the ids of a page of effects, which are cheaper to read."""
