"""Which stream of one replay is which of the other.

Streams have no name that both replays know. One is the other when they are of one trigger and
hold the same events of the same group; of the rest, those are taken for one that share most.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from winchester_core.backtest.outcomes import StreamOutcome

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
