"""Exceptions that libraries and plugins raise and that nobody expects."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Abort(BaseException):
    """Not an `Exception`, as `KeyboardInterrupt` and `trio.Cancelled`."""


class Unprintable(Exception):  # noqa: N818 - a fault of the test
    """Its text cannot be read."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class UnprintableAbort(Unprintable, Abort):
    """Both."""


def recurse() -> None:
    """Exceed the recursion limit."""
    recurse()


def odd_syntax_error() -> SyntaxError:
    """Return an error whose traceback `traceback.format_exception` cannot format."""
    error = SyntaxError("odd")
    error.filename, error.lineno, error.text, error.offset = "f", 1, 5, "x"  # type: ignore[assignment]
    return error


def _raise(make: Callable[[], BaseException]) -> Callable[[], None]:
    def act() -> None:
        raise make()

    return act


ODD_EXCEPTIONS: dict[str, Callable[[], None]] = {
    "RuntimeError": _raise(lambda: RuntimeError("odd")),
    "MemoryError": _raise(MemoryError),
    "CancelledError": _raise(asyncio.CancelledError),
    "SystemExit": _raise(lambda: SystemExit(0)),
    "StopIteration": _raise(StopIteration),
    "Abort": _raise(Abort),
    "Unprintable": _raise(Unprintable),
    "UnprintableAbort": _raise(UnprintableAbort),
    "SyntaxError": _raise(odd_syntax_error),
    "ExceptionGroup": _raise(lambda: BaseExceptionGroup("odd", [Abort(), ValueError()])),
    "recursion": recurse,
}
"""Functions that raise, by the name of the exception."""
