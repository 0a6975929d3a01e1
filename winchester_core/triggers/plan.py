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
    from winchester_core.triggers.progress import StreamFacts


@dataclass(slots=True, eq=False)
class StreamDraft:
    """A stream as the batch leaves it. `id` is None until it has been stored.

    `was_decided` tells whether its fire time was set before, `stored_facts` which fingerprint,
    first event and expiry are stored; `joined` holds the indexes in the batch of the events that
    joined, in order.
    """

    definition: TriggerDefinition
    group: Group
    facts: StreamFacts
    id: int | None = None
    is_open: bool = True
    was_decided: bool = False
    stored_facts: tuple[str, datetime, datetime] | None = None
    joined: list[int] = field(default_factory=list)

    @property
    def members(self) -> Iterable[tuple[int, int]]:
        """What joined: (position in the stream, from 1, and index of the event in the batch)."""
        return enumerate(self.joined, self.facts.event_count - len(self.joined) + 1)


class BatchPlan:
    """The streams that a batch touches, in the order in which it touches them."""

    def __init__(self, open_streams: Mapping[bytes, StreamDraft]) -> None:
        self._open = dict(open_streams)
        self._touched: dict[int, StreamDraft] = {}
        self.opened = 0
        self.born_expired = 0

    @property
    def drafts(self) -> list[StreamDraft]:
        """Every stream that was opened, closed or joined."""
        return list(self._touched.values())

    @property
    def decided(self) -> int:
        """How many streams have met their fire criteria by this batch."""
        return sum(
            draft.facts.fire_timestamp is not None and not draft.was_decided
            for draft in self._touched.values()
        )

    def admit(self, index: int, event: Mapping[str, Any], now: datetime, match: Match) -> None:
        """Let the event at `index` join its group's open stream, or open one for it."""
        draft = self._open.get(match.group.key)
        if draft is not None and not progress.takes_events(draft.facts, now):
            draft.is_open = False
            self._touch(draft)
            draft = None
        if draft is None:
            draft = self._begin(event, now, match)
        else:
            progress.join(draft.definition, draft.facts, event, now)
        if not draft.joined:
            self._touch(draft)
        draft.joined.append(index)

    def _begin(self, event: Mapping[str, Any], now: datetime, match: Match) -> StreamDraft:
        facts = progress.begin(match.definition, event, now)
        draft = StreamDraft(match.definition, match.group, facts)
        self._open[match.group.key] = draft
        self.opened += 1
        if facts.fire_timestamp is None and facts.expire_timestamp <= now:
            self.born_expired += 1
        return draft

    def _touch(self, draft: StreamDraft) -> None:
        self._touched.setdefault(id(draft), draft)
