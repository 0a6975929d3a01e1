"""Streams and silences as they are after a batch, before they are stored. Pure.

A group is silent from the fire time of the stream that was decided to fire. Only the holder of the
group's key decides, so a silence cannot change meanwhile, except for a group without an open
stream; the store verifies it when it writes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from winchester_core.model.stream import Decision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

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


class Silences:
    """The silent groups among the groups of a batch, by group key.

    `read` returns those that are stored. It is called once, when the first stream is decided or
    cancelled.
    """

    def __init__(self, read: Callable[[], Mapping[bytes, Silence]]) -> None:
        self._read = read
        self.before: Mapping[bytes, Silence] = {}
        """The silent groups as they were read."""
        self.after: dict[bytes, Silence] | None = None
        """The silent groups after the batch; None if they have not been read."""

    def decide(self, stream: PendingStream, now: datetime) -> None:
        """Suppress a stream that has met its criteria, or make its group silent."""
        fire_timestamp = stream.progress.fire_timestamp
        if not stream.definition.suppress or fire_timestamp is None:
            return
        silences = self._silences()
        silence = silences.get(stream.group.key)
        if silence is not None and now - silence.fire_timestamp < stream.definition.suppress:
            stream.decide(Decision.SUPPRESSED)
        else:
            silences[stream.group.key] = Silence(fire_timestamp, stream)
            stream.begins_silence = True

    def withdraw(self, stream: PendingStream) -> None:
        """End the silence that a stream has caused, because it will not fire."""
        stream.decide(None)
        if stream.definition.suppress:
            silences = self._silences()
            silence = silences.get(stream.group.key)
            if silence is not None and silence.stream in (stream, stream.id):
                del silences[stream.group.key]

    def _silences(self) -> dict[bytes, Silence]:
        if self.after is None:
            self.before = self._read()
            self.after = dict(self.before)
        return self.after
