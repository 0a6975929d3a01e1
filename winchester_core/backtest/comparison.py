"""What differs between two replays, stream by stream."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from winchester_core.backtest.outcomes import OutcomeKind, read_members

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from winchester_core.backtest.outcomes import StreamOutcome
    from winchester_core.backtest.replay import ReplayResult


class DifferenceKind(StrEnum):
    """How a stream differs."""

    FIRES = "fires"
    EXPIRES = "expires"
    STAYS_OPEN = "stays_open"
    VANISHES = "vanishes"
    MEMBERS = "members"
    GROUP = "group"
    TIME = "time"


KIND_BY_OUTCOME = {
    OutcomeKind.FIRED: DifferenceKind.FIRES,
    OutcomeKind.EXPIRED: DifferenceKind.EXPIRES,
    OutcomeKind.ACTIVE: DifferenceKind.STAYS_OPEN,
}


@dataclass(frozen=True, slots=True)
class StreamDifference:
    """A stream that differs, and in what (`kinds`). `before` or `after` is None where it is not.

    `added` and `removed` are the ids of events that only it as it would be, or as it was, holds,
    in the order of time.
    """

    kinds: tuple[DifferenceKind, ...]
    before: StreamOutcome | None
    after: StreamOutcome | None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def stream(self) -> StreamOutcome:
        """It as it would be, or, where it vanishes, as it was."""
        stream = self.after or self.before
        if stream is None:
            raise ValueError("a change is one of a stream")
        return stream


def compare_replays(before: ReplayResult | None, after: ReplayResult) -> list[StreamDifference]:
    """What differs, by trigger and the time of the first event; None: all of `after` is new."""
    streams_before = () if before is None else before.streams
    pairs, rest_before, rest_after = pair_equal(streams_before, after.streams)
    changes = [_difference(one, other, (), ()) for one, other in pairs]
    members_before = {} if before is None else read_members(before.store, rest_before)
    members_after = read_members(after.store, rest_after)
    for one, other in pair_similar(rest_before, rest_after, members_before, members_after):
        old = members_before[one.id] if one else ()
        new = members_after[other.id] if other else ()
        changes.append(_difference(one, other, old, new))
    return sorted((change for change in changes if change.kinds), key=_order)


def _difference(
    before: StreamOutcome | None,
    after: StreamOutcome | None,
    old: Sequence[str],
    new: Sequence[str],
) -> StreamDifference:
    if before is None or after is None:
        kind = KIND_BY_OUTCOME[after.outcome] if after is not None else DifferenceKind.VANISHES
        return StreamDifference((kind,), before, after, added=tuple(new), removed=tuple(old))
    here, there = set(old), set(new)
    kinds = []
    if before.outcome is not after.outcome:
        kinds.append(KIND_BY_OUTCOME[after.outcome])
    elif before.at != after.at:
        kinds.append(DifferenceKind.TIME)
    if here != there:
        kinds.append(DifferenceKind.MEMBERS)
    if before.group != after.group:
        kinds.append(DifferenceKind.GROUP)
    return StreamDifference(
        kinds=tuple(kinds),
        before=before,
        after=after,
        added=tuple(each for each in new if each not in here),
        removed=tuple(each for each in old if each not in there),
    )


def _order(change: StreamDifference) -> tuple[str, datetime, bool, int]:
    return change.stream.trigger, change.stream.first_event, change.after is None, change.stream.id


# Which stream of one replay is which of the other.
#
# Streams have no name that both replays know. One is the other when they are of one trigger and
# hold the same events of the same group; of the rest, those are taken for one that share most.


Pair: TypeAlias = "tuple[StreamOutcome | None, StreamOutcome | None]"
Members: TypeAlias = "Mapping[int, Sequence[str]]"


def pair_equal(
    before: Iterable[StreamOutcome], after: Iterable[StreamOutcome]
) -> tuple[list[tuple[StreamOutcome, StreamOutcome]], list[StreamOutcome], list[StreamOutcome]]:
    """Pairs of one trigger, group and set of events; then the rest of each side."""
    waiting: defaultdict[tuple[str, str, bytes], list[StreamOutcome]] = defaultdict(list)
    for stream in before:
        waiting[_identity(stream)].append(stream)
    pairs, rest = [], []
    for stream in after:
        partners = waiting.get(_identity(stream))
        if partners:
            pairs.append((partners.pop(0), stream))
        else:
            rest.append(stream)
    return pairs, [stream for left in waiting.values() for stream in left], rest


def pair_similar(
    before: Sequence[StreamOutcome],
    after: Sequence[StreamOutcome],
    members_before: Members,
    members_after: Members,
) -> Iterator[Pair]:
    """Pairs that share events, most first, each stream once; then those that share none."""
    by_id_before = {stream.id: stream for stream in before}
    by_id_after = {stream.id: stream for stream in after}
    shared = _shared(before, after, members_before, members_after)

    def rank(ids: tuple[int, int]) -> tuple[bool, int, int, int]:
        one, other = by_id_before[ids[0]], by_id_after[ids[1]]
        return one.group != other.group, -shared[ids], one.id, other.id

    taken_before: set[int] = set()
    taken_after: set[int] = set()
    for one, other in sorted(shared, key=rank):
        if one not in taken_before and other not in taken_after:
            taken_before.add(one)
            taken_after.add(other)
            yield by_id_before[one], by_id_after[other]
    yield from ((stream, None) for stream in before if stream.id not in taken_before)
    yield from ((None, stream) for stream in after if stream.id not in taken_after)


def _identity(stream: StreamOutcome) -> tuple[str, str, bytes]:
    return stream.trigger, stream.group, stream.digest


def _shared(
    before: Sequence[StreamOutcome],
    after: Sequence[StreamOutcome],
    members_before: Members,
    members_after: Members,
) -> Counter[tuple[int, int]]:
    """How many events two streams of one trigger share, where they share any."""
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
