"""How long things took, in numbers by upper bounds, safe to use from several threads."""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

BOUNDS_SECONDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0),
)
"""From a handler that does next to nothing to one that waits for an hour."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many took no longer than each of `BOUNDS_SECONDS`, how many in all, and their sum."""

    within: tuple[int, ...]
    number: int
    seconds: float


NOTHING: Final = Distribution((0,) * len(BOUNDS_SECONDS), 0, 0.0)


class Histogram:
    """Durations by a label, whose values the caller bounds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def observe(self, label: str, seconds: float) -> None:
        """Something of `label` took so long."""
        place = bisect_left(BOUNDS_SECONDS, seconds)
        with self._lock:
            numbers = self._numbers.setdefault(label, [0] * (len(BOUNDS_SECONDS) + 1))
            numbers[place] += 1
            self._seconds[label] = self._seconds.get(label, 0.0) + seconds

    def snapshot(self) -> Mapping[str, Distribution]:
        """The distribution of each label that was observed."""
        with self._lock:
            return {label: self._distribution(label) for label in self._numbers}

    def _distribution(self, label: str) -> Distribution:
        *within, number = accumulate(self._numbers[label])
        return Distribution(tuple(within), number, self._seconds[label])
