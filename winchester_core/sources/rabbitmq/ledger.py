"""Which deliveries of a channel are not settled yet, and how to settle some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Settlement(NamedTuple):
    """One frame to send: for this delivery, and with `multiple` for all before it, too."""

    tag: int
    multiple: bool


class Ledger:
    """The unsettled delivery tags of one channel; the broker counts them upwards."""

    def __init__(self) -> None:
        self._open: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, tag: int) -> None:
        """A delivery has come."""
        self._open[tag] = None

    def strike_out(self, tags: Iterable[int]) -> list[int]:
        """Strike these deliveries out; return, in order, those that were open."""
        struck = sorted(tag for tag in set(tags) if tag in self._open)
        for tag in struck:
            del self._open[tag]
        return struck

    def settle(self, tags: Iterable[int]) -> list[Settlement]:
        """Strike these deliveries out; return the fewest frames that say so to the broker.

        One frame with `multiple` stands for all that come before the first one still open.
        """
        settled = self.strike_out(tags)
        first_open = next(iter(self._open), None)
        below = [tag for tag in settled if first_open is None or tag < first_open]
        together = [Settlement(below[-1], len(below) > 1)] if below else []
        return together + [Settlement(tag, False) for tag in settled[len(below) :]]
