"""Time axis in which long idle gaps are replaced by short breaks.

Times are microseconds since 1970; positions are shares of the width, from 0 to 1.

Invariants:
1. Positions grow with times: t1 <= t2 implies position(t1) <= position(t2).
2. Every time from the first to the last has a position between 0 and 1.
3. A gap becomes a break only if it is longer than `IDLE_RATIO` times the sum of all shorter gaps,
   and then so does every longer gap; there are at most `MAX_BREAKS`.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

IDLE_RATIO: Final = 2.5
MAX_BREAKS: Final = 4

WIDTH: Final = 960
"""Width in pixels for which texts and marks are placed; a drawing is never narrower."""

MARGIN: Final = 14
BREAK_WIDTH: Final = 72
SEGMENT_WIDTH: Final = 84
"""Least width of a segment between breaks."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Part of the axis with a uniform scale. `number` is the number of times that it has."""

    begin: int
    end: int
    left: float
    right: float

    def position(self, at: int) -> float:
        """Return the position of a time in the segment."""
        if self.begin == self.end:
            return (self.left + self.right) / 2
        share = (at - self.begin) / (self.end - self.begin)
        return self.left + share * (self.right - self.left)

    @property
    def pixels(self) -> float:
        """Width at the width `WIDTH` of the drawing."""
        return (self.right - self.left) * WIDTH


@dataclass(frozen=True, slots=True)
class Break:
    """Idle gap of `duration` microseconds until `end`, between two segments."""

    duration: int
    end: int
    left: float
    right: float


class CompressedAxis:
    """Axis over `times`, of which there is at least one."""

    def __init__(self, times: Iterable[int]) -> None:
        ordered = sorted(times)
        parts = _split(ordered)
        widths = _segment_widths(parts)
        left: float = MARGIN
        segments: list[Segment] = []
        breaks: list[Break] = []
        for part, width in zip(parts, widths, strict=True):
            if segments:
                duration = part[0] - segments[-1].end
                edges = left / WIDTH, (left + BREAK_WIDTH) / WIDTH
                breaks.append(Break(duration, part[0], *edges))
                left += BREAK_WIDTH
            segments.append(Segment(part[0], part[-1], left / WIDTH, (left + width) / WIDTH))
            left += width
        self.segments: Sequence[Segment] = segments
        self.breaks: Sequence[Break] = breaks
        self._begins = [each.begin for each in segments]

    @property
    def begin(self) -> int:
        """The first time."""
        return self.segments[0].begin

    @property
    def end(self) -> int:
        """The last time."""
        return self.segments[-1].end

    def position(self, at: int) -> float:
        """Return the position of a time; one outside the axis has that of its nearest end."""
        index = max(bisect_right(self._begins, at) - 1, 0)
        segment = self.segments[index]
        if at <= segment.end or index == len(self.segments) - 1:
            return segment.position(min(max(at, segment.begin), segment.end))
        idle = self.breaks[index]
        share = (at - segment.end) / idle.duration
        return segment.right + share * (self.segments[index + 1].left - segment.right)


def _split(ordered: Sequence[int]) -> list[Sequence[int]]:
    """Return the times in parts, between which the axis has breaks."""
    limit = _idle_from(ordered)
    parts: list[Sequence[int]] = []
    begin = 0
    if limit is not None:
        for index, (one, next_one) in enumerate(pairwise(ordered), start=1):
            if next_one - one >= limit:
                parts.append(ordered[begin:index])
                begin = index
    parts.append(ordered[begin:])
    return parts


def _idle_from(ordered: Sequence[int]) -> int | None:
    """Return the length of the shortest gap that becomes a break; None if none does."""
    gaps = sorted(later - one for one, later in pairwise(ordered) if later > one)
    shorter_sum = 0
    for index, gap in enumerate(gaps):
        longer = len(gaps) - index
        if index >= longer and longer <= MAX_BREAKS and gap > IDLE_RATIO * shorter_sum:
            return gap
        shorter_sum += gap
    return None


def _segment_widths(parts: Sequence[Sequence[int]]) -> list[float]:
    """Return widths that grow half with the duration and half with the number of times."""
    rest = WIDTH - 2 * MARGIN - (len(parts) - 1) * BREAK_WIDTH - len(parts) * SEGMENT_WIDTH
    duration = sum(each[-1] - each[0] for each in parts)
    number = sum(map(len, parts))
    widths = []
    for each in parts:
        share = len(each) / number
        if duration:
            share = (share + (each[-1] - each[0]) / duration) / 2
        widths.append(SEGMENT_WIDTH + rest * share)
    return widths
