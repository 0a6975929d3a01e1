"""Runs all configured event sources, each in a thread of its own, into one trigger manager."""

from __future__ import annotations

import logging
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from winchester_core.clock import monotonic
from winchester_core.errors import ConfigurationError, PluginError
from winchester_core.ingest.pump import PumpTotals, SourcePump
from winchester_core.plugins import EVENT_SOURCES
from winchester_core.telemetry.metrics import Sample, catalogue
from winchester_core.telemetry.retry import Backoff, OutageState
from winchester_core.telemetry.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from winchester_core.config import SourceEntry
    from winchester_core.ingest.ingester import Ingester
    from winchester_core.interfaces import EventSource


logger = logging.getLogger(__name__)

STOP_POLL_SECONDS = 1.0
"""How often it is looked whether to stop, while no source ends."""


class SourceRunner:
    """Keeps sources pumping until all have come to their end, or `stop` is set.

    A source that fails is closed and opened again, after a pause that grows with each failure in
    a row; the others go on. Statistics are logged every `statistics_period_seconds`. Sources that
    do not end within `shutdown_seconds` after a stop (None: whenever) are left `hanging`: nothing
    that they hold is acknowledged by that, so that it comes again.
    """

    def __init__(
        self,
        entries: Iterable[SourceEntry],
        manager: Ingester,
        *,
        stop: threading.Event,
        statistics_period_seconds: float,
        batch_wait_seconds: float = 0.0,
        shutdown_seconds: float | None = None,
        heartbeat: Watchdog | None = None,
    ) -> None:
        """Make the sources. Raises `PluginError` for one that cannot be made."""
        self._manager = manager
        self._stop = stop
        self._period_seconds = statistics_period_seconds
        self._shutdown_seconds = shutdown_seconds
        self._ended: SimpleQueue[_SourceThread] = SimpleQueue()
        heartbeat = heartbeat or Watchdog()
        self._feeds = [
            _SourceThread(entry, manager, stop, self._ended, heartbeat, batch_wait_seconds)
            for entry in entries
        ]
        self.hanging: list[str] = []
        """The names of sources that did not end when told to."""

    @property
    def pumps(self) -> dict[str, SourcePump]:
        """The pumps by the names of their sources."""
        return {feed.name: feed.pump for feed in self._feeds}

    def run(self) -> PumpTotals:
        """Run them all; return what they moved together.

        Raises `ConfigurationError` when a source needs what is not configured: starting it again
        would not help, so that everything stops.
        """
        threads = [
            threading.Thread(target=feed.run, name=f"source-{feed.name}", daemon=True)
            for feed in self._feeds
        ]
        try:
            for thread in threads:
                thread.start()
            self._wait()
        finally:
            self._stop.set()
            self._join(threads)
        self._log_statistics()
        for feed in self._feeds:
            if feed.error is not None:
                raise feed.error
        return PumpTotals.together(feed.pump.totals for feed in self._feeds)

    def _wait(self) -> None:
        """Until all have ended, or stopping has begun."""
        running = len(self._feeds)
        logged_at = monotonic()
        while running and not self._stop.is_set():
            try:
                self._ended.get(timeout=min(STOP_POLL_SECONDS, self._period_seconds))
                running -= 1
            except Empty:
                if monotonic() - logged_at >= self._period_seconds:
                    logged_at = monotonic()
                    self._log_statistics()

    def _log_statistics(self) -> None:
        log_statistics(self._manager)
        for feed in self._feeds:
            feed.log_statistics()

    def _join(self, threads: Sequence[threading.Thread]) -> None:
        until = None if self._shutdown_seconds is None else monotonic() + self._shutdown_seconds
        for feed, thread in zip(self._feeds, threads, strict=True):
            if thread.ident is None:
                continue  # it was never started
            thread.join(None if until is None else max(0.0, until - monotonic()))
            if thread.is_alive():
                self.hanging.append(feed.name)
                logger.warning(
                    "event source %r has not ended within %g seconds, holding %d messages: "
                    "they are not acknowledged, and come again",
                    feed.name,
                    self._shutdown_seconds,
                    feed.pump.in_hand,
                )


def log_statistics(manager: Ingester) -> None:
    """Log what a manager has counted; store and log what it counted at debugged triggers."""
    counts = manager.counters.snapshot()
    text = " ".join(f"{name}={number}" for name, number in sorted(counts.items()))
    logger.info("statistics: %s", text or "nothing yet")
    manager.debug.flush()


class _SourceThread:
    """One source: its pump, and what ended it if not its end."""

    def __init__(
        self,
        entry: SourceEntry,
        manager: Ingester,
        stop: threading.Event,
        ended: SimpleQueue[_SourceThread],
        heartbeat: Watchdog,
        batch_wait_seconds: float,
    ) -> None:
        self.name = entry.name
        self.error: ConfigurationError | None = None
        self._stop = stop
        self._ended = ended
        self._pulse = heartbeat.pulse(f"event source {entry.name!r}")
        self._outage = OutageState(f"event source {entry.name!r}", manager.counters)
        self._backoff = Backoff(stop)
        self.pump = SourcePump(
            entry.name,
            _make_source(entry),
            manager,
            batch_size=entry.batch_size,
            batch_wait_seconds=batch_wait_seconds,
            stop=stop,
            on_batch=lambda _totals: self._recovered(),
            on_quiet=self._recovered,
            pulse=self._pulse,
        )

    def run(self) -> None:
        """Pump to the end, through all failures. The body of a thread."""
        try:
            while not self._stop.is_set() and not self._has_ended():
                pass
        finally:
            self._pulse.end()
            self._ended.put(self)

    def log_statistics(self) -> None:
        """Log what was moved, and how much waits at the origin as far as that is known."""
        lag = "" if self.pump.lag is None else f" lag={self.pump.lag}"
        text = self.pump.totals.text() + lag
        logger.info("statistics of event source %r: %s", self.name, text)

    def _has_ended(self) -> bool:
        """Pump until the source ends or fails; after a failure wait, and return False."""
        try:
            self.pump.run()
        except ConfigurationError as error:
            self.error = error
            self._stop.set()
        except (Exception, SystemExit) as error:  # a plugin's code
            logger.debug("event source %r failed", self.name, exc_info=error)
            self.pump.totals.failures += 1
            self._outage.noticed(_with_text(error))
            self._pulse.beat()
            self._backoff.wait()
            return False
        if not self._stop.is_set():
            logger.info("event source %r has come to its end", self.name)
        return True

    def _recovered(self) -> None:
        self._outage.over()
        self._backoff.start_anew()


def _make_source(entry: SourceEntry) -> EventSource:
    try:
        return entry.source_class(**entry.params)
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
        raise PluginError(
            EVENT_SOURCES, entry.plugin_name, f"event source {entry.name!r} cannot be made: {cause}"
        ) from error


def _with_text(error: BaseException) -> Exception:
    """The error as an outage tells of it: one that bears no text bears its name at least."""
    return error if isinstance(error, Exception) and str(error) else RuntimeError(repr(error))


# What event sources have moved, as metrics.


OUTCOMES: Final = {
    "stored": "stored",
    "duplicate": "duplicates",
    "invalid": "rejected",
    "dropped": "dropped",
}
"""The values of the label `outcome`, each with the total that has its number."""


class SourceMetricsCollector:
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
