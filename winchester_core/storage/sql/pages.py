"""Splitting long lists so that a statement keeps within every driver's parameter limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Item = TypeVar("Item")

MAX_PARAMETERS = 10_000
"""SQLite takes 32,766 in a statement, PostgreSQL 65,535; each key may need two."""


def pages(items: Sequence[Item], size: int = MAX_PARAMETERS) -> Iterator[Sequence[Item]]:
    """Yield `items` in slices of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
