"""Reading of many stored objects in pages, and of their events in batches that fit in memory."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PAGE_SIZE = 1000
"""Default number of objects read at a time."""


def pages(
    find: Callable[..., list[Any]],
    filters: object,
    cursor: Any = None,
    *,
    size: int | None = None,
    limit: int | None = None,
    key: Callable[[Any], Any] = attrgetter("id"),
) -> Iterator[list[Any]]:
    """Yield pages of the objects after `cursor` that `find`, a method of a store, returns.

    There are at most `size` objects in a page (default: `PAGE_SIZE`), at most `limit` in total;
    `key` returns an object's cursor.
    """
    size = size or PAGE_SIZE
    while limit is None or limit > 0:
        wanted = size if limit is None else min(size, limit)
        page = find(filters, cursor=cursor, limit=wanted)
        yield page
        if len(page) < wanted:
            return
        cursor, limit = key(page[-1]), None if limit is None else limit - wanted


def find_all(find: Callable[..., list[Any]], filters: object) -> Iterator[Any]:
    """Yield all objects that `find`, a method of a store, returns in pages."""
    return chain.from_iterable(pages(find, filters))


MEMORY_BATCH_EVENTS = 10_000
MEMORY_BATCH_STREAMS = 1_000


class HasEventCount(Protocol):
    """A stream, or a claim on a stream."""

    @property
    def event_count(self) -> int:
        """Number of events in the stream."""


Counted = TypeVar("Counted", bound=HasEventCount)


def memory_batches(streams: Iterable[Counted]) -> Iterator[list[Counted]]:
    """Divide streams into batches with events that fit in memory. A stream is never split."""
    batch: list[Counted] = []
    events = 0
    for stream in streams:
        full = (
            events + stream.event_count > MEMORY_BATCH_EVENTS or len(batch) == MEMORY_BATCH_STREAMS
        )
        if batch and full:
            yield batch
            batch, events = [], 0
        batch.append(stream)
        events += stream.event_count
    if batch:
        yield batch
