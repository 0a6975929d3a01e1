"""What an unknown name was probably meant to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winchester_core.spelling import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable


def unknown_name(noun: str, name: Any, known: Iterable[str]) -> str:
    """Say that `name` is no known `noun`, which known name is nearest, and which there are."""
    names = sorted(known)
    close = nearest(name, names) if isinstance(name, str) else None
    meant = f"did you mean {close!r}? " if close else ""
    shown = repr(name) if isinstance(name, str) else f"{type(name).__name__} {name!s:.80}"
    return f"unknown {noun} {shown}: {meant}allowed: {', '.join(names) or 'none'}"
