"""Parsing of drawings for tests: elements of SVG and HTML, with their positions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Iterator

PERCENT = re.compile(r"-?[0-9]+(\.[0-9]+)?%")
HORIZONTAL = ("x", "x1", "x2", "cx", "width")


@dataclass(frozen=True)
class Link:
    """Link of a drawing with its title and the horizontal position of its first symbol."""

    href: str
    title: str
    position: float


def parse(drawing: str) -> ElementTree.Element:
    """Return the root of a drawing; raises `ParseError` unless it is well-formed XML."""
    return ElementTree.fromstring(drawing)


def positions(root: ElementTree.Element) -> Iterator[float]:
    """Yield every horizontal position and width that is a percentage."""
    for element in root.iter():
        for name in HORIZONTAL:
            value = element.get(name, "")
            if value.endswith("%"):
                assert PERCENT.fullmatch(value), value
                yield float(value[:-1])


def links(root: ElementTree.Element, style: str) -> list[Link]:
    """Return the links of a class, in order."""
    return [
        Link(element.get("href", ""), element.findtext("title", ""), position_of(element))
        for element in root.iter("a")
        if style in element.get("class", "").split()
    ]


def position_of(link: ElementTree.Element) -> float:
    for element in link.iter():
        for name in ("cx", "x"):
            if element.get(name, "").endswith("%"):
                return float(element.get(name, "")[:-1])
    raise AssertionError("the link has no symbol")


def texts(root: ElementTree.Element, style: str) -> list[str]:
    """Return the texts of the elements of a class."""
    return [
        "".join(element.itertext())
        for element in root.iter()
        if style in element.get("class", "").split()
    ]


def names(root: ElementTree.Element) -> set[str]:
    """Return the names of all elements and attributes."""
    return {element.tag for element in root.iter()} | {
        attribute for element in root.iter() for attribute in element
    }
