"""Ingest, one event after the other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from winchester_core.model.stream import Reason
from winchester_core.storage.memory.holdings import HeldEvent, HeldStream
from winchester_core.storage.records import Recorded, RejectedMessage
from winchester_core.telemetry.checkpoints import Checkpoint, reach
from winchester_core.triggers import progress
from winchester_core.triggers.stream_time import EventTime, TimePolicy, times_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from winchester_core.model.event import Event
    from winchester_core.storage.memory.holdings import Holdings
    from winchester_core.storage.memory.transaction import Transaction
    from winchester_core.storage.records import Arrival, Rejection
    from winchester_core.triggers.matcher import Match


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
    born_expired: list[bool] = []
    refused_jumps: list[int] = []
    for index, arrival in enumerate(arrivals):
        if not new[index]:
            continue
        times = times_of(policy, clock, [arrival.stamp])
        clock = times.end
        refused_jumps += [index] * len(times.refused)
        for match in arrival.matches:
            born_expired += _admit(held, transaction, arrival.event, times.nows[0], match)
    reach(Checkpoint.STREAMS_STORED)
    if clock is not None:
        raise_clock(held, transaction, clock)
    return Recorded(
        stored=new,
        streams_opened=len(born_expired),
        streams_born_expired=sum(born_expired),
        refused_jumps=tuple(refused_jumps),
    )


def _store(held: Holdings, transaction: Transaction, event: Event, real_now: datetime) -> bool:
    message_id = event["message_id"]
    if message_id in held.events:
        return False
    held.events[message_id] = HeldEvent(dict(event), real_now)
    transaction.on_failure(partial(held.events.pop, message_id))
    return True


def _admit(
    held: Holdings, transaction: Transaction, event: Event, now: datetime, match: Match
) -> list[bool]:
    """Let `event` join a stream; for each stream that this opened, say if it was born expired."""
    stream = held.open_streams.get(match.group.key)
    if stream is not None:
        transaction.keep(stream)
        if stream.facts.fingerprint != match.definition.fingerprint:
            progress.recount(match.definition, stream.facts, held.events_of(stream), now)
        if progress.takes_events(stream.facts, now):
            progress.join(match.definition, stream.facts, event, now)
            stream.members.append(event["message_id"])
            return []
        held.close(stream, transaction)
    return [_open(held, transaction, event, now, match)]


def _open(
    held: Holdings, transaction: Transaction, event: Event, now: datetime, match: Match
) -> bool:
    facts = progress.begin(match.definition, event, now)
    stream = HeldStream(next(held.stream_ids), match.definition.name, match.group, facts)
    stream.members.append(event["message_id"])
    held.streams[stream.id] = held.open_streams[match.group.key] = stream
    transaction.on_failure(partial(held.streams.pop, stream.id))
    transaction.on_failure(partial(held.open_streams.pop, match.group.key))
    return progress.due(facts, now) is Reason.EXPIRE


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
