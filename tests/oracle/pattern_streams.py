"""Streams of triggers with more than numbers of events, decided from all members at each event."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from oracle.pattern_members import Member, facts_of
from oracle.state import MemoryStream, Silence
from winchester_core.criteria import MatchRole
from winchester_core.model.stream import Decision
from winchester_core.triggers import progress
from winchester_core.triggers.progress import StreamProgress

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from oracle.state import IngestCounts, MemoryState
    from oracle.transaction import Transaction
    from winchester_core.model.event import Event
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.matcher import Match

MOST_WAITING = 1000
"""Maximum number of events that wait in a group."""


class PatternIngest:
    """Ingest of one event for one trigger. Its stream is decided from all its members."""

    def __init__(
        self,
        memory: MemoryState,
        transaction: Transaction,
        counts: IngestCounts,
        match: Match,
        now: datetime,
    ) -> None:
        self._memory = memory
        self._transaction = transaction
        self._counts = counts
        self._definition = match.definition
        self._group = match.group
        self._role = match.role
        self._now = now

    def take(self, event: Event) -> None:
        """Add `event` to its group's open stream, open one for it, or let it wait."""
        key = self._group.key
        member = self._member(event)
        stream = self._memory.open_streams.get(key)
        self._set_waiting(self._still_waiting(self._memory.waiting.get(key, ())))
        if stream is not None:
            stream.save(self._transaction)
            self._end_waits(stream)
            if stream.progress.fingerprint != self._definition.fingerprint:
                recount(self._memory, self._transaction, self._definition, stream, self._now)
            if _accepts(self._definition, stream, self._now):
                self._join(stream, [member])
                return
        if member.role is MatchRole.OPENS:
            if stream is not None:
                close(self._memory, self._transaction, stream)
            self._open(member)
        elif member.waits_until is not None and member.waits_until > self._now:
            if stream is not None:
                close(self._memory, self._transaction, stream)
            waiting = [*self._memory.waiting.get(key, ()), member]
            self._counts.held += 1
            self._wait(waiting)

    def _member(self, event: Event) -> Member:
        waits_until = None
        if self._role is not MatchRole.OPENS and self._definition.lateness:
            waits_until = self._now + self._definition.lateness
        return Member(dict(event), self._role, waits_until, trigger=self._definition.name)

    def _still_waiting(self, members: Iterable[Member]) -> list[Member]:
        return [
            each
            for each in members
            if each.waits_until is not None and self._now < each.waits_until
        ]

    def _end_waits(self, stream: MemoryStream) -> None:
        """End waits of members for good: they do not wait again if stream time goes back."""
        if stream.pattern is not None:
            stream.pattern = [
                each if self._still_waiting([each]) else replace(each, waits_until=None)
                for each in stream.pattern
            ]

    def _wait(self, waiting: list[Member]) -> None:
        self._counts.held_dropped += max(0, len(waiting) - MOST_WAITING)
        self._set_waiting(waiting[-MOST_WAITING:])

    def _set_waiting(self, waiting: list[Member]) -> None:
        self._memory.set_waiting(self._group.key, waiting, self._transaction)

    def _open(self, member: Member) -> None:
        """Begin a stream with an event that opens, and with the events that wait for it."""
        waiting = self._memory.waiting.get(self._group.key, [])
        self._set_waiting([])
        stream = MemoryStream(
            next(self._memory.stream_ids),
            self._definition.name,
            self._group,
            StreamProgress(
                first_event=member.timestamp,
                last_event=member.timestamp,
                expire_timestamp=member.timestamp,
                fire_timestamp=None,
                event_count=0,
                counts=[],
                fingerprint=self._definition.fingerprint,
            ),
            pattern=[],
        )
        memory, transaction = self._memory, self._transaction
        memory.streams[stream.id] = memory.open_streams[self._group.key] = stream
        transaction.on_rollback(partial(memory.streams.pop, stream.id))
        transaction.on_rollback(partial(memory.open_streams.pop, self._group.key, None))
        self._join(stream, [member, *waiting])
        self._counts.opened[self._definition.name] += 1
        self._counts.opened_expired += (
            stream.decision is None
            and stream.progress.fire_timestamp is None
            and stream.progress.expire_timestamp <= self._now
        )

    def _join(self, stream: MemoryStream, members: list[Member]) -> None:
        """Add members in this order, and decide after each.

        If the stream is cancelled, it accepts no more: the others, and its members, still wait.
        """
        for place, member in enumerate(members, start=1):
            stream.add(replace(member, cancels=False))  # it may have cancelled the stream before
            self._decide(stream, member)
            if stream.decision is Decision.CANCELLED:
                self._memory.close(stream, self._transaction)
                assert stream.pattern is not None
                self._wait(self._still_waiting([*stream.pattern, *members[place:]]))
                return

    def _decide(self, stream: MemoryStream, member: Member) -> None:
        fires_at = stream.progress.fire_timestamp
        cancels = member.role is MatchRole.CANCELS
        if cancels:
            stream.is_final = stream.is_final or (fires_at is not None and fires_at <= self._now)
            if stream.is_final:
                return
            assert stream.pattern is not None
            stream.pattern[-1] = replace(member, cancels=True)
        _update(
            self._memory, self._transaction, self._definition, stream, self._now, cancels=cancels
        )
        self._counts.fire_times_set += (
            stream.progress.fire_timestamp is not None and fires_at is None
        )


