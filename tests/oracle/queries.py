"""Filters, statistics and the backlog of the memory store."""

from __future__ import annotations

import re
from collections import Counter
from itertools import dropwhile, islice
from typing import TYPE_CHECKING, Any

from oracle.paging import ids_after
from oracle.streams import RETRY_STATES, due_first_attempts, due_retries, expired_leases
from winchester_core.model.effect import EffectState
from winchester_core.model.statistics import EffectBacklog, StoreStatistics, seconds_since
from winchester_core.model.stream import (
    CLAIM_REASONS,
    CLAIMED_STATES,
    Reason,
    StreamState,
    Trial,
)
from winchester_core.storage.effect_records import ANY_EFFECT
from winchester_core.storage.filters import ListOrder
from winchester_core.storage.records import MAX_COUNTED, Backlog
from winchester_core.triggers.grouping import encode_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from oracle.outbox import MemoryOutbox
    from oracle.state import MemoryState, MemoryStream
    from winchester_core.model.effect import Endpoint
    from winchester_core.model.event import Event
    from winchester_core.storage.effect_records import StoredEffect
    from winchester_core.storage.filters import EventFilter, RejectedFilter, StreamFilter
    from winchester_core.storage.records import RejectedMessage, TriggerScope

_WILDCARDS = {"*": ".*", "?": "."}


def matching_events(
    memory: MemoryState,
    filters: EventFilter,
    cursor: str | None = None,
    order: ListOrder = ListOrder.OLDEST,
    *,
    by_timestamp: bool = False,
) -> Iterator[Event]:
    """Yield the events that match `filters` after the id `cursor`, in order of arrival.

    With `by_timestamp`, by timestamp, then in order of arrival.
    """
    ordered = list(memory.events)
    if by_timestamp:
        ordered.sort(key=lambda message_id: memory.events[message_id].event["timestamp"])
    if ListOrder(order) is ListOrder.NEWEST:
        ordered.reverse()
    listed = iter(ordered)
    if cursor is not None:
        listed = islice(dropwhile(lambda message_id: message_id != cursor, listed), 1, None)
    for message_id in listed:
        event = memory.events[message_id].event
        if event_matches(event, filters):
            yield event


def count_states_by_trigger(memory: MemoryState) -> dict[str, dict[StreamState, int]]:
    """Return the number of streams of each trigger and state."""
    counts: dict[str, dict[StreamState, int]] = {}
    for stream in memory.streams.values():
        states = counts.setdefault(stream.name, {})
        states[stream.state] = states.get(stream.state, 0) + 1
    return counts


def matching_streams(
    memory: MemoryState,
    filters: StreamFilter,
    cursor: int | None = None,
    order: ListOrder = ListOrder.OLDEST,
) -> Iterator[MemoryStream]:
    """Yield the streams that match `filters` after the id `cursor`, by id."""
    for stream_id in ids_after(memory.streams, cursor, order):
        stream = memory.streams[stream_id]
        if stream_matches(memory, stream, filters):
            yield stream


def matching_rejected(
    memory: MemoryState,
    filters: RejectedFilter,
    cursor: int | None = None,
    order: ListOrder = ListOrder.OLDEST,
) -> Iterator[RejectedMessage]:
    """Yield the rejected messages that match `filters` after the id `cursor`, by id."""
    messages = {message.id: message for message in memory.rejected.values()}
    for message_id in ids_after(messages, cursor, order):
        if rejected_matches(messages[message_id], filters):
            yield messages[message_id]


def rejected_matches(message: RejectedMessage, filters: RejectedFilter) -> bool:
    """Return whether the message matches `filters`."""
    return (
        (filters.source is None or message.source == filters.source)
        and (filters.kind is None or message.kind == filters.kind)
        and (filters.older_than is None or message.received_at < filters.older_than)
        and (filters.younger_than is None or message.received_at >= filters.younger_than)
    )


def event_matches(event: Event, filters: EventFilter) -> bool:
    """Return whether the event matches `filters`."""
    return (
        (filters.event_type is None or _glob_matches(filters.event_type, event["event_type"]))
        and (filters.since is None or event["timestamp"] >= filters.since)
        and (filters.until is None or event["timestamp"] < filters.until)
        and _has_traits(event, filters.traits)
    )


def stream_matches(memory: MemoryState, stream: MemoryStream, filters: StreamFilter) -> bool:
    """Return whether the stream matches `filters`."""
    first_event = stream.progress.first_event
    return (
        (filters.name is None or stream.name == filters.name)
        and (not filters.states or stream.state in filters.states)
        and (not filters.outcomes or stream.record().outcome in filters.outcomes)
        and (filters.is_open is None or stream.is_open == filters.is_open)
        and (filters.has_trial is None or (stream.trial is not None) == filters.has_trial)
        and (filters.unknown_to is None or _is_unknown_to(stream, filters.unknown_to))
        and (filters.error_text is None or _has_error(stream, filters.error_text))
        and (filters.older_than is None or first_event < filters.older_than)
        and (filters.younger_than is None or first_event >= filters.younger_than)
        and _last_event_matches(stream.progress.last_event, filters)
        and _has_traits(stream.group.values, filters.traits)
        and (filters.message_id is None or filters.message_id in stream.members)
        and (filters.event_type is None or _has_event_type(memory, stream, filters.event_type))
    )


def _last_event_matches(last_event: datetime, filters: StreamFilter) -> bool:
    older_than, younger_than = filters.last_event_older_than, filters.last_event_younger_than
    return (older_than is None or last_event < older_than) and (
        younger_than is None or last_event >= younger_than
    )


