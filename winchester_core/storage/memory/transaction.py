"""What makes a change of the holdings all or nothing."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING

from winchester_core.storage.memory.holdings import HeldStream

if TYPE_CHECKING:
    from collections.abc import Callable


class Transaction:
    """Remembers how to take back each change, in case a later one fails."""

    def __init__(self) -> None:
        self._takebacks: list[Callable[[], object]] = []

    def on_failure(self, takeback: Callable[[], object]) -> None:
        """Call `takeback` when the transaction is rolled back; the latest goes first."""
        self._takebacks.append(takeback)

    def keep(self, stream: HeldStream) -> None:
        """Remember `stream` as it is now. Its members may then only be added to."""
        facts = replace(stream.facts, counts=list(stream.facts.counts))
        before = replace(stream, facts=facts)
        self.on_failure(partial(_restore, stream, before, len(stream.members)))

    def roll_back(self) -> None:
        """Take everything back."""
        while self._takebacks:
            self._takebacks.pop()()


def _restore(stream: HeldStream, before: HeldStream, member_count: int) -> None:
    for each in fields(HeldStream):
        setattr(stream, each.name, getattr(before, each.name))
    del stream.members[member_count:]
