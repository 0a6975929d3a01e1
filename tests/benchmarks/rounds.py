"""Interleaving of contestants: each runs once per round, and rounds start with another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.lap import Lap

    Contestant: TypeAlias = Callable[[int], Lap]
    Laps: TypeAlias = Mapping[str, tuple[Lap, ...]]


def interleave(contestants: Mapping[str, Contestant], rounds: int) -> Laps:
    """Run each contestant once per round, with the round's number from 0; return the laps.

    Contestants time themselves, so their preparations are not measured.
    """
    laps: dict[str, list[Lap]] = {name: [] for name in contestants}
    order = list(contestants)
    for number in range(rounds):
        first = number % len(order)
        for name in order[first:] + order[:first]:
            laps[name].append(contestants[name](number))
    return {name: tuple(each) for name, each in laps.items()}
