"""The versions that stand for parameters in a VALUES list."""

from __future__ import annotations

from functools import lru_cache


@lru_cache
def repeated(versions: tuple[str, ...], rows: int) -> str:
    """One row of `versions` as often as there are rows: `(?, ?), (?, ?)`."""
    return ", ".join([f"({', '.join(versions)})"] * rows)
