"""A monotonic clock that a test advances."""

from __future__ import annotations


class ManualClock:
    """Replaces the function `monotonic` of a module; the test adds to `seconds`."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Add to `seconds`, in an expression."""
        self.seconds += seconds
