"""What differs between two replays, stream by stream."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from winchester_core.backtest.outcomes import Outcome, read_members
from winchester_core.backtest.pairing import pair_equal, pair_similar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from winchester_core.backtest.outcomes import StreamOutcome
    from winchester_core.backtest.replaying import Replayed


class Kind(StrEnum):
    """How a stream differs."""

    FIRES = "fires"
    EXPIRES = "expires"
    STAYS_OPEN = "stays_open"
    VANISHES = "vanishes"
    MEMBERS = "members"
    GROUP = "group"
    TIME = "time"


NEWLY = {
    Outcome.FIRED: Kind.FIRES,
    Outcome.EXPIRED: Kind.EXPIRES,
    Outcome.ACTIVE: Kind.STAYS_OPEN,
}


@dataclass(frozen=True, slots=True)
class Change:
    """A stream that differs, and in what (`kinds`). `before` or `after` is None where it is not.

    `added` and `removed` are the ids of events that only it as it would be, or as it was, holds,
    in the order of time.
    """

    kinds: tuple[Kind, ...]
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


def compare(before: Replayed | None, after: Replayed) -> list[Change]:
    """What differs, by trigger and the time of the first event; None: all of `after` is new."""
    streams_before = () if before is None else before.streams
    pairs, rest_before, rest_after = pair_equal(streams_before, after.streams)
    changes = [_change(one, other, (), ()) for one, other in pairs]
    members_before = {} if before is None else read_members(before.store, rest_before)
    members_after = read_members(after.store, rest_after)
    for one, other in pair_similar(rest_before, rest_after, members_before, members_after):
        old = members_before[one.id] if one else ()
        new = members_after[other.id] if other else ()
        changes.append(_change(one, other, old, new))
    return sorted((change for change in changes if change.kinds), key=_order)


def _change(
    before: StreamOutcome | None,
    after: StreamOutcome | None,
    old: Sequence[str],
    new: Sequence[str],
) -> Change:
    if before is None or after is None:
        kind = NEWLY[after.outcome] if after is not None else Kind.VANISHES
        return Change((kind,), before, after, added=tuple(new), removed=tuple(old))
    here, there = set(old), set(new)
    kinds = []
    if before.outcome is not after.outcome:
        kinds.append(NEWLY[after.outcome])
    elif before.at != after.at:
        kinds.append(Kind.TIME)
    if here != there:
        kinds.append(Kind.MEMBERS)
    if before.group != after.group:
        kinds.append(Kind.GROUP)
    return Change(
        kinds=tuple(kinds),
        before=before,
        after=after,
        added=tuple(each for each in new if each not in here),
        removed=tuple(each for each in old if each not in there),
    )


def _order(change: Change) -> tuple[str, datetime, bool, int]:
    return change.stream.trigger, change.stream.first_event, change.after is None, change.stream.id
