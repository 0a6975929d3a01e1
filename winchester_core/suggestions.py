"""Suggestions for misspelt names."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

MIN_SIMILARITY = 0.6
MAX_NAMES_SHOWN = 30


def nearest(name: object, known: Iterable[object]) -> str | None:
    """Return the known name most similar to `name`, or None if none is similar enough."""
    by_folded = {str(candidate).casefold(): str(candidate) for candidate in known}
    close = get_close_matches(str(name).casefold(), by_folded, n=1, cutoff=MIN_SIMILARITY)
    return by_folded[close[0]] if close else None


def nearest_file(name: str, known: Iterable[str]) -> str | None:
    """Return the known file name most similar to `name` without their extensions, or None.

    A common extension would make all short names look similar.
    """
    by_stem = {PurePath(candidate).stem: candidate for candidate in sorted(known)}
    close = nearest(PurePath(name).stem, by_stem)
    return by_stem[close] if close else None


def suggestion(name: object, known: Iterable[object], label: str = "known") -> str:
    """Return a hint for an unknown `name`: the most similar known name, or else all known names."""
    names = sorted({str(candidate) for candidate in known})
    close = nearest(name, names)
    if close is not None:
        return f"did you mean {close!r}?"
    if not names:
        return f"{label}: none"
    shown = ", ".join(names[:MAX_NAMES_SHOWN])
    return f"{label}: {shown}" + (", ..." if len(names) > MAX_NAMES_SHOWN else "")


def unknown_name_message(noun: str, name: Any, known: Iterable[str]) -> str:
    """Return an error message for an unknown `name`, with the most similar and all known names."""
    names = sorted(known)
    close = nearest(name, names) if isinstance(name, str) else None
    hint = f"did you mean {close!r}? " if close else ""
    shown = repr(name) if isinstance(name, str) else f"{type(name).__name__} {name!s:.80}"
    return f"unknown {noun} {shown}: {hint}allowed: {', '.join(names) or 'none'}"
