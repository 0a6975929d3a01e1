"""Numbers of streams by state as horizontal bars. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winchester_core.console.shown_text import shown
from winchester_core.console.svg import element, percent, title

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class StateCounts:
    """Numbers of streams by style of state, for the subject `label`; `href` is its page."""

    label: str
    counts: Mapping[str, int]
    href: str | None = None


def state_bars(rows: Sequence[StateCounts], caption: str) -> Markup:
    """Return a table with a horizontal stacked bar and the total for each row."""
    totals = [sum(max(count, 0) for count in row.counts.values()) for row in rows]
    top = max(totals, default=0) or 1
    lines = [_state_row(row, total, top) for row, total in zip(rows, totals, strict=True)]
    head = element(
        "tr",
        *(element("th", text, scope="col") for text in ("Name", "By state")),
        element("th", "Total", scope="col", class_="number"),
    )
    styles = dict.fromkeys(style for row in rows for style, count in row.counts.items() if count)
    legend = [
        element(
            "li",
            element("span", " ", class_="dot", aria_hidden="true"),
            style,
            class_=f"state-{style}",
        )
        for style in styles
    ]
    table = element(
        "table",
        element("caption", caption, class_="visually-hidden"),
        element("thead", head, class_="visually-hidden"),
        element("tbody", *lines),
    )
    heading = element("figcaption", element("h2", caption), element("ul", *legend, class_="legend"))
    return element("figure", heading, table, class_="chart state-bars")


def _state_row(row: StateCounts, total: int, top: int) -> Markup:
    bars, begin = [], 0
    for style, count in row.counts.items():
        if count > 0:
            share = percent(count / top)
            bars.append(
                element(
                    "rect",
                    title(f"{style}: {count:,}"),
                    class_=f"state-{style}",
                    x=percent(begin / top),
                    width=share,
                    height=10,
                )
            )
            begin += count
    words = ", ".join(f"{style} {count:,}" for style, count in row.counts.items() if count > 0)
    name = shown(row.label, 80)
    return element(
        "tr",
        element("th", element("a", name, href=row.href) if row.href else name, scope="row"),
        element(
            "td",
            element("svg", *bars, height=10, role="img", aria_label=words or "none"),
        ),
        element("td", f"{total:,}", class_="number"),
    )
