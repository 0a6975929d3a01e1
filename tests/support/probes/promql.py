"""Metrics, matchers and grouping labels of a PromQL expression."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

METRIC = re.compile(
    r"\b(?P<name>(?:winchester|process|python)_\w+|up)\b\s*(?:\{(?P<matchers>[^}]*)\})?"
)
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")


@dataclass(frozen=True)
class Selected:
    """A metric selected by an expression: the allowed values by label."""

    name: str
    matchers: dict[str, list[str]] = field(default_factory=dict)


def selections(expression: str) -> list[Selected]:
    """Return every selection of an expression. Raises `ValueError` for unsupported matchers."""
    found = []
    for match in METRIC.finditer(expression):
        text = match["matchers"] or ""
        pairs = MATCHER.findall(text)
        if len(pairs) != len([part for part in text.split(",") if part.strip()]):
            raise ValueError(f"{text!r} is not understood")
        matchers = {
            label: value.split("|") if "~" in operator else [value]
            for label, operator, value in pairs
        }
        found.append(Selected(match["name"], matchers))
    return found


def grouped(expression: str) -> set[str]:
    """Return the labels that results are grouped by."""
    lists = GROUPING.findall(expression)
    return {label.strip() for each in lists for label in each.split(",")}
