"""Rollback of changes in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Transaction:
    """A list of undo steps, one for each change."""

    def __init__(self) -> None:
        self._undo_steps: list[Callable[[], object]] = []

    def on_rollback(self, undo: Callable[[], object]) -> None:
        """Call `undo` on rollback, in reverse order."""
        self._undo_steps.append(undo)

    def roll_back(self) -> None:
        """Undo all changes."""
        while self._undo_steps:
            self._undo_steps.pop()()
