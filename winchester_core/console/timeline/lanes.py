"""Placement of the marks of a timeline: lanes, stacked marks, and counts of the rest.

Marks of one lane that are close to each other are stacked. Marks above the highest level, above
`MAX_MARKS`, or above `MAX_MARK_BYTES` of links are counted in bins instead.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from winchester_core.console.shown_text import shown
from winchester_core.console.time_ticks import microseconds
from winchester_core.console.timeline.compressed_axis import WIDTH
from winchester_core.console.timeline.data import MarkKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from winchester_core.console.timeline.compressed_axis import CompressedAxis
    from winchester_core.console.timeline.data import EventMark, Timeline

MAX_MARKS: Final = 500
MAX_MARK_BYTES: Final = 140_000
"""Maximum size of the links and names of all marks."""

MAX_LEVELS: Final = 6
PITCH: Final = 12
"""Least distance in pixels between two marks."""

BIN_WIDTH: Final = 48
"""Width in pixels of the bins in which the rest is counted."""

MAX_CRITERIA: Final = 12
"""Maximum number of criteria with lanes of their own; the last of these has the rest."""

TYPE_LENGTH: Final = 60
REASON_LENGTH: Final = 160
LABEL_LENGTH: Final = 72
PROGRESS_LENGTH: Final = 56
FULL_LABEL_LENGTH: Final = 500
"""Maximum length of the title of a label that was cut."""

_PRIORITY: Final = (
    *(MarkKind.CANCELS, MarkKind.COUNTS, MarkKind.WAITS, MarkKind.IGNORED, MarkKind.JOINS),
)
_LABELS: Final = {
    MarkKind.JOINS: "Other events",
    MarkKind.WAITS: "Wait for an event that opens a stream",
    MarkKind.CANCELS: "Cancel",
    MarkKind.IGNORED: "Do not count",
}


@dataclass(frozen=True, slots=True)
class PlacedMark:
    """Mark at a horizontal position, with its level in each of its lanes."""

    mark: EventMark
    position: float
    levels: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Bin:
    """Number of further marks of a lane around a position, with the first and last time."""

    position: float
    number: int
    first: int
    last: int


@dataclass(slots=True)
class Lane:
    """Row of marks. `number` is that of a criterion, or None.

    `full_label` is the whole text of a label that was cut.
    """

    label: str
    progress: str = ""
    is_met: bool = False
    number: int | None = None
    full_label: str = ""
    bins: list[Bin] = field(default_factory=list)
    levels: int = 1


@dataclass(frozen=True, slots=True)
class Placement:
    """Lanes, from top to bottom, and the marks that are drawn in them."""

    lanes: Sequence[Lane]
    marks: Sequence[PlacedMark]


def place_marks(timeline: Timeline, axis: CompressedAxis) -> Placement:
    """Place the marks of a timeline on `axis`."""
    by_key = _lanes(timeline)
    lanes = list(by_key.values())
    indexes = {key: index for index, key in enumerate(by_key)}
    chosen = _chosen(timeline.marks)
    tops: list[list[float]] = [[] for _ in lanes]
    rest: list[list[int]] = [[] for _ in lanes]
    placed = []
    for index, mark in sorted(enumerate(timeline.marks), key=lambda each: each[1].at):
        at = microseconds(mark.at)
        position = axis.position(at)
        levels = []
        for key in _lane_keys(mark, len(timeline.criteria)):
            lane = indexes[key]
            level = _free_level(tops[lane], position * WIDTH) if index in chosen else None
            if level is None:
                rest[lane].append(at)
            else:
                levels.append((lane, level))
                lanes[lane].levels = max(lanes[lane].levels, level + 1)
        if levels:
            placed.append(PlacedMark(mark, position, tuple(levels)))
    for each, times in zip(lanes, rest, strict=True):
        each.bins = list(_bins(times, axis))
    return Placement(lanes, placed)


def mark_size(mark: EventMark) -> int:
    """Return the approximate size of the texts of a mark in bytes, escaped."""
    texts = (mark.href, type_text(mark), mark.reason[:REASON_LENGTH])
    return sum(len(text.encode("utf-8", "replace")) + 4 * _escapes(text) for text in texts)


def type_text(mark: EventMark) -> str:
    """Return the event type for display."""
    return shown(mark.event_type, TYPE_LENGTH)


def _escapes(text: str) -> int:
    return sum(map(text.count, "<>&'\""))


def _lanes(timeline: Timeline) -> dict[int | MarkKind, Lane]:
    """Return the lanes by the number of their criterion, or by the kind of their marks."""
    lanes: dict[int | MarkKind, Lane] = {}
    further = len(timeline.criteria) - MAX_CRITERIA
    for number, each in enumerate(timeline.criteria[:MAX_CRITERIA], start=1):
        label = shown(each.label, LABEL_LENGTH)
        full_label = "" if label == each.label else shown(each.label, FULL_LABEL_LENGTH)
        if number == MAX_CRITERIA and further > 0:
            label += f" (and {further} further criteria)"
        progress = shown(each.progress, PROGRESS_LENGTH)
        lanes[number] = Lane(label, progress, each.is_met, number, full_label)
    keys = Counter(
        key for mark in timeline.marks for key in _lane_keys(mark, len(timeline.criteria))
    )
    for kind, label in _LABELS.items():
        if keys[kind]:
            lanes[kind] = Lane(label, f"{keys[kind]:,}")
    return lanes or {MarkKind.JOINS: Lane(_LABELS[MarkKind.JOINS], "none")}


def _lane_keys(mark: EventMark, criteria: int) -> Iterable[int | MarkKind]:
    """Return the keys of the lanes of a mark: numbers of criteria, or a kind."""
    if mark.kind is not MarkKind.COUNTS:
        return (mark.kind,)
    known = {min(each, MAX_CRITERIA) for each in mark.criteria if 1 <= each <= criteria}
    return sorted(known) or (MarkKind.JOINS,)


def _chosen(marks: Sequence[EventMark]) -> frozenset[int]:
    """Return the indexes of the marks that may be drawn, the most important kinds first.

    Of the kind that exceeds the limits, evenly distributed marks are chosen.
    """
    chosen: set[int] = set()
    size = 0
    for kind in _PRIORITY:
        indexes = [index for index, each in enumerate(marks) if each.kind is kind]
        room = MAX_MARKS - len(chosen)
        if len(indexes) > room:
            indexes = [indexes[n * len(indexes) // room] for n in range(room)]
        for index in indexes:
            size += mark_size(marks[index])
            if size > MAX_MARK_BYTES:
                return frozenset(chosen)
            chosen.add(index)
    return frozenset(chosen)


def _free_level(tops: list[float], x: float) -> int | None:
    """Return the lowest level that is free at `x`, and occupy it; None if there is none."""
    for level, occupied in enumerate(tops):
        if x - occupied >= PITCH:
            tops[level] = x
            return level
    if len(tops) == MAX_LEVELS:
        return None
    tops.append(x)
    return len(tops) - 1


def _bins(times: Iterable[int], axis: CompressedAxis) -> Iterator[Bin]:
    """Yield the bins that are not empty, from left to right."""
    by_bin: dict[int, list[int]] = {}
    for at in times:
        by_bin.setdefault(int(axis.position(at) * WIDTH // BIN_WIDTH), []).append(at)
    last = int(WIDTH // BIN_WIDTH) - 1
    for index, found in sorted(by_bin.items()):
        position = (min(index, last) + 0.5) * BIN_WIDTH / WIDTH
        yield Bin(position, len(found), min(found), max(found))
