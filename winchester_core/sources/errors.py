"""Errors of the libraries that sources use, as `SourceError`."""

from __future__ import annotations

from winchester_core.errors import SourceError


def source_error(name: str, error: BaseException) -> SourceError:
    """Convert the error of a library to a `SourceError` with one line of text."""
    text = " ".join(str(error).split())
    return SourceError(name, f"{type(error).__name__}: {text}" if text else type(error).__name__)
