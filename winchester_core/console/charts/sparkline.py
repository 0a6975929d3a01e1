"""Line of values without axes, as SVG. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.console.charts.values import drawable
from winchester_core.console.shown_values import exact_number
from winchester_core.console.svg import element, number, title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup


def sparkline(values: Sequence[float], label: str, *, style: str = "active") -> Markup:
    """Return a line of values without axes. Its name has `label`, the range and the last."""
    finite = drawable(values) or [0]
    top = max(finite) or 1
    pitch = 100 / max(len(finite) - 1, 1)
    points = [f"{number(n * pitch)},{number(22 - 20 * v / top)}" for n, v in enumerate(finite)]
    if len(points) == 1:
        points.append(f"100,{points[0].partition(',')[2]}")
    text = (
        f"{label}: {exact_number(min(finite))} to {exact_number(max(finite))}, "
        f"last {exact_number(finite[-1])}"
    )
    return element(
        "svg",
        title(text),
        element("polygon", points=f"0,24 {' '.join(points)} 100,24"),
        element("polyline", points=" ".join(points)),
        class_=f"sparkline state-{style}",
        viewBox="0 0 100 24",
        preserveAspectRatio="none",
        role="img",
        aria_label=text,
    )
