"""Table of figures, one line for each goal."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from benchmarks.figure import Figure

HEAD = (
    "figure",
    "database",
    "measured",
    "baseline",
    "min",
    "median",
    "max",
    "target",
    "reached",
    "note",
)


def lines(figure: Figure) -> Iterator[tuple[str, ...]]:
    """Yield the texts of the columns `HEAD` for each goal."""
    for goal in figure.goals:
        spread = figure.spread(goal)
        yield (
            figure.name,
            figure.database or "",
            _value(figure, goal.of),
            _value(figure, goal.to) if goal.to is not None else "",
            *map(number, (spread.minimum, spread.median, spread.maximum)),
            goal.target,
            {True: "yes", False: "no", None: ""}[figure.is_reached(goal)],
            figure.note,
        )


def table(figures: Iterable[Figure]) -> str:
    """Return the table as Markdown with aligned columns."""
    rows: list[Sequence[str]] = [HEAD, *(line for figure in figures for line in lines(figure))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(_row(row, widths) for row in rows)


def number(value: float) -> str:
    """Format with three significant digits and thousands separators."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"


def _value(figure: Figure, name: str) -> str:
    """Return the median and, if known, the processor time of the measuring process."""
    text = f"{name}: {number(figure.median(name))} {figure.unit}"
    if name not in figure.cpu_us:
        return text
    return f"{text} ({number(median(figure.cpu_us[name]))} µs CPU)"
