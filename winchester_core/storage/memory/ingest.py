"""Ingest, one event after the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from winchester_core.model.stream import Reason
from winchester_core.storage.memory.holdings import HeldEvent, HeldStream
from winchester_core.storage.records import Recorded, RejectedMessage
from winchester_core.telemetry.checkpoints import Checkpoint, reach
from winchester_core.triggers import progress
from winchester_core.triggers.stream_time import EventTime, TimePolicy, compute_batch_times

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from winchester_core.model.event import Event
    from winchester_core.storage.memory.holdings import Holdings
    from winchester_core.storage.memory.transaction import Transaction
    from winchester_core.storage.records import Arrival, Rejection
    from winchester_core.triggers.matcher import Match
    from winchester_core.triggers.progress import StreamProgress


def record(
    held: Holdings,
    transaction: Transaction,
    arrivals: Sequence[Arrival],
    policy: TimePolicy,
    real_now: datetime,
) -> Recorded:
    """Do all that a batch of arrivals causes."""
    new = tuple(_store(held, transaction, arrival.event, real_now) for arrival in arrivals)
    reach(Checkpoint.EVENTS_STORED)
    clock = held.event_clock if isinstance(policy, EventTime) else None
    tally = _Tally()
    refused_jumps: list[int] = []
    for index, arrival in enumerate(arrivals):
        if not new[index]:
            continue
        times = compute_batch_times(policy, clock, [arrival.stamp])
        clock = times.end
        refused_jumps += [index] * len(times.refused)
        for match in arrival.matches:
            _admit(held, transaction, arrival.event, times.event_times[0], match, tally)
    reach(Checkpoint.STREAMS_STORED)
    if clock is not None:
        raise_clock(held, transaction, clock)
    return Recorded(
        stored=new,
        streams_opened=tally.opened,
        streams_opened_expired=tally.born_expired,
        streams_decided=tally.decided,
        refused_jumps=tuple(refused_jumps),
    )


def _store(held: Holdings, transaction: Transaction, event: Event, real_now: datetime) -> bool:
    message_id = event["message_id"]
    if message_id in held.events:
        return False
    held.events[message_id] = HeldEvent(dict(event), real_now)
    transaction.on_failure(partial(held.events.pop, message_id))
    return True


@dataclass(slots=True)
class _Tally:
    """What a batch did to streams."""

    opened: int = 0
    born_expired: int = 0
    decided: int = 0


def _admit(
    held: Holdings,
    transaction: Transaction,
    event: Event,
    now: datetime,
    match: Match,
    tally: _Tally,
) -> None:
    """Let `event` join its group's open stream, or open one for it."""
    stream = held.open_streams.get(match.group.key)
    if stream is not None:
        transaction.keep(stream)
        was_decided = stream.facts.fire_timestamp is not None
        if stream.facts.fingerprint != match.definition.fingerprint:
            progress.recalculate(match.definition, stream.facts, held.events_of(stream), now)
        if progress.accepts_events(stream.facts, now):
            progress.add_event(match.definition, stream.facts, event, now)
            stream.members.append(event["message_id"])
            tally.decided += stream.facts.fire_timestamp is not None and not was_decided
            return
        held.close(stream, transaction)
        tally.decided += stream.facts.fire_timestamp is not None and not was_decided
    facts = _open(held, transaction, event, now, match)
    tally.opened += 1
    tally.born_expired += progress.due_reason(facts, now) is Reason.EXPIRE
    tally.decided += facts.fire_timestamp is not None


def _open(
    held: Holdings, transaction: Transaction, event: Event, now: datetime, match: Match
) -> StreamProgress:
    facts = progress.start(match.definition, event, now)
    stream = HeldStream(next(held.stream_ids), match.definition.name, match.group, facts)
    stream.members.append(event["message_id"])
    held.streams[stream.id] = held.open_streams[match.group.key] = stream
    transaction.on_failure(partial(held.streams.pop, stream.id))
    transaction.on_failure(partial(held.open_streams.pop, match.group.key))
    return facts


def raise_clock(held: Holdings, transaction: Transaction, moment: datetime) -> None:
    """Move the event clock forward to `moment`; an earlier one changes nothing."""
    if held.event_clock is None or held.event_clock < moment:
        transaction.on_failure(partial(setattr, held, "event_clock", held.event_clock))
        held.event_clock = moment


def keep_rejected(held: Holdings, rejection: Rejection, received_at: datetime) -> bool:
    """Keep a rejected message; False when this source has given it before."""
    identity = (rejection.source, rejection.digest)
    if identity in held.rejected:
        return False
    held.rejected[identity] = RejectedMessage(
        id=next(held.rejected_ids),
        source=rejection.source,
        kind=rejection.kind,
        reason=rejection.reason,
        received_at=received_at,
        body=rejection.body,
        body_length=rejection.body_length,
        digest=rejection.digest,
    )
    return True
