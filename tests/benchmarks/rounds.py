"""Interleaves contestants: each takes its turn in every round, and another one begins each."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.lap import Lap

    Contestant: TypeAlias = Callable[[int], Lap]
    Laps: TypeAlias = Mapping[str, tuple[Lap, ...]]


def interleave(contestants: Mapping[str, Contestant], rounds: int) -> Laps:
    """Let each contestant run once a round, given the round's number from 0.

    What it does before it is timed is its own affair.
    """
    laps: dict[str, list[Lap]] = {name: [] for name in contestants}
    order = list(contestants)
    for number in range(rounds):
        first = number % len(order)
        for name in order[first:] + order[:first]:
            laps[name].append(contestants[name](number))
    return {name: tuple(each) for name, each in laps.items()}
