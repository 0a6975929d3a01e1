"""Chart of counts over time: stacked bars as SVG. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from winchester_core.console.charts.values import drawable
from winchester_core.console.shown_text import shown
from winchester_core.console.shown_values import compact_number, exact_number
from winchester_core.console.svg import EMPTY, element, join, number, percent, title
from winchester_core.console.time_ticks import SECOND, date_text, ticks, time_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from winchester_core.console.time_ticks import Tick

MAX_BARS: Final = 120
"""Maximum number of bars; the values of longer series are added up in groups."""

PLOT_HEIGHT: Final = 132
AXIS_HEIGHT: Final = 34
TOP: Final = 8
_TICKS_OF_TIME: Final = 5


@dataclass(frozen=True, slots=True)
class Series:
    """Values of consecutive periods, the first of which begins `begins_at` seconds after 1970.

    `style` is the state whose colour it has.
    """

    label: str
    style: str
    begins_at: int
    period_seconds: int
    values: Sequence[float]


def stacked_bars(series: Sequence[Series], caption: str, *, unit: str = "") -> Markup:
    """Return a chart of stacked bars, with a table for screen readers.

    All series have the same periods. The last period is drawn lighter: it is not over yet. Values
    that are no numbers, or negative, count as 0.
    """
    grouped = [_grouped(each) for each in series]
    length = max((len(each.values) for each in grouped), default=0)
    if not length:
        return _figure(caption, EMPTY, element("p", "No data yet.", class_="chart-empty"))
    totals = [sum(_value(each, index) for each in grouped) for index in range(length)]
    scale = _nice_scale(max(totals))
    plot = element(
        "div",
        _scale_labels(scale),
        element(
            "svg",
            _grid_lines(scale),
            *_bars(grouped, length, scale[-1]),
            _time_axis(grouped[0], length),
            *_columns(grouped, length, unit),
            class_="chart-area",
            height=TOP + PLOT_HEIGHT + AXIS_HEIGHT,
            role="img",
            aria_label=_summary(grouped, caption),
        ),
        class_="chart-plot",
    )
    return _figure(caption, _legend(grouped), plot, _table(grouped, length, caption))


def _grouped(series: Series) -> Series:
    """Return the series with at most `MAX_BARS` values, which are finite and not negative."""
    values = drawable(series.values)
    size = -(-len(values) // MAX_BARS) or 1
    return Series(
        shown(series.label, 60),
        series.style,
        series.begins_at,
        series.period_seconds * size,
        [sum(values[start : start + size]) for start in range(0, len(values), size)],
    )


def _value(series: Series, index: int) -> float:
    return series.values[index] if index < len(series.values) else 0


def _bars(series: Sequence[Series], length: int, top: float) -> list[Markup]:
    """Return a group of bars for each series."""
    slot = 1 / length
    base = [0.0] * length
    groups = []
    for each in series:
        bars = []
        for index in range(length):
            low = base[index]
            base[index] = high = low + _value(each, index)
            if high == low:
                continue
            y, y_low = (TOP + PLOT_HEIGHT * (1 - end / top) for end in (high, low))
            bars.append(
                element(
                    "rect",
                    x=percent((index + 0.12) * slot),
                    width=percent(0.76 * slot),
                    y=number(min(y, y_low - 1)),
                    height=number(max(y_low - y, 1)),
                    class_="partial" if index == length - 1 and length > 1 else None,
                )
            )
        groups.append(element("g", *bars, class_=f"bars state-{each.style}"))
    return groups


def _columns(series: Sequence[Series], length: int, unit: str) -> list[Markup]:
    """Return an invisible rectangle over each period, whose title has the values."""
    return [
        element(
            "rect",
            title("\n".join([_period_text(series[0], index), *_values_text(series, index, unit)])),
            class_="column",
            x=percent(index / length),
            width=percent(1 / length),
            y=TOP,
            height=PLOT_HEIGHT,
        )
        for index in range(length)
    ]


def _values_text(series: Sequence[Series], index: int, unit: str) -> list[str]:
    ending = f" {unit}" if unit else ""
    return [f"{each.label}: {exact_number(_value(each, index))}{ending}" for each in series]


def _period_text(series: Series, index: int) -> str:
    begin = time_at((series.begins_at + index * series.period_seconds) * SECOND)
    end = time_at((series.begins_at + (index + 1) * series.period_seconds) * SECOND)
    return f"{date_text(begin)}, {begin:%H:%M} to {end:%H:%M}"


def _scale_labels(scale: Sequence[float]) -> Markup:
    labels = [
        element("text", compact_number(value), x="100%", y=number(_height_of(value, scale) + 4))
        for value in scale
    ]
    height = TOP + PLOT_HEIGHT + AXIS_HEIGHT
    return element("svg", *labels, class_="chart-scale", height=height, aria_hidden="true")


def _grid_lines(scale: Sequence[float]) -> Markup:
    return join(
        element(
            "line",
            class_="grid" if value else "baseline",
            x2="100%",
            y1=number(_height_of(value, scale)),
            y2=number(_height_of(value, scale)),
        )
        for value in scale
    )


def _height_of(value: float, scale: Sequence[float]) -> float:
    return TOP + PLOT_HEIGHT * (1 - value / scale[-1])


def _time_axis(series: Series, length: int) -> Markup:
    begin = series.begins_at * SECOND
    period = series.period_seconds * SECOND
    end = begin + length * period
    marks = [each for each in ticks(begin, end, _TICKS_OF_TIME) if each.at < end]
    return join(_time_tick(each, (each.at - begin) / (end - begin)) for each in marks)


def _time_tick(tick: Tick, share: float) -> Markup:
    y = TOP + PLOT_HEIGHT
    anchor = "start" if share < 0.05 else "end" if share > 0.95 else "middle"
    x = percent(share)
    context = (
        element("text", tick.context, class_=f"context {anchor}", x=x, y=y + 30)
        if tick.context
        else EMPTY
    )
    return join(
        (
            element("line", class_="tick", x1=x, x2=x, y1=y, y2=y + 4),
            element("text", tick.label, class_=anchor, x=x, y=y + 16),
            context,
        )
    )


def _legend(series: Sequence[Series]) -> Markup:
    items = [
        element(
            "li",
            element("span", " ", class_="dot", aria_hidden="true"),
            f"{each.label} ",
            element("b", compact_number(sum(each.values))),
            class_=f"state-{each.style}",
        )
        for each in series
    ]
    return element("ul", *items, class_="legend")


def _summary(series: Sequence[Series], caption: str) -> str:
    parts = [f"{each.label} {exact_number(sum(each.values))}" for each in series]
    return f"{caption}: {', '.join(parts)}"


def _table(series: Sequence[Series], length: int, caption: str) -> Markup:
    head = [element("th", text, scope="col") for text in ("Period", *(e.label for e in series))]
    rows = [
        element(
            "tr",
            element("th", _period_text(series[0], index), scope="row"),
            *(element("td", exact_number(_value(each, index))) for each in series),
        )
        for index in range(length)
    ]
    table = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *head)),
        element("tbody", *rows),
    )
    return element("div", table, class_="visually-hidden")


def _figure(caption: str, legend: Markup, *content: Markup) -> Markup:
    heading = element("figcaption", element("h2", caption), legend)
    return element("figure", heading, *content, class_="chart")


def _nice_scale(top: float) -> list[float]:
    """Return 0, round values, and a round value that is not below `top`."""
    if top <= 0:
        return [0, 1]
    if top <= 4:
        whole = math.ceil(top)
        if top > 0.5:
            return [float(each) for each in range(whole + 1)]
    magnitude = 10.0 ** math.floor(math.log10(top))
    for factor in (0.2, 0.25, 0.5, 1, 2, 2.5, 5, 10):
        step = factor * magnitude
        if step * 5 >= top and (step >= 1 or top < 1) and (factor != 0.25 or magnitude >= 100):
            return [step * each for each in range(math.ceil(top / step - 1e-9) + 1)]
    return [0, top]
