"""Contrast of the console's colours in both colour schemes (WCAG 2.2, level AA)."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

import winchester_core.console

CSS = Path(winchester_core.console.__file__).parent / "static" / "console.css"
PROPERTY = re.compile(
    r"^\s*--([a-z-]+): (?:light-dark\((#\w{6}), (#\w{6})\)|(#\w{6}));$", re.MULTILINE
)
STATES = (
    *("active", "firing", "retry", "error", "completed", "expired", "cancelled", "suppressed"),
)
GROUNDS = ("ground", "surface", "sunken")
TEXT = [
    *product(("ink", "ink-soft", "ink-faint", "accent"), GROUNDS),
    ("on-accent", "accent-fill"),
    *product((f"{state}-ink" for state in STATES), ("ground", "surface")),
    *((f"{state}-ink", f"{state}-tint") for state in STATES),
    *(("ink", f"{state}-tint") for state in STATES),
]
GRAPHICS = [
    *product((f"{state}-fill" for state in STATES), ("surface", "ground")),
    *product(("line-strong", "focus"), ("surface", "ground")),
]


def colours(scheme: int) -> dict[str, str]:
    """Return the value of each property in the light (0) or dark (1) scheme."""
    found = {}
    for name, light, dark, both in PROPERTY.findall(CSS.read_text()):
        found[name] = both or (light, dark)[scheme]
    return found


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_of_black_and_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("pairs", "least"), [(TEXT, 4.5), (GRAPHICS, 3.0)], ids=["text", "graphics"]
)
def test_colours_have_enough_contrast(
    scheme: int, pairs: list[tuple[str, str]], least: float
) -> None:
    value = colours(scheme)
    too_low = {
        pair: round(contrast(value[pair[0]], value[pair[1]]), 2)
        for pair in pairs
        if contrast(value[pair[0]], value[pair[1]]) < least
    }
    assert not too_low
