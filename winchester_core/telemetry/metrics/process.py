"""What a process tells of itself, as metrics."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

from winchester_core.distribution import DISTRIBUTION
from winchester_core.telemetry.histogram import NOTHING
from winchester_core.telemetry.metrics import catalogue
from winchester_core.telemetry.metrics.counts import count_samples
from winchester_core.telemetry.metrics.metric import Origin, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from winchester_core.telemetry.counters import Counters
    from winchester_core.telemetry.heartbeat import Heartbeat
    from winchester_core.telemetry.metrics.names import Names


class ProcessProbe:
    """Samples of the counts and durations of a process, and of whether its parts are alive.

    `program` is `Origin.INGEST` or `Origin.WORKER`: what only the other one does is not shown.
    """

    def __init__(
        self,
        program: Origin,
        counters: Counters,
        heartbeat: Heartbeat,
        names: Callable[[], Names],
    ) -> None:
        self._program = program
        self._facts = (version(DISTRIBUTION), platform.python_version(), program.value)
        self._counters = counters
        self._heartbeat = heartbeat
        self._names = names

    def __call__(self) -> Iterator[Sample]:
        """The samples."""
        yield Sample(catalogue.BUILD_INFO, 1, self._facts)
        yield Sample(catalogue.WATCHDOG_OVERDUE, len(self._heartbeat.overdue()))
        yield from count_samples(self._counters, (self._program, Origin.PROCESS))
        if self._program is Origin.WORKER:
            yield from self._runs()

    def _runs(self) -> Iterator[Sample]:
        taken = self._counters.run_seconds.snapshot()
        for name in sorted(self._names().pipelines):
            yield Sample(catalogue.RUN_SECONDS, taken.get(name, NOTHING), (name,))
