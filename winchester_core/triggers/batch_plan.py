"""Plan of a batch: its effect on the streams of its groups. Pure.

The plan is computed in memory. A store then applies it in one transaction.

Invariants:

1. Events are added in order of arrival, so the result is the same as with batches of one event.
2. `_open` maps the key of a group to its latest stream, which may be holding; at most one stream of
   a group has the key.
3. An event joins the group's open stream if the stream accepts it (see `progress.accepts_events`).
   Otherwise, if the event opens or waits, that stream is closed permanently, and a new stream gets
   the key.
4. A holding stream has not begun: its members wait for an event that opens. When one arrives, they
   join the new stream after it, in their order of arrival, and the holding stream is deleted. An
   event whose time has come to the end of its wait is not there any more.
5. A stream that is cancelled gives its key up. What still waits in it, waits in a new holding
   stream. If a stream ends in another way, only the events that cancel do.
6. `changed_streams` contains every stored stream that changes and every new stream exactly once, in
   the order of the first change. The events of the batch are the last members of a stream, in order
   of arrival.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from winchester_core.criteria import MatchRole
from winchester_core.model.stream import Decision, Reason
from winchester_core.triggers import counting, progress, recalculation, waiting
from winchester_core.triggers.counting import Change
from winchester_core.triggers.pending_stream import Member, PendingStream, Silences

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.grouping import Group
    from winchester_core.triggers.matcher import Match
    from winchester_core.triggers.pending_stream import MemberReference, Silence
    from winchester_core.triggers.waiting import Wait

StoredMembers: TypeAlias = "Callable[[int], Sequence[Member]]"
"""Returns the stored members of a stream by its id, in order of arrival."""


def _no_members(stream_id: int) -> Sequence[Member]:
    """Return no stored members, for plans that need none."""
    del stream_id
    return ()


class BatchPlan:
    """The streams that a batch changes, in the order of their first change.

    `events` are the events of the batch. `read_silences` is that of `Silences`.
    """

    def __init__(
        self,
        open_streams: Mapping[bytes, PendingStream],
        events: Sequence[Mapping[str, Any]] = (),
        stored_members: StoredMembers = _no_members,
        read_silences: Callable[[], Mapping[bytes, Silence]] = dict,
    ) -> None:
        self._open = dict(open_streams)
        self._events = events
        self._stored_members = stored_members
        self.silences = Silences(read_silences)
        self._changed: dict[int, PendingStream] = {}
        self.opened: dict[str, int] = {}
        self.opened_expired = 0
        self.recounted = 0
        self.held = 0
        self.held_dropped = 0

    @property
    def changed_streams(self) -> list[PendingStream]:
        """The streams that were opened, closed, joined by an event, or recalculated."""
        return list(self._changed.values())

    @property
    def fire_times_set(self) -> int:
        """Number of streams that met their fire criteria, or were cancelled, by this batch."""
        return sum(
            stream.progress.fire_timestamp is not None and not stream.had_fire_time
            for stream in self._changed.values()
        )

    def add_event(self, index: int, event: Mapping[str, Any], now: datetime, match: Match) -> None:
        """Add the event at `index` to its group: to the open stream, or to a new one."""
        definition = match.definition
        stream = self._open.get(match.group.key)
        if (
            stream is not None
            and stream.progress.details is not None
            and waiting.remove_ended(stream, now)
        ):
            self._mark_changed(stream)
        is_plain = definition.is_plain and not definition.suppress
        if is_plain and (stream is None or stream.progress.details is None):
            self._add_to_plain(index, event, now, match, stream)
        elif (
            stream is not None
            and not stream.is_holding
            and (progress.accepts_events(definition, stream.progress, now))
        ):
            self._join(stream, index, event, now, match)
        elif match.role is MatchRole.OPENS:
            self._begin(stream, index, event, now, match)
        elif definition.lateness:
            self._let_wait(stream, index, event, now, match)

    def recalculate(
        self, stream: PendingStream, members: Sequence[Mapping[str, Any]], now: datetime
    ) -> None:
        """Recalculate a stream with an outdated fingerprint from its stored members, in order."""
        if stream.is_holding:
            stream.progress.fingerprint = stream.definition.fingerprint
        else:
            was_decided = stream.progress.fire_timestamp is not None
            recalculation.recalculate(stream.definition, stream.progress, members, now)
            if not was_decided and stream.progress.fire_timestamp is not None:
                self.silences.decide(stream, now)
        self._mark_changed(stream)

    # --- streams of plain triggers --------------------------------------------------------

    def _add_to_plain(
        self,
        index: int,
        event: Mapping[str, Any],
        now: datetime,
        match: Match,
        stream: PendingStream | None,
    ) -> None:
        if stream is not None and now >= stream.progress.expire_timestamp:
            self._close(stream)
            stream = None
        if stream is None:
            initial = progress.start(match.definition, event, now)
            stream = PendingStream(match.definition, match.group, initial)
            self._open_stream(stream)
            self._count_opened(stream, now)
        else:
            progress.add_event(stream.definition, stream.progress, event, now)
        if not stream.references:
            self._mark_changed(stream)
        stream.references.append(index)

    def _open_stream(self, stream: PendingStream) -> None:
        self._open[stream.group.key] = stream
        self._mark_changed(stream)

    def _count_opened(self, stream: PendingStream, now: datetime) -> None:
        name = stream.definition.name
        self.opened[name] = self.opened.get(name, 0) + 1
        self.opened_expired += progress.due_reason(stream.progress, now) is Reason.EXPIRE

    # --- streams with details -------------------------------------------------------------

    def _join(
        self,
        stream: PendingStream,
        index: MemberReference,
        event: Mapping[str, Any],
        now: datetime,
        match: Match,
    ) -> None:
        """Add a member to a stream that accepts it."""
        was_decided = stream.progress.fire_timestamp is not None
        if not stream.references:
            self._mark_changed(stream)
        stream.append(index, event)
        change = self._count(stream, event, now, match.role)
        definition, role = stream.definition, match.role
        if definition.lateness and (
            role is MatchRole.CANCELS or (role is MatchRole.JOINS and definition.cancel_criteria)
        ):
            wait = waiting.start_wait(definition, now, role)
            self.held_dropped += waiting.note(stream, wait)
        if change is not Change.ADDED or was_decided != (
            stream.progress.fire_timestamp is not None
        ):
            self._after_change(stream, change, now, was_decided=was_decided)

    def _count(
        self, stream: PendingStream, event: Mapping[str, Any], now: datetime, role: MatchRole
    ) -> Change:
        """Count the event, whose reference is the last one of the stream."""
        if stream.definition.is_plain and stream.progress.details is None:
            progress.add_event(stream.definition, stream.progress, event, now)
            return Change.ADDED
        members = partial(self._events_of, stream)
        if role is MatchRole.CANCELS:
            return counting.cancel(stream.definition, stream.progress, event, now, members)
        return counting.add_event(stream.definition, stream.progress, event, now, role, members)

    def _after_change(
        self, stream: PendingStream, change: Change, now: datetime, *, was_decided: bool
    ) -> None:
        self.recounted += change is Change.RECOUNTED
        is_decided = stream.progress.fire_timestamp is not None
        if change is Change.CANCELLED:
            self.silences.withdraw(stream)
            stream.decide(Decision.CANCELLED)
            self._close(stream)
            waiting.remove_ended(stream, now)
            members = partial(self._members, stream)
            waits = waiting.take(stream, members, only_cancelling=False)
            self._hold(stream.definition, stream.group, waits)
        elif is_decided and not was_decided:
            self.silences.decide(stream, now)
        elif was_decided and not is_decided:
            self.silences.withdraw(stream)

    def _begin(
        self,
        before: PendingStream | None,
        index: int,
        event: Mapping[str, Any],
        now: datetime,
        match: Match,
    ) -> None:
        """Open a stream with `event`; the waiting members of the stream before it join it."""
        definition = match.definition
        waits = self._end(before)
        start = progress.start if definition.is_plain and not waits else counting.start
        initial = start(definition, event, now)
        stream = PendingStream(definition, match.group, initial)
        self._open_stream(stream)
        stream.references.append(index)
        if waits:
            stream.members = [Member(1, index, event)]
        if initial.fire_timestamp is not None:
            self.silences.decide(stream, now)
        self._join_waiting(stream, waits, now)
        self._count_opened(stream, now)

    def _join_waiting(self, stream: PendingStream, waits: Sequence[Wait], now: datetime) -> None:
        """Add waiting members to a new stream. If one cancels it, the rest wait on."""
        for position, (member, wait) in enumerate(waits):
            was_decided = stream.progress.fire_timestamp is not None
            stream.append(member.reference, member.event)
            role = MatchRole.CANCELS if wait.cancels else MatchRole.JOINS
            change = self._count(stream, member.event, now, role)
            self.held_dropped += waiting.note(stream, wait)
            self._after_change(stream, change, now, was_decided=was_decided)
            if change is Change.CANCELLED:
                self._hold(stream.definition, stream.group, waits[position + 1 :])
                return

    def _let_wait(
        self,
        before: PendingStream | None,
        index: int,
        event: Mapping[str, Any],
        now: datetime,
        match: Match,
    ) -> None:
        """Add `event` to those that wait for an event that opens."""
        self.held += 1
        waits = [] if before is None or before.is_holding else self._end(before)
        wait = waiting.start_wait(match.definition, now, match.role)
        self._hold(match.definition, match.group, [*waits, (Member(0, index, event), wait)])

    def _hold(self, definition: TriggerDefinition, group: Group, waits: Sequence[Wait]) -> None:
        """Add waiting members to the holding stream of the group; make one if there is none."""
        if not waits:
            return
        stream = self._open.get(group.key)
        if stream is None:
            stream = waiting.make_holding(definition, group, waits[0][0].event["timestamp"])
            self._open[group.key] = stream
        self._mark_changed(stream)
        self.held_dropped += waiting.hold(stream, waits)

    def _end(self, stream: PendingStream | None) -> list[Wait]:
        """Close a stream, or delete it if it holds. Return what waits on."""
        if stream is None:
            return []
        is_holding = stream.is_holding
        members = partial(self._members, stream)
        waits = waiting.take(stream, members, only_cancelling=not is_holding)
        if is_holding:
            stream.is_deleted = True
            self._mark_changed(stream)
            if stream.id is None:
                del self._changed[id(stream)]
        else:
            self._close(stream)
        return waits

    def _events_of(self, stream: PendingStream) -> list[Mapping[str, Any]]:
        return [each.event for each in self._members(stream)]

    # --- all streams ----------------------------------------------------------------------

    def _members(self, stream: PendingStream) -> list[Member]:
        """Return all members in order of arrival, with those of the batch."""
        if stream.members is None:
            stored = () if stream.id is None else self._stored_members(stream.id)
            new = stream.new_members
            stream.members = [*stored, *(Member(*each, self._events[each[1]]) for each in new)]
        return stream.members

    def _close(self, stream: PendingStream) -> None:
        stream.is_open = False
        self._open.pop(stream.group.key, None)
        self._mark_changed(stream)

    def _mark_changed(self, stream: PendingStream) -> None:
        self._changed.setdefault(id(stream), stream)
