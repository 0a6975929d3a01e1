"""The marks that stand for parameters in a VALUES list."""

from __future__ import annotations

from functools import lru_cache


@lru_cache
def repeated(marks: tuple[str, ...], rows: int) -> str:
    """One row of `marks` as often as there are rows: `(?, ?), (?, ?)`."""
    return ", ".join([f"({', '.join(marks)})"] * rows)
