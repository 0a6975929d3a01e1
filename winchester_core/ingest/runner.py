"""Runner of all configured event sources, each in its own thread, with one ingester."""

from __future__ import annotations

import logging
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from winchester_core.clock import monotonic
from winchester_core.errors import ConfigurationError, PluginError, WinchesterError
from winchester_core.ingest.pump import PumpTotals, SourcePump
from winchester_core.pipelines import NOT_CAUGHT, clean_traceback, describe_error
from winchester_core.plugins import EVENT_SOURCES
from winchester_core.retry import Backoff, OutageState
from winchester_core.telemetry.metrics import Sample, catalogue
from winchester_core.telemetry.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from winchester_core.config import SourceEntry
    from winchester_core.ingest.ingester import Ingester
    from winchester_core.interfaces import EventSource


logger = logging.getLogger(__name__)

STOP_POLL_SECONDS = 1.0
"""Interval at which `stop` is checked."""


class SourceRunner:
    """Runs sources until all are exhausted, or `stop` is set.

    If a source fails, it is closed and reopened with exponential backoff; the others continue.
    Statistics are logged every `statistics_period_seconds`. If a source does not end within
    `shutdown_seconds` after a stop (None: no limit), its name is added to `hanging`. Its messages
    are not acknowledged, so they will be redelivered.
    """

    def __init__(
        self,
        entries: Iterable[SourceEntry],
        ingester: Ingester,
        *,
        stop: threading.Event,
        statistics_period_seconds: float,
        batch_wait_seconds: float = 0.0,
        shutdown_seconds: float | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        """Create the sources. Raises `PluginError` if a source cannot be created."""
        self._ingester = ingester
        self._stop = stop
        self._period_seconds = statistics_period_seconds
        self._shutdown_seconds = shutdown_seconds
        self._ended: SimpleQueue[_SourceLoop] = SimpleQueue()
        watchdog = watchdog or Watchdog()
        self._loops = [
            _SourceLoop(entry, ingester, stop, self._ended, watchdog, batch_wait_seconds)
            for entry in entries
        ]
        self.hanging: list[str] = []
        """Names of the sources that did not end within `shutdown_seconds`."""

    @property
    def pumps(self) -> dict[str, SourcePump]:
        """The pumps by source name."""
        return {loop.name: loop.pump for loop in self._loops}

    def run(self) -> PumpTotals:
        """Run all sources; return the sum of their totals.

        If a source lacks configuration, a restart of the source would not help. All sources then
        stop, and `ConfigurationError` is raised.
        """
        threads = [
            threading.Thread(target=loop.run, name=f"source-{loop.name}", daemon=True)
            for loop in self._loops
        ]
        try:
            for thread in threads:
                thread.start()
            self._wait()
        finally:
            self._stop.set()
            self._join(threads)
        self._log_statistics()
        for loop in self._loops:
            if loop.error is not None:
                raise loop.error
        return PumpTotals.sum_of(loop.pump.totals for loop in self._loops)

    def _wait(self) -> None:
        """Wait until all sources have ended or `stop` is set."""
        running = len(self._loops)
        logged_at = monotonic()
        while running and not self._stop.is_set():
            try:
                self._ended.get(timeout=min(STOP_POLL_SECONDS, self._period_seconds))
                running -= 1
            except Empty:
                self._ingester.debug.flush_if_due()  # log statistics also while no message arrives
                if monotonic() - logged_at >= self._period_seconds:
                    logged_at = monotonic()
                    self._log_statistics()

    def _log_statistics(self) -> None:
        log_statistics(self._ingester)
        for loop in self._loops:
            loop.log_statistics()

    def _join(self, threads: Sequence[threading.Thread]) -> None:
        seconds = self._shutdown_seconds
        timeout_at = None if seconds is None else monotonic() + seconds
        for loop, thread in zip(self._loops, threads, strict=True):
            if thread.ident is None:
                continue  # never started
            thread.join(None if timeout_at is None else max(0.0, timeout_at - monotonic()))
            if thread.is_alive():
                self.hanging.append(loop.name)
                logger.warning(
                    "shutdown timed out, messages will be redelivered: "
                    "source=%s timeout_seconds=%g messages=%d",
                    loop.name,
                    seconds,
                    loop.pump.in_flight,
                )


def log_statistics(ingester: Ingester) -> None:
    """Log the counters of an ingester."""
    counts = ingester.counters.snapshot()
    text = " ".join(f"{name}={number}" for name, number in sorted(counts.items()))
    logger.info("statistics: %s", text or "nothing yet")


class _SourceLoop:
    """Runs the pump of one source, and restarts it after failures."""

    def __init__(
        self,
        entry: SourceEntry,
        ingester: Ingester,
        stop: threading.Event,
        ended: SimpleQueue[_SourceLoop],
        watchdog: Watchdog,
        batch_wait_seconds: float,
    ) -> None:
        self.name = entry.name
        self.error: ConfigurationError | None = None
        self._stop = stop
        self._ended = ended
        self._deadline = watchdog.deadline(f"event source {entry.name!r}")
        self._outage = OutageState(f"event source {entry.name!r}", ingester.counters)
        self._backoff = Backoff(stop)
        self.pump = SourcePump(
            entry.name,
            _make_source(entry),
            ingester,
            batch_size=entry.batch_size,
            batch_wait_seconds=batch_wait_seconds,
            stop=stop,
            on_batch=lambda _totals: self._record_success(),
            on_idle=self._record_success,
            deadline=self._deadline,
        )

    def run(self) -> None:
        """Run the pump until the source is exhausted or `stop` is set. The body of a thread."""
        try:
            while not self._stop.is_set() and not self._run_pump():
                pass
        finally:
            self._deadline.clear()
            self._ended.put(self)

    def log_statistics(self) -> None:
        """Log the totals, and the lag if known."""
        lag = "" if self.pump.lag is None else f" lag={self.pump.lag}"
        text = self.pump.totals.text() + lag
        logger.info("event source statistics: source=%s %s", self.name, text)

    def _run_pump(self) -> bool:
        """Run the pump. Return True if the source has ended, False after a failure and a pause."""
        try:
            self.pump.run()
        except ConfigurationError as error:
            self.error = error
            self._stop.set()
        except BaseException as error:  # noqa: BLE001 - a plugin's code
            logger.debug("event source failed: source=%s\n%s", self.name, clean_traceback(error))
            self.pump.totals.failures += 1
            is_ours = isinstance(error, WinchesterError)
            self._outage.record_failure(error if is_ours else RuntimeError(describe_error(error)))
            self._deadline.extend()
            self._backoff.wait()
            return False
        if not self._stop.is_set():
            logger.info("event source exhausted: source=%s", self.name)
        return True

    def _record_success(self) -> None:
        self._outage.record_success()
        self._backoff.reset()


def _make_source(entry: SourceEntry) -> EventSource:
    try:
        return entry.source_class(**entry.params)
    except NOT_CAUGHT:
        raise
    except BaseException as error:
        raise PluginError(
            EVENT_SOURCES,
            entry.plugin_name,
            f"event source {entry.name!r} cannot be created: {describe_error(error)}",
        ) from error


# Metrics of event sources.


TOTALS_BY_OUTCOME: Final = {
    "stored": "stored",
    "duplicate": "duplicates",
    "invalid": "rejected",
    "dropped": "dropped",
}
"""Field of `PumpTotals` for each value of the label `outcome`."""


class SourceMetricsCollector:
    """Collector of the metrics of pumps, by source name."""

    def __init__(self, pumps: Callable[[], Mapping[str, SourcePump]]) -> None:
        self._pumps = pumps

    def __call__(self) -> Iterator[Sample]:
        """Yield the samples."""
        for name, pump in self._pumps().items():
            for outcome, total in TOTALS_BY_OUTCOME.items():
                number = getattr(pump.totals, total)
                yield Sample(catalogue.SOURCE_MESSAGES, number, (name, outcome))
            yield Sample(catalogue.SOURCE_FAILURES, pump.totals.failures, (name,))
            yield Sample(catalogue.SOURCE_IN_FLIGHT, pump.in_flight, (name,))
            if pump.lag is not None:
                yield Sample(catalogue.SOURCE_LAG, pump.lag, (name,))
            for reason, number in pump.refused.items():
                yield Sample(catalogue.SOURCE_REFUSED, number, (name, reason))
