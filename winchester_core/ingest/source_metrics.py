"""What event sources have moved, as metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from winchester_core.telemetry.metrics import Sample, catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from winchester_core.ingest.pump import SourcePump

OUTCOMES: Final = {
    "stored": "stored",
    "duplicate": "duplicates",
    "invalid": "rejected",
    "dropped": "dropped",
}
"""The values of the label `outcome`, each with the total that has its number."""


class SourcesProbe:
    """Samples of the pumps, by the names of their sources."""

    def __init__(self, pumps: Callable[[], Mapping[str, SourcePump]]) -> None:
        self._pumps = pumps

    def __call__(self) -> Iterator[Sample]:
        """The samples."""
        for name, pump in self._pumps().items():
            for outcome, total in OUTCOMES.items():
                number = getattr(pump.totals, total)
                yield Sample(catalogue.SOURCE_MESSAGES, number, (name, outcome))
            yield Sample(catalogue.SOURCE_FAILURES, pump.totals.failures, (name,))
            yield Sample(catalogue.SOURCE_IN_FLIGHT, pump.in_hand, (name,))
            if pump.lag is not None:
                yield Sample(catalogue.SOURCE_LAG, pump.lag, (name,))
