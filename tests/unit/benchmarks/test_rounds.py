"""In each round every contestant has one turn, and the first one rotates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.lap import Lap
from benchmarks.rounds import interleave

if TYPE_CHECKING:
    from benchmarks.rounds import Contestant


def test_contestants_alternate_and_rotate_the_first_turn() -> None:
    turns: list[tuple[int, str]] = []

    def contestant(name: str) -> Contestant:
        def lap(number: int) -> Lap:
            turns.append((number, name))
            return Lap(number + 1, 1.0, 1.0)

        return lap

    laps = interleave({name: contestant(name) for name in "abc"}, 4)

    assert "".join(name for _, name in turns) == "abc" + "bca" + "cab" + "abc"
    assert [number for number, _ in turns] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert {name: [lap.operations for lap in each] for name, each in laps.items()} == {
        name: [1, 2, 3, 4] for name in "abc"
    }
