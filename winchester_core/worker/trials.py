"""Trials: the streams of a dead worker are tried alone, in turns with other streams."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from winchester_core.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from winchester_core.storage.records import Claim


class Trials:
    """Runs marked streams one after the other, with no other run of the process in progress."""

    def __init__(
        self,
        claim: Callable[[], Claim | None],
        process: Callable[[list[Claim]], object],
        is_interrupted: Callable[[], bool],
    ) -> None:
        self._claim = claim
        self._process = process
        self._is_interrupted = is_interrupted
        self._next_at = -math.inf

    def is_due(self, *, others_ready: bool) -> bool:
        """Return whether marked streams may run now: nothing else is ready, or it is their turn."""
        return not others_ready or monotonic() >= self._next_at

    def run(self, lease: timedelta) -> int:
        """Run ready marked streams for at most half a lease; return their number.

        Then other streams get the same time before the next turn.
        """
        started_at = monotonic()
        end = started_at + lease.total_seconds() / 2
        number = 0
        while not self._is_interrupted() and monotonic() < end:
            claim = self._claim()
            if claim is None:
                break
            self._process([claim])
            number += 1
        self._next_at = 2 * monotonic() - started_at
        return number
