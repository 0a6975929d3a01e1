"""Drawing of deadlines as labelled vertical lines, and of periods as brackets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from winchester_core.console.shown_text import shown
from winchester_core.console.shown_values import iso
from winchester_core.console.svg import CHARACTER, at, element, join, number, percent, title
from winchester_core.console.time_ticks import (
    MINUTE,
    SECOND,
    date_text,
    microseconds,
    time_at,
    time_text,
)
from winchester_core.console.timeline.compressed_axis import WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from markupsafe import Markup

    from winchester_core.console.timeline.compressed_axis import CompressedAxis
    from winchester_core.console.timeline.data import Period, TimelineDeadline

LABEL_LENGTH: Final = 48
PERIOD_HEIGHT: Final = 22
_ROW_HEIGHT: Final = 20


def deadline_lines(
    deadlines: Sequence[TimelineDeadline], axis: CompressedAxis, top: float, bottom: float
) -> Iterator[Markup]:
    """Yield the lines of the deadlines across the lanes."""
    for each in deadlines:
        yield _line(each, axis, top, bottom)


def deadline_labels(
    deadlines: Sequence[TimelineDeadline], axis: CompressedAxis
) -> tuple[Markup, float]:
    """Return the labels, in rows without overlaps, and their height."""
    rows: list[list[tuple[float, float]]] = []
    placed = []
    for each in deadlines:
        text = f"{shown(each.label, LABEL_LENGTH)} {_short_time(each.at, axis)}"
        x = axis.position(microseconds(each.at)) * WIDTH
        width = len(text) * CHARACTER + 10
        is_left = x + width > WIDTH
        begin = x - width if is_left else x
        placed.append((each, text, _free_row(rows, begin, begin + width), is_left))
    height = len(rows) * _ROW_HEIGHT + 6
    return join(
        _label(each, axis, text, row * _ROW_HEIGHT, height, is_left=is_left)
        for each, text, row, is_left in placed
    ), height


def period_bracket(period: Period, axis: CompressedAxis, y: float) -> Markup:
    """Return a bracket with its label beside it."""
    left = axis.position(microseconds(period.begins_at))
    right = max(axis.position(microseconds(period.ends_at)), left)
    text = shown(period.label, LABEL_LENGTH)
    times = f"{iso(period.begins_at)} to {iso(period.ends_at)}"
    middle = y + PERIOD_HEIGHT / 2
    line = element(
        "line",
        class_="period",
        x1=percent(left),
        x2=percent(right),
        y1=number(middle),
        y2=number(middle),
    )
    ends = [at(x, middle, element("path", class_="period", d="M0-4V4")) for x in (left, right)]
    position, style, dx = _beside(left, right, len(text) * CHARACTER + 12)
    label = at(position, middle, element("text", text, class_=f"period {style}", x=dx, y=4))
    return element("g", title(f"{text}: {times}"), line, *ends, label)


def _label(
    each: TimelineDeadline,
    axis: CompressedAxis,
    text: str,
    y: float,
    bottom: float,
    *,
    is_left: bool,
) -> Markup:
    """Return a label at `y` and its part of the line."""
    style, dx = ("flag end", -5) if is_left else ("flag start", 5)
    position = axis.position(microseconds(each.at))
    label = at(position, y, element("text", text, class_=style, x=dx, y=13))
    return element("g", _line(each, axis, y + 2, bottom), label, class_=f"deadline-{each.kind}")


def _line(each: TimelineDeadline, axis: CompressedAxis, top: float, bottom: float) -> Markup:
    x = percent(axis.position(microseconds(each.at)))
    return element(
        "line",
        title(f"{shown(each.label, LABEL_LENGTH)}: {iso(each.at)}"),
        class_=f"deadline deadline-{each.kind}",
        x1=x,
        x2=x,
        y1=number(top),
        y2=number(bottom),
    )


def _short_time(at: datetime, axis: CompressedAxis) -> str:
    """Return the time of day, with the date if the axis has several dates.

    It has milliseconds only if the axis is short enough for them to matter.
    """
    moment = microseconds(at)
    has_milliseconds = axis.end - axis.begin < MINUTE and moment % SECOND != 0
    text = time_text(moment, 1000 if has_milliseconds else SECOND)
    if time_at(axis.begin).date() == time_at(axis.end).date():
        return text
    return f"{date_text(time_at(moment)).rpartition(' ')[0]} {text}"


def _free_row(rows: list[list[tuple[float, float]]], begin: float, end: float) -> int:
    """Return the first row where nothing overlaps, and occupy the place."""
    for index, row in enumerate(rows):
        if all(end <= left or begin >= right for left, right in row):
            row.append((begin, end))
            return index
    rows.append([(begin, end)])
    return len(rows) - 1


def _beside(left: float, right: float, width: float) -> tuple[float, str, int]:
    """Return position, anchor and distance of a label beside an interval, where there is room."""
    if right * WIDTH + width <= WIDTH:
        return right, "start", 6
    if left * WIDTH >= width:
        return left, "end", -6
    return (left + right) / 2, "middle", 0
