"""What a misspelt name was meant to be."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SIMILARITY = 0.6
MOST_NAMES_SHOWN = 30


def nearest(name: object, known: Iterable[object]) -> str | None:
    """Return the known name that `name` most resembles, or None when none comes near."""
    by_folded = {str(candidate).casefold(): str(candidate) for candidate in known}
    close = get_close_matches(str(name).casefold(), by_folded, n=1, cutoff=SIMILARITY)
    return by_folded[close[0]] if close else None


def suggestion(name: object, known: Iterable[object], label: str = "known") -> str:
    """Say what may stand in place of `name`: the nearest known name, or else all of them."""
    names = sorted({str(candidate) for candidate in known})
    close = nearest(name, names)
    if close is not None:
        return f"did you mean {close!r}?"
    if not names:
        return f"{label}: none"
    shown = ", ".join(names[:MOST_NAMES_SHOWN])
    return f"{label}: {shown}" + (", ..." if len(names) > MOST_NAMES_SHOWN else "")
