"""Drawing of the states of a stream as a strip of bars, with marks for failed attempts."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Final

from winchester_core.console.shown_text import shown
from winchester_core.console.shown_values import duration, iso, state_class, words
from winchester_core.console.svg import CHARACTER, at, element, number, percent, title
from winchester_core.console.time_ticks import microseconds
from winchester_core.console.timeline.axis import (
    AXIS_HEIGHT,
    GAP_LABEL_HEIGHT,
    gap_labels,
    gaps,
    time_axis,
)
from winchester_core.console.timeline.compressed_axis import WIDTH, CompressedAxis

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from markupsafe import Markup

    from winchester_core.console.timeline.data import StatePeriod

STATES_HEIGHT: Final = 22
_BAR_HEIGHT: Final = 14
_HEADING_HEIGHT: Final = 30


def state_bars(
    states: Sequence[StatePeriod], axis: CompressedAxis, y: float, until: datetime | None
) -> Iterator[Markup]:
    """Yield a bar for each state, then the marks of failed attempts.

    The last state lasts until `until`; if that is None, its bar ends at the edge.
    """
    ends: Iterator[datetime | None] = chain((later.at for _, later in pairwise(states)), [until])
    failures = []
    for each, end in zip(states, ends, strict=False):
        left = axis.position(microseconds(each.at))
        right = 1 if end is None else max(axis.position(microseconds(end)), left)
        yield _bar(each, end, left, right, y)
        if each.has_failed:
            failures.append((each, end, right))
    for each, end, position in failures:
        yield at(position, y, *_failure(each, end))


def states_apart(states: Sequence[StatePeriod], until: datetime | None) -> Markup:
    """Return a drawing of the states on an axis of their own, for another clock."""
    times = [each.at for each in states]
    if until is not None:
        times.append(until)
    axis = CompressedAxis(map(microseconds, times))
    top = _HEADING_HEIGHT
    bottom = top + STATES_HEIGHT
    end = bottom + (GAP_LABEL_HEIGHT if axis.breaks else 0)
    return element(
        "svg",
        element("text", "Attempts, in real time", class_="lane-label", x=0, y=16),
        *gaps(axis, top - 4, end),
        *state_bars(states, axis, top, until),
        *gap_labels(axis, bottom),
        *time_axis(axis, end),
        class_="canvas",
        height=end + AXIS_HEIGHT,
        role="group",
        aria_label="States",
    )


def _bar(each: StatePeriod, end: datetime | None, left: float, right: float, y: float) -> Markup:
    name = words(shown(each.state, 40))
    length = "" if end is None else duration(max(end - each.at, timedelta()))
    lasting = f" for {length}" if length else ""
    parts = [
        title(f"{name}{_note(each)}\nfrom {iso(each.at)}{lasting}"),
        element(
            "rect",
            x=percent(left),
            width=percent(min(max(right - left, 0.002), 1 - left)),
            y=number(y),
            height=_BAR_HEIGHT,
            rx=2,
        ),
    ]
    room = (right - left) * WIDTH - 14
    for text in (f"{name} {length}", name):
        if len(text) * CHARACTER < room:
            parts.append(at(left, y, element("text", text, class_="state-label", x=8, y=11)))
            break
    return element("g", *parts, class_=f"state {state_class(each.state)}".rstrip())


def _failure(each: StatePeriod, end: datetime | None) -> Iterator[Markup]:
    """Yield the mark of a failed attempt around its end, and an area to point at."""
    times = f"from {iso(each.at)}"
    if end is not None:
        times += f" to {iso(end)} ({duration(max(end - each.at, timedelta()))})"
    yield element(
        "g",
        title(f"attempt failed{_note(each)}\n{times}"),
        element("rect", class_="failure-area", x=-7, y=0, width=14, height=_BAR_HEIGHT),
        element("path", class_="failure", d="M-4 3 4 11M4 3-4 11"),
    )


def _note(each: StatePeriod) -> str:
    return f", {shown(each.note, 80)}" if each.note else ""