def _is_unknown_to(stream: MemoryStream, known: frozenset[str]) -> bool:
    return stream.name not in known and stream.state is not StreamState.COMPLETED


def _has_error(stream: MemoryStream, text: str) -> bool:
    return stream.last_error is not None and text in stream.last_error


def _has_event_type(memory: MemoryState, stream: MemoryStream, glob: str) -> bool:
    return any(
        _glob_matches(glob, memory.events[message_id].event["event_type"])
        for message_id in stream.members
    )


def _has_traits(values: Mapping[str, Any], traits: Mapping[str, Any]) -> bool:
    """Return whether `values` contains `traits` in type and value: 1, 1.0 and True differ."""
    return all(
        name in values and encode_value(values[name]) == encode_value(value)
        for name, value in traits.items()
    )


def _glob_matches(glob: str, text: str) -> bool:
    """Return whether `text` matches: `*` is any text, `?` one character; case-sensitive."""
    pattern = "".join(_WILDCARDS.get(letter) or re.escape(letter) for letter in glob)
    return re.fullmatch(pattern, text, re.DOTALL) is not None


def collect_statistics(
    memory: MemoryState, now: datetime | None, real_now: datetime, up_to: int | None
) -> StoreStatistics:
    """Return the statistics at the stream time `now`; with bounded counts if `up_to` is given."""
    oldest_first = sorted(memory.streams.values(), key=lambda each: each.progress.first_event)
    active = (each for each in oldest_first[:up_to] if each.state is StreamState.ACTIVE)
    oldest = min((each.progress.first_event for each in active), default=None)
    return StoreStatistics(
        stream_time=now,
        streams={
            name: {state: _at_most(number, up_to) for state, number in states.items()}
            for name, states in count_states_by_trigger(memory).items()
        },
        oldest_ready_seconds={
            reason: _oldest_ready_seconds(memory, reason, now, real_now) for reason in CLAIM_REASONS
        },
        oldest_unexpired_seconds=seconds_since(oldest, now),
        effects=_effect_backlogs(memory.outbox, real_now),
        rejected=_at_most(len(memory.rejected), up_to),
        counted_up_to=up_to,
        trials=sum(
            each.trial is Trial.DUE and each.state in RETRY_STATES
            for each in memory.streams.values()
        ),
    )


def _at_most(number: int, up_to: int | None) -> int:
    return number if up_to is None else min(number, up_to)


def _oldest_ready_seconds(
    memory: MemoryState, reason: Reason, now: datetime | None, real_now: datetime
) -> float:
    waits = [
        seconds_since(each.retry_at, real_now)
        for trial in (None, Trial.DUE)
        for each in due_retries(memory, reason, real_now, trial)
    ]
    if now is not None:
        waits += [
            seconds_since(each.progress.fire_timestamp or each.progress.expire_timestamp, now)
            for each in due_first_attempts(memory, reason, now)
        ]
    return max(waits, default=0.0)


def _effect_backlogs(outbox: MemoryOutbox, real_now: datetime) -> dict[Endpoint, EffectBacklog]:
    by_endpoint: dict[Endpoint, list[StoredEffect]] = {}
    for effect in outbox.matching(ANY_EFFECT):
        by_endpoint.setdefault(effect.endpoint, []).append(effect)
    return {endpoint: _effect_backlog(each, real_now) for endpoint, each in by_endpoint.items()}


def _effect_backlog(stored: list[StoredEffect], real_now: datetime) -> EffectBacklog:
    states = Counter(each.state for each in stored)
    waiting = (each.waiting_since for each in stored if each.state is EffectState.PENDING)
    return EffectBacklog(
        states[EffectState.PENDING],
        states[EffectState.DEAD],
        seconds_since(min(waiting, default=None), real_now),
    )


def backlog(
    memory: MemoryState, now: datetime | None, real_now: datetime, scope: TriggerScope | None
) -> Backlog:
    """Return the backlog at the stream time `now`."""
    skipped = frozenset() if scope is None else scope.skipped

    def count(found: list[MemoryStream]) -> int:
        return sum(stream.name not in skipped for stream in found)

    streams = [each for each in memory.streams.values() if each.name not in skipped]
    retries, trials = (
        [
            stream.retry_at
            for stream in streams
            if stream.state in RETRY_STATES and stream.retry_at is not None
            if (stream.trial is Trial.DUE) == is_marked
        ]
        for is_marked in (False, True)
    )
    waiting = [retry_at for retry_at in retries if retry_at > real_now]
    ready = sum(count(due_retries(memory, reason, real_now)) for reason in CLAIM_REASONS)
    if now is not None:
        ready += sum(count(due_first_attempts(memory, reason, now)) for reason in CLAIM_REASONS)
    return Backlog(
        ready=min(ready, MAX_COUNTED),
        claimed=min(sum(stream.state in CLAIMED_STATES for stream in streams), MAX_COUNTED),
        retrying=min(len(waiting), MAX_COUNTED),
        next_retry_seconds=(min(waiting) - real_now).total_seconds() if waiting else None,
        next_due=min((_due_at(each) for each in streams if _is_active(each)), default=None),
        lease_expired=min(len(expired_leases(memory, real_now)), MAX_COUNTED),
        oldest_effect_seconds=memory.outbox.oldest_seconds(real_now),
        next_trial_seconds=(min(trials) - real_now).total_seconds() if trials else None,
    )


def _is_active(stream: MemoryStream) -> bool:
    return stream.state is StreamState.ACTIVE


def _due_at(stream: MemoryStream) -> datetime:
    return stream.progress.fire_timestamp or stream.progress.expire_timestamp