def close(memory: MemoryState, transaction: Transaction, stream: MemoryStream) -> None:
    """Close a stream that was not cancelled. Its cancelling events still wait."""
    memory.close(stream, transaction)
    cancelling = [
        each
        for each in stream.pattern or ()
        if each.role is MatchRole.CANCELS
        if each.waits_until is not None
    ]
    memory.set_waiting(stream.group.key, cancelling, transaction)


def _accepts(definition: TriggerDefinition, stream: MemoryStream, now: datetime) -> bool:
    """Return whether an open stream takes an event that arrives `now`."""
    if now < stream.progress.expire_timestamp:
        return True
    fires_at = stream.progress.fire_timestamp
    return bool(definition.cancel_criteria) and fires_at is not None and now < fires_at


def recount(
    memory: MemoryState,
    transaction: Transaction,
    definition: TriggerDefinition,
    stream: MemoryStream,
    now: datetime,
) -> None:
    """Decide a stream whose trigger has changed. A decision that has been made stays."""
    if stream.pattern is None:
        stored = [memory.events[message_id] for message_id in stream.members]
        stream.pattern = [Member(each.event, MatchRole.OPENS) for each in stored]
    stream.pattern = [
        each if each.role is MatchRole.CANCELS else replace(each, role=_role(definition, each))
        for each in stream.pattern
    ]
    stream.progress.fingerprint = definition.fingerprint
    stream.timed_at = now
    _update(memory, transaction, definition, stream, now)


def _role(definition: TriggerDefinition, member: Member) -> MatchRole:
    """Return the role by the current match criteria; if none is satisfied, the previous role."""
    for criterion in definition.match_criteria:
        if criterion.matches(member.event):
            return criterion.role
    return member.role


def _update(
    memory: MemoryState,
    transaction: Transaction,
    definition: TriggerDefinition,
    stream: MemoryStream,
    now: datetime,
    *,
    cancels: bool = False,
) -> None:
    """Set the times and the decision of a stream by all its members.

    `cancels` is whether the last member is an event that cancels.
    """
    facts = facts_of(definition, stream.pattern or ())
    stream.oldest_kept = facts.oldest_kept
    if facts.first is None or facts.last is None:
        if cancels:
            stream.decision = Decision.CANCELLED
            stream.cancelled_at = now
            _withdraw(memory, transaction, stream)
        return
    stream.progress.first_event, stream.progress.last_event = facts.first, facts.last
    if facts.newest_counts or stream.timed_at is None:
        stream.timed_at = now
    stream.progress.expire_timestamp = progress.compute_expire_time(
        definition, stream.progress, stream.timed_at
    )
    if stream.progress.fire_timestamp is None and facts.is_met:
        _fire(memory, transaction, definition, stream, now)
    elif stream.progress.fire_timestamp is not None and not facts.is_met and cancels:
        stream.decision = None
        _withdraw(memory, transaction, stream)


def _withdraw(memory: MemoryState, transaction: Transaction, stream: MemoryStream) -> None:
    stream.progress.fire_timestamp = None
    silence = memory.silences.get(stream.group.key)
    if silence is not None and silence.stream_id == stream.id:
        memory.set_silence(stream.group.key, None, transaction)


def _fire(
    memory: MemoryState,
    transaction: Transaction,
    definition: TriggerDefinition,
    stream: MemoryStream,
    now: datetime,
) -> None:
    """Decide that the stream fires, or that it is suppressed."""
    fires_at = stream.progress.fire_timestamp = progress.delayed(now, definition)
    if not definition.suppress:
        return
    silence = memory.silences.get(stream.group.key)
    if silence is not None and now < silence.fires_at + definition.suppress:
        stream.decision = Decision.SUPPRESSED
    else:
        silence = Silence(definition.name, fires_at, stream.id)
        memory.set_silence(stream.group.key, silence, transaction)
