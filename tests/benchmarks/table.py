"""The figures as a table of Markdown, one line for each goal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.figure import Figure

HEAD = ("figure", "database", "measured", "beside", "min", "median", "max", "target", "reached")


def table(figures: Iterable[Figure]) -> str:
    """The whole table."""
    rows = [HEAD, *(row for figure in figures for row in _rows(figure))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    rule = " | ".join("-" * width for width in widths)
    return "\n".join(f"| {line} |" for line in (lines[0], rule, *lines[1:]))


def _rows(figure: Figure) -> Iterator[tuple[str, ...]]:
    for goal in figure.goals:
        spread = figure.spread(goal)
        reached = figure.is_reached(goal)
        yield (
            figure.name,
            figure.database or "",
            _value(figure, goal.of),
            _value(figure, goal.to) if goal.to is not None else "",
            *map(number, (spread.least, spread.median, spread.greatest)),
            goal.target,
            {True: "yes", False: "no", None: ""}[reached],
        )


def _value(figure: Figure, name: str) -> str:
    return f"{name}: {number(figure.median(name))} {figure.unit}"


def number(value: float) -> str:
    """Three digits, and no more than that; thousands are set apart."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
