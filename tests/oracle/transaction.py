"""What makes a change of the holdings all or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Transaction:
    """Remembers how to take back each change, in case a later one fails."""

    def __init__(self) -> None:
        self._undo_steps: list[Callable[[], object]] = []

    def on_rollback(self, undo: Callable[[], object]) -> None:
        """Call `undo` when the transaction is rolled back; the latest goes first."""
        self._undo_steps.append(undo)

    def roll_back(self) -> None:
        """Take everything back."""
        while self._undo_steps:
            self._undo_steps.pop()()
