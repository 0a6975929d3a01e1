"""Growth of the cost of an event with a size: one contestant for each size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.figure import Figure, Goal, cpu_us
from benchmarks.rounds import interleave

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.options import Options
    from benchmarks.rounds import Contestant


@dataclass(frozen=True, slots=True)
class Growth:
    """The size that grows, and the allowed ratio of the costs at its end and at its beginning."""

    benchmark: str
    name: str
    axis: str
    at_most: float | None = None

    def figure(
        self,
        backend: str,
        options: Options,
        sizes: Sequence[int],
        contestant: Callable[[int], Contestant],
    ) -> Figure:
        """Measure at each of the sizes, in turns."""
        names = {size: f"at {size:,}" for size in sizes}
        laps = interleave({names[size]: contestant(size) for size in sizes}, options.rounds)
        samples = {
            name: tuple(1e6 * lap.seconds / lap.operations for lap in each)
            for name, each in laps.items()
        }
        curve: dict[str, Any] = {"axis": self.axis, "sizes": list(sizes)}
        goal = Goal(names[sizes[-1]], names[sizes[0]], at_most=self.at_most)
        return Figure(
            self.benchmark,
            self.name,
            backend,
            "µs/event",
            samples,
            (goal,),
            cpu_us(laps),
            {"curve": curve},
        )


def powers(first: int, last: int) -> list[int]:
    """Return `first`, multiplied by ten repeatedly, below `last`; then `last`."""
    sizes = []
    while first < last:
        sizes.append(first)
        first *= 10
    return [*sizes, last]
