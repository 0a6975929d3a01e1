"""Drawing of a timeline.

From top to bottom: labels of the deadlines, the states, a lane for each fire criterion and for the
other events, brackets for periods, durations of idle gaps, and the axis. Each of them has lines of
its own, so that texts and marks do not overlap. Every event is a link. Horizontal positions are
shares of the width, so the drawing fills any width from `WIDTH` pixels on, with texts of one size;
in a narrower page it scrolls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from winchester_core.console.shown_text import shown
from winchester_core.console.shown_values import compact_number, count_of, iso, words
from winchester_core.console.svg import EMPTY, at, element, join, number, percent, title
from winchester_core.console.time_ticks import microseconds, time_at
from winchester_core.console.timeline.axis import (
    AXIS_HEIGHT,
    GAP_LABEL_HEIGHT,
    gap_labels,
    gaps,
    grid_lines,
    time_axis,
)
from winchester_core.console.timeline.compressed_axis import WIDTH, CompressedAxis
from winchester_core.console.timeline.data import MarkKind
from winchester_core.console.timeline.deadlines import (
    LABEL_LENGTH,
    PERIOD_HEIGHT,
    deadline_labels,
    deadline_lines,
    period_bracket,
)
from winchester_core.console.timeline.lanes import (
    BIN_WIDTH,
    PITCH,
    REASON_LENGTH,
    place_marks,
    type_text,
)
from winchester_core.console.timeline.states import STATES_HEIGHT, state_bars, states_apart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from markupsafe import Markup

    from winchester_core.console.timeline.data import EventMark, Timeline
    from winchester_core.console.timeline.lanes import Bin, Lane, PlacedMark

MAX_DEADLINES: Final = 12
MAX_PERIODS: Final = 8
MAX_STATES: Final = 60

_LANE_LABEL: Final = 24
_BIN_HEIGHT: Final = 52
_LANE_END: Final = 10
_RADIUS: Final = 5
_CROSS: Final = "M-4-4 4 4M4-4-4 4"
_DIAMOND: Final = "M0-5 5 0 0 5-5 0Z"


def draw_timeline(timeline: Timeline) -> Markup:
    """Return the timeline with its description and legend."""
    return _Drawing(timeline).render()


class _Drawing:
    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._deadlines = sorted(timeline.deadlines, key=lambda each: each.at)[:MAX_DEADLINES]
        self._periods = timeline.periods[:MAX_PERIODS]
        self._states = timeline.states[-MAX_STATES:]
        self._own_states = self._states if timeline.shares_clock else ()

    def render(self) -> Markup:
        """Return the drawing, or a sentence if there is nothing to draw."""
        times = list(self._times())
        if not times:
            return element("p", "This stream has no events.", class_="chart-empty")
        has_own_axis = self._states and not self._own_states
        return element(
            "div",
            element("p", self._description(), class_="visually-hidden", id="timeline-text"),
            element("a", "Skip the timeline", class_="skip-part", href="#timeline-end"),
            element(
                "div",
                self._canvas(CompressedAxis(times)),
                states_apart(self._states, self._timeline.states_until) if has_own_axis else EMPTY,
                class_="timeline-scroll",
                role="region",
                tabindex="0",
                aria_label="Timeline, scrolls sideways",
            ),
            self._legend(),
            class_="timeline",
        )

    def _times(self) -> Iterator[int]:
        for mark in self._timeline.marks:
            yield microseconds(mark.at)
        for deadline in self._deadlines:
            yield microseconds(deadline.at)
        for period in self._periods:
            yield microseconds(period.begins_at)
            yield microseconds(period.ends_at)
        for state in self._own_states:
            yield microseconds(state.at)
        if self._own_states and self._timeline.states_until is not None:
            yield microseconds(self._timeline.states_until)

    def _canvas(self, axis: CompressedAxis) -> Markup:
        placement = place_marks(self._timeline, axis)
        labels, top = deadline_labels(self._deadlines, axis)
        until = self._timeline.states_until
        states = list(state_bars(self._own_states, axis, top, until))
        y = top + (STATES_HEIGHT if states else 0)
        lanes: list[Markup] = []
        bases: list[float] = []
        for lane in placement.lanes:
            part, y = self._lane(lane, y)
            lanes.append(part)
            bases.append(y - _LANE_END - _RADIUS)
        periods = []
        for period in self._periods:
            periods.append(period_bracket(period, axis, y))
            y += PERIOD_HEIGHT
        gap_labels_at, unread_until = y, self._unread_until()
        y += GAP_LABEL_HEIGHT if axis.breaks else 0
        return element(
            "svg",
            *self._future(axis, top, y),
            *grid_lines(axis, top, y),
            *gaps(axis, top, y, unread_until),
            *deadline_lines(self._deadlines, axis, top, y),
            *lanes,
            *states,
            *periods,
            *gap_labels(axis, gap_labels_at, unread_until),
            *time_axis(axis, y),
            labels,
            *(self._mark(each, bases) for each in placement.marks),
            class_="canvas",
            height=number(y + AXIS_HEIGHT),
            role="group",
            aria_label="Timeline",
            aria_describedby="timeline-text",
        )

    def _unread_until(self) -> int | None:
        """Return the time before which events are not known, or None."""
        marks = self._timeline.marks
        if not self._timeline.omitted or not marks:
            return None
        return microseconds(min(each.at for each in marks))

    def _future(self, axis: CompressedAxis, top: float, bottom: float) -> Iterator[Markup]:
        now = self._timeline.now
        if now is not None and axis.begin <= microseconds(now) < axis.end:
            begin = axis.position(microseconds(now))
            yield element(
                "rect",
                class_="future",
                x=percent(begin),
                width=percent(1 - begin),
                y=number(top),
                height=number(bottom - top),
            )

    def _lane(self, lane: Lane, y: float) -> tuple[Markup, float]:
        """Return a lane without its marks, and where it ends."""
        bins_height = _BIN_HEIGHT if lane.bins else 0
        end = y + _LANE_LABEL + bins_height + (lane.levels - 1) * PITCH + 2 * _RADIUS + _LANE_END
        base = end - _LANE_END - _RADIUS
        name: list[object] = [element("tspan", lane.label)]
        if lane.number is not None:
            name.insert(0, element("tspan", f"{lane.number} ", class_="lane-number"))
        if lane.progress:
            style = "lane-met" if lane.is_met else "lane-progress"
            name.append(element("tspan", lane.progress, class_=style, dx=10))
        if lane.full_label:
            name.insert(0, title(lane.full_label))
        label = element("text", *name, class_="lane-label", x=0, y=number(y + 16))
        line = element("line", class_="lane", x2="100%", y1=number(base), y2=number(base))
        top = base - (lane.levels - 1) * PITCH - _RADIUS - 4
        most = max((each.number for each in lane.bins), default=1)
        return join((line, label, *(self._bin(each, most, top) for each in lane.bins))), end

    def _bin(self, each: Bin, most: int, y: float) -> Markup:
        """Return a bar that stands on `y` for a bin; `most` is the greatest number of its lane."""
        text = f"+{compact_number(each.number)}"
        times = f"{iso(time_at(each.first))} to {iso(time_at(each.last))}"
        height = 2 + (_BIN_HEIGHT - 20) * each.number / most
        width = BIN_WIDTH / WIDTH
        bar = (
            title(f"{each.number:,} further events, {times}"),
            element(
                "rect",
                x=percent(each.position - width / 2 + 0.002),
                width=percent(width - 0.004),
                y=number(y - height),
                height=number(height),
            ),
            element(
                "text", text, class_="middle", x=percent(each.position), y=number(y - height - 4)
            ),
        )
        if not self._timeline.events_href:
            return element("g", *bar, class_="bin")
        return element("a", *bar, class_="bin", href=self._timeline.events_href)

    def _mark(self, placed: PlacedMark, bases: Sequence[float]) -> Markup:
        heights = [bases[lane] - level * PITCH for lane, level in placed.levels]
        x = percent(placed.position)
        link = EMPTY
        if len(heights) > 1:
            y1, y2 = number(heights[0]), number(heights[-1])
            link = element("line", class_="mark-link", x1=x, x2=x, y1=y1, y2=y2)
        return element(
            "a",
            title(_mark_title(placed.mark)),
            link,
            *(_symbol(placed.mark.kind, placed.position, y) for y in heights),
            class_=f"mark mark-{placed.mark.kind}",
            href=placed.mark.href,
        )

    def _description(self) -> str:
        marks = self._timeline.marks
        total = len(marks) + self._timeline.omitted
        parts = [count_of(total, "event")]
        if marks:
            first, last = min(each.at for each in marks), max(each.at for each in marks)
            parts[0] += f" from {iso(first)} to {iso(last)}"
        parts += [
            f"fire criterion {index}, {shown(each.label, 90)}: {shown(each.progress, 60)}"
            for index, each in enumerate(self._timeline.criteria, start=1)
        ]
        parts += [f"{shown(each.label, LABEL_LENGTH)} {iso(each.at)}" for each in self._deadlines]
        parts += [f"{words(shown(each.state, 40))} since {iso(each.at)}" for each in self._states]
        return "; ".join(parts) + "."

    def _legend(self) -> Markup:
        used = {each.kind for each in self._timeline.marks}
        items = [
            element("li", _key(kind), text) for kind, text in _KIND_TEXTS.items() if kind in used
        ]
        if self._timeline.omitted:
            items.append(element("li", f"{self._timeline.omitted:,} older events are not drawn"))
        return element("ul", *items, class_="legend", id="timeline-end", tabindex="-1")


_KIND_TEXTS: Final = {
    MarkKind.COUNTS: "counts for a criterion",
    MarkKind.JOINS: "member, counts for none",
    MarkKind.WAITS: "waits",
    MarkKind.CANCELS: "cancels",
    MarkKind.IGNORED: "does not count",
}


def _mark_title(mark: EventMark) -> str:
    text = _KIND_TEXTS[mark.kind]
    if mark.kind is MarkKind.COUNTS and mark.criteria:
        plural = "criterion" if len(mark.criteria) == 1 else "criteria"
        text = f"counts for {plural} {', '.join(map(str, mark.criteria[:20]))}"
    reason = f": {shown(mark.reason, REASON_LENGTH)}" if mark.reason else ""
    return f"{type_text(mark)}\n{iso(mark.at)}\n{text}{reason}"


def _key(kind: MarkKind) -> Markup:
    """Return the symbol of a kind for the legend."""
    symbol = element("g", _symbol(kind, 0.5, 7), class_=f"mark mark-{kind}")
    return element("svg", symbol, class_="key", width=14, height=14, aria_hidden="true")


def _symbol(kind: MarkKind, position: float, y: float) -> Markup:
    if kind is MarkKind.CANCELS or kind is MarkKind.IGNORED:
        return at(position, y, element("path", d=_CROSS if kind is MarkKind.CANCELS else _DIAMOND))
    return element("circle", cx=percent(position), cy=number(y), r=_RADIUS)
