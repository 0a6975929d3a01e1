"""Elements of SVG as escaped text. Horizontal positions are percentages of the drawing's width.

Texts therefore keep their size in a drawing of any width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Iterable

CHARACTER: Final = 7.4
"""Width of a character in pixels; most texts are narrower."""

EMPTY: Final = Markup("")
_SHAPES: Final = frozenset(("circle", "line", "path", "polygon", "polyline", "rect"))


def element(name: str, *content: object, **attributes: object) -> Markup:
    """Return an element. Content is escaped unless it is `Markup`; None attributes are left out.

    In names of attributes, a final underscore is removed, and others become hyphens.
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is not None:
            parts.append(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"')
    inner = join(content)
    parts.append("/>" if name in _SHAPES and not inner else f">{inner}</{name}>")
    return Markup("".join(parts))  # noqa: S704 - built of escaped parts


def join(parts: Iterable[object]) -> Markup:
    """Return the parts as one text, each escaped unless it is `Markup`."""
    return EMPTY.join(map(escape, parts))


def percent(share: float) -> str:
    """Return a share of the width as a percentage."""
    return f"{number(share * 100)}%"


def number(value: float) -> str:
    """Return a coordinate with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def title(text: str) -> Markup:
    """Return the title of an element, which browsers show on hover."""
    return element("title", text)


def at(position: float, y: float, *content: object) -> Markup:
    """Return elements whose coordinates are pixels from a position, a share of the width."""
    return element("svg", *content, class_="at", x=percent(position), y=number(y))
