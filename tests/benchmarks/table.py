"""The figures as lines of a table, one for each goal."""

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
    "beside",
    "min",
    "median",
    "max",
    "target",
    "reached",
    "note",
)


def lines(figure: Figure) -> Iterator[tuple[str, ...]]:
    """A cell of text for each column of `OLDEST_CANDIDATES`."""
    for goal in figure.goals:
        spread = figure.spread(goal)
        yield (
            figure.name,
            figure.database or "",
            _value(figure, goal.of),
            _value(figure, goal.to) if goal.to is not None else "",
            *map(number, (spread.least, spread.median, spread.greatest)),
            goal.target,
            {True: "yes", False: "no", None: ""}[figure.is_reached(goal)],
            figure.note,
        )


def table(figures: Iterable[Figure]) -> str:
    """The whole table, as Markdown whose columns stand below each other."""
    rows: list[Sequence[str]] = [HEAD, *(line for figure in figures for line in lines(figure))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(_row(row, widths) for row in rows)


def number(value: float) -> str:
    """Three digits, and no more than that; thousands are set apart."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"


def _value(figure: Figure, name: str) -> str:
    """The median, and where it is known the processor time of our own process for each."""
    text = f"{name}: {number(figure.median(name))} {figure.unit}"
    if name not in figure.cpu_us:
        return text
    return f"{text} ({number(median(figure.cpu_us[name]))} µs CPU)"
