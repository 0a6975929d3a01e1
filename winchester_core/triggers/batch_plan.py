"""What a batch of events does to the open streams of their groups. Pure.

The plan is made in memory, event by event in order of arrival; a store then carries it out in
one transaction. Its result equals that of batches of one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

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
    """A stream as the batch leaves it. `id` is None until it has been stored.

    `had_fire_time`: whether its fire time was set before the batch. `stored_progress`:
    fingerprint, first event and expire time as stored. `event_indexes`: indexes in the batch
    of the events that joined, in order.
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
        """What joined: (position in the stream, from 1, and index of the event in the batch)."""
        return enumerate(
            self.event_indexes, self.progress.event_count - len(self.event_indexes) + 1
        )


class BatchPlan:
    """The streams that a batch touches, in the order in which it touches them."""

    def __init__(self, open_streams: Mapping[bytes, PendingStream]) -> None:
        self._open = dict(open_streams)
        self._touched: dict[int, PendingStream] = {}
        self.opened = 0
        self.opened_expired = 0

    @property
    def changed_streams(self) -> list[PendingStream]:
        """Every stream that was opened, closed or joined."""
        return list(self._touched.values())

    @property
    def fire_times_set(self) -> int:
        """How many streams have met their fire criteria by this batch."""
        return sum(
            draft.progress.fire_timestamp is not None and not draft.had_fire_time
            for draft in self._touched.values()
        )

    def add_event(self, index: int, event: Mapping[str, Any], now: datetime, match: Match) -> None:
        """Let the event at `index` join its group's open stream, or open one for it."""
        draft = self._open.get(match.group.key)
        if draft is not None and not progress.accepts_events(draft.progress, now):
            draft.is_open = False
            self._touch(draft)
            draft = None
        if draft is None:
            draft = self._begin(event, now, match)
        else:
            progress.add_event(draft.definition, draft.progress, event, now)
        if not draft.event_indexes:
            self._touch(draft)
        draft.event_indexes.append(index)

    def _begin(self, event: Mapping[str, Any], now: datetime, match: Match) -> PendingStream:
        facts = progress.start(match.definition, event, now)
        draft = PendingStream(match.definition, match.group, facts)
        self._open[match.group.key] = draft
        self.opened += 1
        if facts.fire_timestamp is None and facts.expire_timestamp <= now:
            self.opened_expired += 1
        return draft

    def _touch(self, draft: PendingStream) -> None:
        self._touched.setdefault(id(draft), draft)
