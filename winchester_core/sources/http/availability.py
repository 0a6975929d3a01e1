"""Whether it is worth sending: what the last answers tell."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from winchester_core.sources.http.answer import AWAY_SECONDS
from winchester_core.sources.http.submission import ItemState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.sources.http.submission import ItemResult


class Availability:
    """Away for some seconds after an item could not be stored, unless one was since.

    It comes back by itself, because whoever waits until it is ready sends nothing meanwhile that
    it could learn from.
    """

    def __init__(self) -> None:
        self._away_until = 0.0

    @property
    def is_there(self) -> bool:
        """Whether what is sent now may be stored. Within the server's loop, as `learn`."""
        return asyncio.get_running_loop().time() >= self._away_until

    def learn(self, results: Sequence[ItemResult]) -> None:
        """Draw the conclusion of a request."""
        if any(result.state is ItemState.UNAVAILABLE for result in results):
            self._away_until = asyncio.get_running_loop().time() + AWAY_SECONDS
        elif any(result.state is ItemState.STORED for result in results):
            self._away_until = 0.0
