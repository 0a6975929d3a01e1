"""Drawing of a time line as SVG."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from generated_reference.timelines import Row, ShownEvent, ShownStream, Timeline

WIDTH: Final = 760
LEFT, RIGHT, TOP = 30, 60, 14
ROW: Final = 92
"""Height of a row without spans."""
SPAN: Final = 24
"""Additional height of a row with spans."""
LINE: Final = 58
"""Distance from the top of a row to its line of events."""
RADIUS: Final = 10

KINDS: Final = {"A": "first", "B": "second", "C": "third", "N": "other"}
"""Event types to their style; others have the style of A."""

STYLE: Final = """\
rect.sheet { fill: #ffffff }
text { font: 13px sans-serif; fill: #16263f }
text { paint-order: stroke; stroke: #ffffff; stroke-width: 3px }
text.caption { font-weight: bold }
text.small { font-size: 11px; fill: #4a5a75 }
text.middle { text-anchor: middle }
text.label { font-size: 11px; fill: #ffffff; stroke: none; text-anchor: middle }
line.axis, line.tick { stroke: #b9c3d3; stroke-width: 1 }
rect.stream { fill: #dce6f4; stroke: #34507a; stroke-width: 1 }
rect.silent { fill: #f3e3c3; stroke: #a97c1f; stroke-width: 1; stroke-dasharray: 3 3 }
line.end { stroke: #34507a; stroke-width: 2 }
line.met { stroke: #34507a; stroke-width: 1.5; stroke-dasharray: 3 2 }
line.waits, path.late { stroke: #6b4fa0; stroke-width: 1.5; stroke-dasharray: 4 3; fill: none }
path.span { stroke: #4a5a75; stroke-width: 1.2; fill: none }
.first { fill: #2b5fa8 } .second { fill: #b4541a } .third { fill: #2f7d4f } .other { fill: #77839a }
.fired { fill: #2f7d4f } .expired { fill: #77839a } .cancelled { fill: #b3261e }
.suppressed { fill: #a97c1f } .active { fill: #34507a }"""

OUTCOMES: Final = {
    "fired": "fires",
    "expired": "expires",
    "cancelled": "is cancelled",
    "suppressed": "is suppressed",
    "active": "",
}


def draw(timeline: Timeline) -> str:
    """Return the file."""
    return _Drawing(timeline).render()


class _Drawing:
    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._bottom = TOP + sum(map(_height, timeline.rows))
        self._height = self._bottom + 30

    def render(self) -> str:
        """Return the file."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self._height}" '
            f'width="{WIDTH}" height="{self._height}" role="img">'
        )
        lines = [
            head,
            f"<title>{escape(self._timeline.title)}</title>",
            f"<style>\n{STYLE}\n</style>",
            '<rect class="sheet" width="100%" height="100%" rx="6"/>',
            *self._axis(),
        ]
        top = TOP
        for row in self._timeline.rows:
            lines += self._row(row, top)
            top += _height(row)
        return "\n".join([*lines, "</svg>\n"])

    def _x(self, time: float) -> float:
        share = min(time, self._timeline.length) / self._timeline.length
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def _axis(self) -> Iterator[str]:
        for time, label in self._timeline.ticks:
            x = self._x(time)
            yield _line("tick", x, TOP, x, self._bottom + 4)
            yield _text("small middle", x, self._bottom + 18, label)

    def _row(self, row: Row, top: float) -> Iterator[str]:
        y = top + LINE
        yield _text("caption", 12, top + 14, row.caption)
        yield _line("axis", LEFT, y, WIDTH - 12, y)
        for stream in row.streams:
            yield from self._stream(stream, y)
        for event in row.events:
            yield from self._event(event, y)
        for begin, end, label in row.spans:
            yield from self._span(self._x(begin), self._x(end), label, y + RADIUS + 6)

    def _stream(self, stream: ShownStream, y: float) -> Iterator[str]:
        begin, end = self._x(stream.begin), self._x(stream.end)
        if stream.silent_until is not None:
            until = self._x(stream.silent_until)
            yield _rect("silent", end, y + 3, until - end, 12)
            yield _text("small", end + 5, y + 27, "silent")
        yield _rect("stream", begin, y - 14, max(end - begin, 1.5), 28)
        if stream.met is not None:
            met = self._x(stream.met)
            yield _line("met", met, y - 22, met, y + 16)
            yield _text("small middle", met, y - 25, "criteria met")
        if stream.end <= self._timeline.length and OUTCOMES[stream.outcome]:
            yield _line("end", end, y - 22, end, y + 16)
            yield (f'<path class="{stream.outcome}" d="M{end:.1f} {y - 34:.1f} l10 6 l-10 6 z"/>')
            yield _text("small", end + 13, y - 24, OUTCOMES[stream.outcome])

    def _event(self, event: ShownEvent, y: float) -> Iterator[str]:
        x, arrival = self._x(event.time), self._x(event.arrival)
        if event.waits_until is not None:
            until = self._x(event.waits_until)
            yield _line("waits", arrival + RADIUS, y, until, y)
            yield _text("small middle", (arrival + until) / 2 + 4, y - 6, "waits")
        if event.arrival != event.time:
            yield (
                f'<path class="late" d="M{arrival:.1f} {y + 6:.1f} '
                f'Q{(x + arrival) / 2:.1f} {y + 36:.1f} {x:.1f} {y + RADIUS:.1f}"/>'
            )
            yield _text("small middle", (x + arrival) / 2, y + 34, "arrives late")
            yield f'<circle class="{_style(event)}" cx="{arrival:.1f}" cy="{y:.1f}" r="3"/>'
        width = max(2 * RADIUS, 7 * len(event.label) + 8)
        yield (
            f'<rect class="{_style(event)}" x="{x - width / 2:.1f}" y="{y - RADIUS:.1f}" '
            f'width="{width}" height="{2 * RADIUS}" rx="{RADIUS}"/>'
        )
        yield _text("label", x, y + 4, event.label)

    def _span(self, begin: float, end: float, label: str, y: float) -> Iterator[str]:
        yield f'<path class="span" d="M{begin:.1f} {y:.1f} v6 H{end:.1f} v-6"/>'
        yield _text("small middle", (begin + end) / 2, y + 18, label)


def _height(row: Row) -> int:
    return ROW + (SPAN if row.spans or any(each.arrival != each.time for each in row.events) else 0)


def _style(event: ShownEvent) -> str:
    return KINDS.get(event.kind, "first")


def _text(style: str, x: float, y: float, text: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _line(style: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _rect(style: str, x: float, y: float, width: float, height: float) -> str:
    return (
        f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="3"/>'
    )
