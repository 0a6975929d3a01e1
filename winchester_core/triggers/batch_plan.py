"""Plan of a batch: its effect on the open streams of its groups. Pure.

The plan is computed in memory. A store then applies it in one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from winchester_core.model.stream import Reason
from winchester_core.triggers import progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.grouping import Group
    from winchester_core.triggers.matcher import Match
    from winchester_core.triggers.progress import StreamProgress


@dataclass(slots=True, eq=False)
class PendingStream:
    """A stream after the batch. `id` is None until it is stored.

    `had_fire_time` is true if its fire time was set before the batch. `stored_progress` contains
    the fingerprint, first event and expire time in the database. `event_indexes` are the indexes
    (in the batch) of the events that joined, in order.
    """

    definition: TriggerDefinition
    group: Group
    progress: StreamProgress
    id: int | None = None
    is_open: bool = True
    had_fire_time: bool = False
    stored_progress: tuple[str, datetime, datetime] | None = None
    event_indexes: list[int] = field(default_factory=list)

    @property
    def members(self) -> Iterable[tuple[int, int]]:
        """New members: (position in the stream, from 1; index of the event in the batch)."""
        return enumerate(
            self.event_indexes, self.progress.event_count - len(self.event_indexes) + 1
        )


# Invariants of a plan:
#
# 1. Events are added in order of arrival, so the result is the same as with batches of one event.
# 2. `_open` maps the key of a group to its latest stream; at most one stream of a group is open. 3.
# An event joins the group's open stream if it arrives before the stream's expire time. Otherwise
# that stream is closed permanently, and the event opens a new stream. 4. `changed_streams` contains
# every opened, closed or joined stream exactly once, in the order of the first change. 5. The
# events of the batch are the last members of a stream, in order of arrival.


class BatchPlan:
    """The streams that a batch changes, in the order of their first change."""

    def __init__(self, open_streams: Mapping[bytes, PendingStream]) -> None:
        self._open = dict(open_streams)
        self._changed: dict[int, PendingStream] = {}
        self.opened = 0
        self.opened_expired = 0

    @property
    def changed_streams(self) -> list[PendingStream]:
        """The streams that were opened, closed or joined by an event."""
        return list(self._changed.values())

    @property
    def fire_times_set(self) -> int:
        """Number of streams that met their fire criteria through this batch."""
        return sum(
            stream.progress.fire_timestamp is not None and not stream.had_fire_time
            for stream in self._changed.values()
        )

    def add_event(self, index: int, event: Mapping[str, Any], now: datetime, match: Match) -> None:
        """Add the event at `index` to the open stream of its group, or open a new stream."""
        stream = self._open.get(match.group.key)
        if stream is not None and not progress.accepts_events(stream.progress, now):
            stream.is_open = False
            self._mark_changed(stream)
            stream = None
        if stream is None:
            stream = self._open_stream(event, now, match)
        else:
            progress.add_event(stream.definition, stream.progress, event, now)
        if not stream.event_indexes:
            self._mark_changed(stream)
        stream.event_indexes.append(index)

    def _open_stream(self, event: Mapping[str, Any], now: datetime, match: Match) -> PendingStream:
        initial = progress.start(match.definition, event, now)
        stream = PendingStream(match.definition, match.group, initial)
        self._open[match.group.key] = stream
        self.opened += 1
        self.opened_expired += progress.due_reason(initial, now) is Reason.EXPIRE
        return stream

    def _mark_changed(self, stream: PendingStream) -> None:
        self._changed.setdefault(id(stream), stream)
