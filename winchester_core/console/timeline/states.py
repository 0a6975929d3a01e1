"""Drawing of the states of a stream as a strip of bars."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from winchester_core.console.shown_text import shown
from winchester_core.console.shown_values import duration, iso, state_class, words
from winchester_core.console.svg import CHARACTER, at, element, number, percent, title
from winchester_core.console.time_ticks import microseconds, time_at
from winchester_core.console.timeline.axis import AXIS_HEIGHT, gap_labels, gaps, time_axis
from winchester_core.console.timeline.compressed_axis import WIDTH, CompressedAxis

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from markupsafe import Markup

    from winchester_core.console.timeline.data import StatePeriod

STATES_HEIGHT: Final = 22
_BAR_HEIGHT: Final = 14
_HEADING_HEIGHT: Final = 44


def state_bars(states: Sequence[StatePeriod], axis: CompressedAxis, y: float) -> Iterator[Markup]:
    """Yield a bar for each state, then the marks of failures. The last bar ends at the edge."""
    ends = [*(later.at for _, later in pairwise(states)), time_at(axis.end)]
    failures = []
    for each, end in zip(states, ends, strict=True):
        left = axis.position(microseconds(each.at))
        right = max(axis.position(microseconds(end)), left)
        yield _bar(each, end, left, 1 if each is states[-1] else right, y)
        if each.has_failed:
            failures.append(right)
    for position in failures:
        cross = element("path", class_="failure", d="M-4 3 4 11M4 3-4 11")
        yield at(position, y, title("the attempt failed"), cross)


def states_apart(states: Sequence[StatePeriod]) -> Markup:
    """Return a drawing of the states on an axis of their own, for another clock."""
    axis = CompressedAxis(microseconds(each.at) for each in states)
    bottom = _HEADING_HEIGHT + STATES_HEIGHT
    return element(
        "svg",
        element("text", "Attempts, in real time", class_="lane-label", x=0, y=16),
        *gaps(axis, _HEADING_HEIGHT - 4, bottom),
        *state_bars(states, axis, _HEADING_HEIGHT),
        *gap_labels(axis, _HEADING_HEIGHT - 8, is_short=True),
        *time_axis(axis, bottom),
        class_="canvas",
        height=bottom + AXIS_HEIGHT,
        role="group",
        aria_label="States",
    )


def _bar(each: StatePeriod, end: datetime, left: float, right: float, y: float) -> Markup:
    name = words(shown(each.state, 40))
    note = f", {shown(each.note, 80)}" if each.note else ""
    length = duration(max(end - each.at, timedelta()))
    parts = [
        title(f"{name}{note}\nfrom {iso(each.at)} for {length}"),
        element(
            "rect",
            x=percent(left),
            width=percent(min(max(right - left, 0.002), 1 - left)),
            y=number(y),
            height=_BAR_HEIGHT,
            rx=2,
        ),
    ]
    if (right - left) * WIDTH > len(name) * CHARACTER + 14:
        parts.append(at(left, y, element("text", name, class_="state-label", x=8, y=11)))
    return element("g", *parts, class_=f"state {state_class(each.state)}".rstrip())
