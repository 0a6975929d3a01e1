"""State diagram as SVG, drawn from the transition table."""

from __future__ import annotations

from math import hypot
from typing import Final, TypeAlias

from generated_reference.states import changes
from winchester_core.model import StreamState

PLACES: Final = {
    StreamState.ACTIVE: (0, 2),
    StreamState.RETRY_FIRE: (1, 0),
    StreamState.FIRING: (1, 1),
    StreamState.EXPIRING: (1, 3),
    StreamState.RETRY_EXPIRE: (1, 4),
    StreamState.ERROR: (2, 0),
    StreamState.COMPLETED: (2, 2),
    StreamState.EXPIRE_ERROR: (2, 4),
}
"""Column and row of each state."""

WIDTH, HEIGHT = 124, 36
COLUMN, ROW, MARGIN = 230, 92, 24
APART = 11
"""Offset between arrows in opposite directions."""

STYLE: Final = """\
rect.sheet { fill: #ffffff }
rect.state { fill: #eef3fa; stroke: #34507a; stroke-width: 1.5 }
text { font: 14px sans-serif; fill: #16263f; text-anchor: middle; dominant-baseline: central }
text.number { font-size: 11px; fill: #ffffff }
circle { fill: #34507a }
line { stroke: #34507a; stroke-width: 1.5 }
path { fill: #34507a }"""

ARROW_HEAD: Final = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
    'markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z"/></marker></defs>'
)

Point: TypeAlias = tuple[float, float]


def render() -> str:
    """Render the file. Raises `LookupError` for a state that is missing in `PLACES`."""
    places = {state: _centre(state) for state in StreamState}
    table = changes()
    pairs = {(before, after) for before, after, _ in table}
    lines = []
    for number, (before, after, cause) in enumerate(table, 1):
        apart = APART if (after, before) in pairs else 0
        lines.append(_change(number, places[before], places[after], apart, cause))
    boxes = [_state(state, place) for state, place in places.items()]
    width = max(x for x, _ in places.values()) + WIDTH / 2 + MARGIN
    height = max(y for _, y in places.values()) + HEIGHT / 2 + MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img">'
    )
    return "\n".join(
        [
            head,
            "<title>The states of a stream</title>",
            f"<style>\n{STYLE}\n</style>",
            ARROW_HEAD,
            '<rect class="sheet" width="100%" height="100%" rx="6"/>',
            *lines,
            *boxes,
            "</svg>\n",
        ]
    )


def _centre(state: StreamState) -> Point:
    column, row = PLACES[state]
    return MARGIN + WIDTH / 2 + column * COLUMN, MARGIN + HEIGHT / 2 + row * ROW


def _state(state: StreamState, centre: Point) -> str:
    x, y = centre
    box = (
        f'<rect class="state" x="{x - WIDTH / 2:.0f}" y="{y - HEIGHT / 2:.0f}" '
        f'width="{WIDTH}" height="{HEIGHT}" rx="8"/>'
    )
    return f'{box}<text x="{x:.0f}" y="{y:.0f}">{state}</text>'


def _change(number: int, start: Point, end: Point, apart: float, cause: str) -> str:
    """Render an arrow between the edges of two boxes, moved to its right by `apart`."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = hypot(dx, dy)
    aside = (-dy / length * apart, dx / length * apart)
    share = min(
        WIDTH / 2 / abs(dx) if dx else 1.0,
        HEIGHT / 2 / abs(dy) if dy else 1.0,
    )
    x1, y1 = start[0] + dx * share + aside[0], start[1] + dy * share + aside[1]
    x2, y2 = end[0] - dx * share + aside[0], end[1] - dy * share + aside[1]
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return (
        f'<g><title>{cause}</title><line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'marker-end="url(#head)"/><circle cx="{x:.1f}" cy="{y:.1f}" r="9"/>'
        f'<text class="number" x="{x:.1f}" y="{y:.1f}">{number}</text></g>'
    )
