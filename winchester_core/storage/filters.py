"""Filters and orders of lists: plain values, no SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from winchester_core.model.event import to_utc

if TYPE_CHECKING:
    from winchester_core.model.stream import StreamOutcome, StreamState


class FilterInUtc:
    """Base class of filters. Naive datetimes are in UTC; others are converted to UTC."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for each in fields(self):  # type: ignore[arg-type]
            value = getattr(self, each.name)
            if isinstance(value, datetime):
                object.__setattr__(self, each.name, to_utc(value))
            elif isinstance(value, Mapping) and any(map(_is_datetime, value.values())):
                in_utc = {k: to_utc(v) if _is_datetime(v) else v for k, v in value.items()}
                object.__setattr__(self, each.name, in_utc)


def _is_datetime(value: object) -> bool:
    return isinstance(value, datetime)


class ListOrder(StrEnum):
    """Order of a list: by id, which is the order of storing, unless the method says otherwise.

    A list that continues after a cursor must have the order of the list that contained the cursor.
    """

    OLDEST = "oldest"
    """Oldest first."""

    NEWEST = "newest"
    """Newest first: the reverse."""


@dataclass(frozen=True, slots=True)
class EventFilter(FilterInUtc):
    """Filters of events; None matches any. Times are aware UTC, `until` is exclusive."""

    event_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    traits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamFilter(FilterInUtc):
    """Filters of streams; None matches any.

    `older_than` and `younger_than` compare the time of the first event, `last_event_older_than` and
    `last_event_younger_than` that of the last; `event_type` is a glob that one of the stream's
    events matches; `message_id` is the id of one of its events; `is_open` is whether the stream
    still accepts events; `error_text` is a case-sensitive part of its last error; `has_trial`
    selects streams that must be tried alone, or need not. `unknown_to` excludes the streams of
    these triggers, and completed streams. `outcomes` are those of `StreamRecord.outcome`; no index
    serves them.
    """

    name: str | None = None
    states: tuple[StreamState, ...] = ()
    is_open: bool | None = None
    error_text: str | None = None
    traits: Mapping[str, Any] = field(default_factory=dict)
    older_than: datetime | None = None
    younger_than: datetime | None = None
    event_type: str | None = None
    message_id: str | None = None
    has_trial: bool | None = None
    unknown_to: frozenset[str] | None = None
    last_event_older_than: datetime | None = None
    last_event_younger_than: datetime | None = None
    outcomes: tuple[StreamOutcome, ...] = ()


@dataclass(frozen=True, slots=True)
class RejectedFilter(FilterInUtc):
    """Filters of rejected messages; None matches any.

    `older_than` and `younger_than` compare the time at which the message was stored (real time,
    UTC).
    """

    source: str | None = None
    kind: str | None = None
    older_than: datetime | None = None
    younger_than: datetime | None = None


ANY_EVENT = EventFilter()
ANY_STREAM = StreamFilter()
ANY_REJECTED = RejectedFilter()
