"""What an unknown name was probably meant to be."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def unknown_name(noun: str, name: Any, known: Iterable[str]) -> str:
    """Say that `name` is no known `noun`, which known name is nearest, and which there are."""
    names = sorted(known)
    nearest = get_close_matches(name, names, n=1) if isinstance(name, str) else []
    meant = f"did you mean {nearest[0]!r}? " if nearest else ""
    shown = repr(name) if isinstance(name, str) else f"{type(name).__name__} {name!s:.80}"
    return f"unknown {noun} {shown}: {meant}allowed: {', '.join(names) or 'none'}"
