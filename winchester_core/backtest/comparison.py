"""Differences between two replays, stream by stream."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from winchester_core.backtest.replayed_streams import read_members
from winchester_core.model.stream import StreamOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from winchester_core.backtest.replay import ReplayResult
    from winchester_core.backtest.replayed_streams import ReplayedStream


class DifferenceKind(StrEnum):
    """Kind of difference between the outcomes of a stream."""

    FIRES = "fires"
    EXPIRES = "expires"
    IS_CANCELLED = "is_cancelled"
    IS_SUPPRESSED = "is_suppressed"
    STAYS_OPEN = "stays_open"
    VANISHES = "vanishes"
    MEMBERS = "members"
    GROUP = "group"
    TIME = "time"


KIND_BY_OUTCOME = {
    StreamOutcome.FIRED: DifferenceKind.FIRES,
    StreamOutcome.EXPIRED: DifferenceKind.EXPIRES,
    StreamOutcome.CANCELLED: DifferenceKind.IS_CANCELLED,
    StreamOutcome.SUPPRESSED: DifferenceKind.IS_SUPPRESSED,
    StreamOutcome.ACTIVE: DifferenceKind.STAYS_OPEN,
}


@dataclass(frozen=True, slots=True)
class StreamDifference:
    """A stream that differs, and how (`kinds`).

    `before` or `after` is None if the stream does not exist there. `added` and `removed` are the
    ids of events that only `after` or only `before` contains, by timestamp.
    """

    kinds: tuple[DifferenceKind, ...]
    before: ReplayedStream | None
    after: ReplayedStream | None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def stream(self) -> ReplayedStream:
        """The stream in the second replay, or else in the first."""
        stream = self.after or self.before
        if stream is None:
            raise ValueError("a difference needs a stream")
        return stream


def compare_replays(before: ReplayResult | None, after: ReplayResult) -> list[StreamDifference]:
    """Return the differences, by trigger and first event. If `before` is None, all are new."""
    streams_before = () if before is None else before.streams
    pairs, rest_before, rest_after = pair_equal(streams_before, after.streams)
    differences = [_difference(one, other, (), ()) for one, other in pairs]
    members_before = {} if before is None else read_members(before.store, rest_before)
    members_after = read_members(after.store, rest_after)
    for one, other in pair_similar(rest_before, rest_after, members_before, members_after):
        old_ids = members_before[one.id] if one else ()
        new_ids = members_after[other.id] if other else ()
        differences.append(_difference(one, other, old_ids, new_ids))
    return sorted((each for each in differences if each.kinds), key=_sort_key)


def _difference(
    before: ReplayedStream | None,
    after: ReplayedStream | None,
    old_ids: Sequence[str],
    new_ids: Sequence[str],
) -> StreamDifference:
    if before is None or after is None:
        kind = KIND_BY_OUTCOME[after.outcome] if after is not None else DifferenceKind.VANISHES
        return StreamDifference((kind,), before, after, tuple(new_ids), tuple(old_ids))
    old_members, new_members = set(old_ids), set(new_ids)
    kinds = []
    if before.outcome is not after.outcome:
        kinds.append(KIND_BY_OUTCOME[after.outcome])
    elif before.at != after.at:
        kinds.append(DifferenceKind.TIME)
    if old_members != new_members:
        kinds.append(DifferenceKind.MEMBERS)
    if before.group != after.group:
        kinds.append(DifferenceKind.GROUP)
    return StreamDifference(
        kinds=tuple(kinds),
        before=before,
        after=after,
        added=tuple(each for each in new_ids if each not in old_members),
        removed=tuple(each for each in old_ids if each not in new_members),
    )


def _sort_key(difference: StreamDifference) -> tuple[str, datetime, bool, int]:
    stream = difference.stream
    return stream.trigger, stream.first_event, difference.after is None, stream.id


# Pairing of streams of both replays.
#
# Streams of two replays have no common id. First, streams with the same trigger, group and events
# are paired. Then the remaining streams that share most events are paired.


Pair: TypeAlias = "tuple[ReplayedStream | None, ReplayedStream | None]"
Members: TypeAlias = "Mapping[int, Sequence[str]]"


def pair_equal(
    before: Iterable[ReplayedStream], after: Iterable[ReplayedStream]
) -> tuple[list[tuple[ReplayedStream, ReplayedStream]], list[ReplayedStream], list[ReplayedStream]]:
    """Return pairs with the same trigger, group and events; then the unpaired of each side."""
    unpaired: defaultdict[tuple[str, str, bytes], list[ReplayedStream]] = defaultdict(list)
    for stream in before:
        unpaired[_identity(stream)].append(stream)
    pairs, rest_after = [], []
    for stream in after:
        candidates = unpaired.get(_identity(stream))
        if candidates:
            pairs.append((candidates.pop(0), stream))
        else:
            rest_after.append(stream)
    return pairs, [stream for streams in unpaired.values() for stream in streams], rest_after


def pair_similar(
    before: Sequence[ReplayedStream],
    after: Sequence[ReplayedStream],
    members_before: Members,
    members_after: Members,
) -> Iterator[Pair]:
    """Yield pairs with shared events, most shared events first, then the unpaired streams."""
    by_id_before = {stream.id: stream for stream in before}
    by_id_after = {stream.id: stream for stream in after}
    shared = _shared_counts(before, after, members_before, members_after)

    def rank(ids: tuple[int, int]) -> tuple[bool, int, int, int]:
        one, other = by_id_before[ids[0]], by_id_after[ids[1]]
        return one.group != other.group, -shared[ids], one.id, other.id

    paired_before: set[int] = set()
    paired_after: set[int] = set()
    for one, other in sorted(shared, key=rank):
        if one not in paired_before and other not in paired_after:
            paired_before.add(one)
            paired_after.add(other)
            yield by_id_before[one], by_id_after[other]
    yield from ((stream, None) for stream in before if stream.id not in paired_before)
    yield from ((None, stream) for stream in after if stream.id not in paired_after)


def _identity(stream: ReplayedStream) -> tuple[str, str, bytes]:
    return stream.trigger, stream.group, stream.digest


def _shared_counts(
    before: Sequence[ReplayedStream],
    after: Sequence[ReplayedStream],
    members_before: Members,
    members_after: Members,
) -> Counter[tuple[int, int]]:
    """Return the number of shared events for each pair of stream ids that shares any."""
    holders = {
        (stream.trigger, message_id): stream.id
        for stream in before
        for message_id in members_before[stream.id]
    }
    return Counter(
        (holder, stream.id)
        for stream in after
        for message_id in members_after[stream.id]
        if (holder := holders.get((stream.trigger, message_id))) is not None
    )
