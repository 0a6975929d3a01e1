"""Exhaustive search for a choice of events that meets a pattern: the meaning of fire criteria."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True)
class Part:
    """A fire criterion: `number` events, or different values, within an interval."""

    number: int = 1
    within: int | None = None
    is_distinct: bool = False


@dataclass(frozen=True)
class Pattern:
    """The fire criteria of a trigger."""

    parts: tuple[Part, ...]
    in_sequence: bool = False
    fire_within: int | None = None


@dataclass(frozen=True)
class Seen:
    """An event. `values` maps each part that it satisfies to the value that is counted."""

    time: int
    values: Mapping[int, object]


def meets(pattern: Pattern, arrived: Sequence[Seen]) -> bool:
    """Return whether there is a choice among the events, given in order of arrival."""
    order = sorted(arrived, key=lambda each: _place(pattern, each))

    def complete(chosen: tuple[tuple[int, ...], ...]) -> bool:
        if pattern.fire_within is not None and _span(order, sum(chosen, ())) > pattern.fire_within:
            return False
        if len(chosen) == len(pattern.parts):
            return True
        after = max(chosen[-1], default=-1) if chosen and pattern.in_sequence else -1
        options = _choices(len(chosen), pattern.parts[len(chosen)], order, after)
        return any(complete((*chosen, option)) for option in options)

    return complete(())


def _place(pattern: Pattern, seen: Seen) -> tuple[int, int, int]:
    if not pattern.in_sequence or not seen.values:
        return (seen.time, 0, 0)
    return (seen.time, min(seen.values), max(seen.values))


def _choices(
    index: int, part: Part, order: Sequence[Seen], after: int
) -> Iterator[tuple[int, ...]]:
    """Yield the places of all events that may be chosen for one part."""
    fit = [i for i in range(after + 1, len(order)) if index in order[i].values]
    for places in combinations(fit, part.number):
        if part.within is not None and _span(order, places) > part.within:
            continue
        if part.is_distinct and len({order[i].values[index] for i in places}) < part.number:
            continue
        yield places


def _span(order: Sequence[Seen], places: Sequence[int]) -> int:
    times = [order[i].time for i in places]
    return max(times, default=0) - min(times, default=0)
