"""Which events, streams and rejected messages a filter asks for."""

from __future__ import annotations

import re
from itertools import dropwhile, islice
from typing import TYPE_CHECKING, Any

from winchester_core.triggers.grouping import encode_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamState
    from winchester_core.storage.memory.holdings import HeldStream, Holdings
    from winchester_core.storage.records import (
        EventFilter,
        RejectedFilter,
        RejectedMessage,
        StreamFilter,
    )

_WILDCARDS = {"*": ".*", "?": "."}


def matching_events(
    held: Holdings, wanted: EventFilter, cursor: str | None = None
) -> Iterator[Event]:
    """The events that `wanted` asks for, in order of arrival, past the one with the id `cursor`."""
    arrived = iter(held.events)
    if cursor is not None:
        arrived = islice(dropwhile(lambda message_id: message_id != cursor, arrived), 1, None)
    for message_id in arrived:
        event = held.events[message_id].event
        if _event_fits(event, wanted):
            yield event


def count_states_by_trigger(held: Holdings) -> dict[str, dict[StreamState, int]]:
    """How many streams of each trigger are in each state."""
    counts: dict[str, dict[StreamState, int]] = {}
    for stream in held.streams.values():
        states = counts.setdefault(stream.name, {})
        states[stream.state] = states.get(stream.state, 0) + 1
    return counts


def matching_streams(held: Holdings, wanted: StreamFilter, cursor: int = 0) -> Iterator[HeldStream]:
    """The streams that `wanted` asks for past the id `cursor`, by id."""
    for stream_id in sorted(held.streams):
        stream = held.streams[stream_id]
        if stream_id > cursor and _stream_fits(held, stream, wanted):
            yield stream


def matching_rejected(
    held: Holdings, wanted: RejectedFilter, cursor: int = 0
) -> Iterator[RejectedMessage]:
    """The rejected messages that `wanted` asks for past the id `cursor`, by id."""
    for message in held.rejected.values():
        if message.id > cursor and _rejected_fits(message, wanted):
            yield message


def _rejected_fits(message: RejectedMessage, wanted: RejectedFilter) -> bool:
    return (
        (wanted.source is None or message.source == wanted.source)
        and (wanted.kind is None or message.kind == wanted.kind)
        and (wanted.older_than is None or message.received_at < wanted.older_than)
        and (wanted.younger_than is None or message.received_at >= wanted.younger_than)
    )


def _event_fits(event: Event, wanted: EventFilter) -> bool:
    return (
        (wanted.event_type is None or _glob_matches(wanted.event_type, event["event_type"]))
        and (wanted.since is None or event["timestamp"] >= wanted.since)
        and (wanted.until is None or event["timestamp"] < wanted.until)
        and _has(event, wanted.traits)
    )


def _stream_fits(held: Holdings, stream: HeldStream, wanted: StreamFilter) -> bool:
    first_event = stream.facts.first_event
    return (
        (wanted.name is None or stream.name == wanted.name)
        and (not wanted.states or stream.state in wanted.states)
        and (wanted.is_open is None or stream.is_open == wanted.is_open)
        and (wanted.error_text is None or _has_error(stream, wanted.error_text))
        and (wanted.older_than is None or first_event < wanted.older_than)
        and (wanted.younger_than is None or first_event >= wanted.younger_than)
        and _has(stream.group.values, wanted.traits)
        and (wanted.message_id is None or wanted.message_id in stream.members)
        and (wanted.event_type is None or _holds_type(held, stream, wanted.event_type))
    )


def _has_error(stream: HeldStream, text: str) -> bool:
    return stream.last_error is not None and text in stream.last_error


def _holds_type(held: Holdings, stream: HeldStream, glob: str) -> bool:
    return any(
        _glob_matches(glob, held.events[message_id].event["event_type"])
        for message_id in stream.members
    )


def _has(values: Mapping[str, Any], traits: Mapping[str, Any]) -> bool:
    """Tell whether `values` holds `traits`, types included: 1, 1.0 and True are three."""
    return all(
        name in values and encode_value(values[name]) == encode_value(value)
        for name, value in traits.items()
    )


def _glob_matches(glob: str, text: str) -> bool:
    """`*` is any text, `?` one character; case-sensitive."""
    pattern = "".join(_WILDCARDS.get(letter) or re.escape(letter) for letter in glob)
    return re.fullmatch(pattern, text, re.DOTALL) is not None
