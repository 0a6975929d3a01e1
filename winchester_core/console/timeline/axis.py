"""Drawing of a time axis: ticks with labels, grid lines, and bands for idle gaps."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from winchester_core.console.shown_values import duration
from winchester_core.console.svg import CHARACTER, at, element, number, percent, title
from winchester_core.console.time_ticks import (
    MINUTE,
    SECOND,
    Tick,
    date_text,
    ticks,
    time_at,
    time_text,
)
from winchester_core.console.timeline.compressed_axis import WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markupsafe import Markup

    from winchester_core.console.timeline.compressed_axis import CompressedAxis, Segment

AXIS_HEIGHT: Final = 36
GAP_LABEL_HEIGHT: Final = 20
_TICK_DISTANCE: Final = 112
_TEAR: Final = 8 / WIDTH
"""Distance of the edges of a gap's band from the segments."""


def time_axis(axis: CompressedAxis, y: float) -> Iterator[Markup]:
    """Yield the line of the axis and its ticks, the first ones of the segments before others."""
    for segment in axis.segments:
        yield element(
            "line",
            class_="axis",
            x1=percent(max(segment.left - 0.01, 0)),
            x2=percent(min(segment.right + 0.01, 1)),
            y1=number(y),
            y2=number(y),
        )
    labels = _Labels()
    found = [_segment_ticks(each) for each in axis.segments]
    for tick in (*(each[0] for each in found), *(tick for each in found for tick in each[1:])):
        yield from labels.place(tick, axis.position(tick.at), y)


def grid_lines(axis: CompressedAxis, top: float, bottom: float) -> Iterator[Markup]:
    """Yield a vertical line for each tick."""
    for segment in axis.segments:
        for tick in _segment_ticks(segment):
            x = percent(axis.position(tick.at))
            yield element("line", class_="grid", x1=x, x2=x, y1=number(top), y2=number(bottom))


def gaps(
    axis: CompressedAxis, top: float, bottom: float, unread_until: int | None = None
) -> Iterator[Markup]:
    """Yield a band with torn edges for each break of the axis.

    Events before `unread_until` are not known, so the breaks before it are not idle.
    """
    for idle in axis.breaks:
        length = _length_text(idle.duration)
        is_idle = unread_until is None or idle.end > unread_until
        text = f"Idle for {length}" if is_idle else f"Older events, during {length}, are not drawn"
        left, right = idle.left + _TEAR, idle.right - _TEAR
        yield element(
            "rect",
            title(text),
            class_="gap",
            x=percent(left),
            width=percent(right - left),
            y=number(top),
            height=number(bottom - top),
        )
        for x in (left, right):
            yield at(x, top, element("path", class_="tear", d=_tear(bottom - top)))


def gap_labels(axis: CompressedAxis, y: float, unread_until: int | None = None) -> Iterator[Markup]:
    """Yield the duration of each gap, in the line of `GAP_LABEL_HEIGHT` that begins at `y`."""
    for idle in axis.breaks:
        is_idle = unread_until is None or idle.end > unread_until
        text = f"{_length_text(idle.duration)} idle" if is_idle else "not drawn"
        label = element("text", text, class_="idle middle", y=14)
        yield at((idle.left + idle.right) / 2, y, label)


def _segment_ticks(segment: Segment) -> list[Tick]:
    """Return the ticks of a segment, of which there is at least one."""
    most = int(segment.pixels // _TICK_DISTANCE)
    found = ticks(segment.begin, segment.end, most) if most >= 2 else []
    if found and segment.begin != segment.end:
        return found
    is_to_the_second = segment.begin % SECOND == 0 or not 0 < segment.end - segment.begin < MINUTE
    step = SECOND if is_to_the_second else 1000
    text = time_text(segment.begin, step)
    return [Tick(segment.begin, text, date_text(time_at(segment.begin)))]


class _Labels:
    """Labels of ticks in two rows, without overlaps; a label that has no room is left out."""

    def __init__(self) -> None:
        self._rows: tuple[list[tuple[float, float]], ...] = ([], [])

    def place(self, tick: Tick, position: float, y: float) -> Iterator[Markup]:
        """Yield a tick with the labels that have room."""
        x = percent(position)
        yield element("line", class_="tick", x1=x, x2=x, y1=number(y), y2=number(y + 4))
        width = max(len(tick.label), len(tick.context)) * CHARACTER
        pixels = position * WIDTH
        anchor, begin = "middle", pixels - width / 2
        if begin < 0:
            anchor, begin = "start", pixels
        elif begin + width > WIDTH:
            anchor, begin = "end", pixels - width
        texts = ((tick.label, anchor, 16), (tick.context, f"context {anchor}", 30))
        for row, (text, style, height) in zip(self._rows, texts, strict=True):
            if text and all(begin + width <= left or begin >= right for left, right in row):
                row.append((begin, begin + width))
                yield element("text", text, class_=style, x=x, y=number(y + height))


def _tear(height: float) -> str:
    """Return the path of a zigzag line downwards."""
    steps = int(height // 12)
    zigzag = "".join(f"l{4 if n % 2 == 0 else -4} 12" for n in range(steps))
    return f"M-2 0{zigzag}V{number(height)}"


def _length_text(length: int) -> str:
    days = length // (86_400 * SECOND)
    return (
        f"{days / 365.25:.0f} years" if days >= 1000 else duration(timedelta(microseconds=length))
    )
