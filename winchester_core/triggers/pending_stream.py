"""Streams and silences as they are after a batch, before they are stored. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from winchester_core.model.stream import Decision
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.grouping import Group
    from winchester_core.triggers.progress import StreamProgress

MemberReference: TypeAlias = int
"""Index of an event in the batch, or, if it was stored before, the complement (~) of its row id."""


class Member(NamedTuple):
    """A member of a stream. Positions are the order of arrival, from 1."""

    position: int
    reference: MemberReference
    event: Mapping[str, Any]


@dataclass(slots=True, eq=False)
class PendingStream:
    """A stream after the batch. `id` is None until it is stored.

    `had_fire_time` is true if its fire time was set before the batch. `stored_progress` contains
    the fingerprint, first event and expire time in the database. `references` are the new members,
    in order. `decision` is whether it is cancelled or suppressed, if `has_new_decision`; otherwise
    the stored decision is unchanged.
    """

    definition: TriggerDefinition
    group: Group
    progress: StreamProgress
    id: int | None = None
    is_open: bool = True
    had_fire_time: bool = False
    stored_progress: tuple[str, datetime, datetime] | None = None
    references: list[MemberReference] = field(default_factory=list)
    decision: Decision | None = None
    has_new_decision: bool = False
    is_deleted: bool = False
    begins_silence: bool = False
    unlink_before: int | None = None
    """Position before which members must be unlinked."""
    members: list[Member] | None = None
    """All members in order of arrival, if they have been read."""

    @property
    def new_members(self) -> Iterable[tuple[int, MemberReference]]:
        """New members: position in the stream, from 1, and reference."""
        return enumerate(self.references, self.progress.event_count - len(self.references) + 1)

    @property
    def is_holding(self) -> bool:
        """Return whether it has not begun: its members wait for an event that opens."""
        return self.progress.details is not None and self.progress.details.is_holding

    def decide(self, decision: Decision | None) -> None:
        """Set the decision."""
        self.decision, self.has_new_decision = decision, True

    def append(self, reference: MemberReference, event: Mapping[str, Any]) -> None:
        """Append a member that will be counted next."""
        self.references.append(reference)
        if self.members is not None:
            self.members.append(Member(self.progress.event_count + 1, reference, event))


class Silence(NamedTuple):
    """A silent group: when, and by which stream, it was decided to fire."""

    fire_timestamp: datetime
    stream: PendingStream | int
    """The stream, or its id if it is not part of the batch."""
