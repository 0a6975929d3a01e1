"""Trials: the streams of a dead worker are tried alone, in turns with other streams."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from winchester_core.clock import monotonic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import timedelta

    from winchester_core.storage.records import Claim


MIN_TURN_SECONDS: Final = 1.0


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
        self._others_seconds = 0.0

    @contextmanager
    def measuring_others(self) -> Iterator[None]:
        """Measure how long a batch of other streams takes, because a turn may take as long."""
        started_at = monotonic()
        yield
        self._others_seconds = monotonic() - started_at

    def is_due(self, *, others_ready: bool) -> bool:
        """Return whether marked streams may run now: nothing else is ready, or it is their turn."""
        return not others_ready or monotonic() >= self._next_at

    def run(self, lease: timedelta) -> int:
        """Run ready marked streams for one turn; return their number.

        A turn is about as long as the last batch of other streams: at least a second, at most half
        a lease. Then other streams get the same time before the next turn.
        """
        started_at = monotonic()
        longest = max(MIN_TURN_SECONDS, self._others_seconds)
        end = started_at + min(longest, lease.total_seconds() / 2)
        number = 0
        while not self._is_interrupted() and monotonic() < end:
            claim = self._claim()
            if claim is None:
                break
            self._process([claim])
            number += 1
        self._next_at = 2 * monotonic() - started_at
        return number
