"""Processes that work until they are stopped."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from winchester_core.clock import monotonic
from winchester_core.errors import DatabaseUnavailable
from winchester_core.retry import Backoff, OutageState
from winchester_core.service.daemon import PidFile, daemonize, pid_file_removal
from winchester_core.service.exit import DONE, do_nothing
from winchester_core.service.garbage_collector import tune_garbage_collector
from winchester_core.service.process_recorder import ProcessRecorder, make_process_report
from winchester_core.service.reload import Reloader
from winchester_core.service.signals import ShutdownPlan, shutdown_on_signals, sighup_blocked
from winchester_core.service.systemd import SystemdNotifier
from winchester_core.telemetry.counters import Counters
from winchester_core.telemetry.watchdog import Watchdog

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from winchester_core.bootstrap import PipelineManager, TriggerManager
    from winchester_core.config import ReloadPolicy, Settings
    from winchester_core.console.site import Site
    from winchester_core.model.process import ProcessKind
    from winchester_core.service.signals import Interruption
    from winchester_core.telemetry.server import TelemetryServer

START_WAIT_SECONDS: Final = 60.0
"""Maximum wait of a starting process for the database server."""

Manager = TypeVar("Manager", bound="TriggerManager | PipelineManager | Site")


class ServiceProcess(ABC, Generic[Manager]):
    """A process that works until it is stopped, also as a daemon.

    It has a pid file, a telemetry server and notifications to systemd; it reloads its configuration
    on SIGHUP and shuts down on SIGTERM and SIGINT.
    """

    program: str
    kind: ProcessKind
    keeps_row = True
    """True if the process is in the list of processes; false for a short-lived command."""
    manager: Manager
    telemetry: TelemetryServer
    interruption: Interruption

    def __init__(self, args: Namespace) -> None:
        self.args = args
        self.settings = self.load()
        self.watchdog = Watchdog()
        self.shutdown_seconds = self.settings.shutdown_timeout
        """Time for `stop` to take effect before the process exits without it."""

    @abstractmethod
    def load(self) -> Settings:
        """Read the configuration, at the start and for each reload."""

    @abstractmethod
    def open_manager(self) -> AbstractContextManager[Manager]:
        """Return a context manager that opens and closes the manager."""

    @abstractmethod
    def reload_parts(self) -> tuple[ReloadPolicy, Callable[[Settings], Any]]:
        """Return the parts that a reload applies, and a function that makes the configuration."""

    @abstractmethod
    def status(self) -> str:
        """Return the status for systemd."""

    @abstractmethod
    def stop(self) -> None:
        """Make `work` return; called in another thread."""

    @abstractmethod
    def work(self) -> None:
        """Call `ready`, then work until `stop` is called or nothing is left to do."""

    def reads_only(self) -> bool:
        """Return whether the database accepts no writes; then the process has no row."""
        return False

    def result(self) -> int:
        """Return the exit status, once everything is closed."""
        return DONE

    def release(self) -> None:
        """Release the work in progress if the shutdown times out."""

    def start(self) -> int:
        """Run in the foreground, or with ``--daemon`` in the background; return the exit status."""
        if not self.args.daemon:
            return self.run(do_nothing)
        return daemonize(self.run, settings=self.settings, program=self.program, args=self.args)

    def run(self, on_ready: Callable[[], None]) -> int:
        """Work until stopped; call `on_ready` when the work begins."""
        from winchester_core.bootstrap import telemetry_server
        from winchester_core.config import configure_logging

        self._on_ready = on_ready
        policy, configuration_of = self.reload_parts()
        settings, pid_path = self.settings, self.args.pid_file
        connection = threading.Lock()
        configure_logging(settings, self.process_name)
        with (
            sighup_blocked(),
            PidFile(pid_path) if pid_path else nullcontext() as pid_file,
            self._open_manager_when_available() as self.manager,
            telemetry_server(
                settings, self.manager, self.kind, self.watchdog, connection
            ) as self.telemetry,
            ProcessRecorder(
                self.manager.store,
                make_process_report(self.kind, self.process_name, settings),
                self.manager.counters,
                self.watchdog,
                keeps_row=self.keeps_row,
                reads_only=self.reads_only,
                connection=connection,
            ) as self._recorder,
            SystemdNotifier(self.watchdog, self.status) as self._notifier,
            Reloader(
                settings,
                policy=policy,
                load=self.load,
                prepare=lambda changed: partial(self._reload, changed, configuration_of(changed)),
                proc_name=self.process_name,
                notifier=self._notifier,
            ) as reloader,
        ):
            if self.keeps_row:
                self.telemetry.add(self._recorder.collect_metrics)
            self.remove_pid_file = pid_file_removal(pid_file)
            plan = ShutdownPlan(
                self._stop, self.shutdown_seconds, self.release, self.remove_pid_file
            )
            with shutdown_on_signals(plan, reloader.request) as self.interruption:
                self.work()
        return self.result()

    def _open_manager_when_available(self) -> AbstractContextManager[Manager]:
        """Open the manager, after a limited wait if the server of the database is unavailable.

        The limit is for wrong settings, which look the same. A file that cannot be opened is not
        waited for.
        """
        outage, backoff = OutageState("database", Counters()), Backoff()
        give_up_at = monotonic() + START_WAIT_SECONDS
        while True:
            try:
                manager = self.open_manager()
            except DatabaseUnavailable as error:
                if self.settings.database_url.startswith("sqlite") or monotonic() > give_up_at:
                    raise
                outage.record_failure(error)
                backoff.wait()
            else:
                outage.record_success()
                return manager

    @property
    def process_name(self) -> str:
        """Name of the process in log files."""
        return self.program

    def ready(self) -> None:
        """Report that the work begins."""
        self._on_ready()
        self._notifier.ready()
        self.telemetry.health.start()
        tune_garbage_collector()

    def _reload(self, settings: Settings, configuration: Any) -> None:
        """Activate the configuration of a reload."""
        self.manager.reload(configuration)
        self._recorder.configure(settings)

    def _stop(self) -> None:
        self.telemetry.health.stop()
        self._notifier.stopping()
        self.stop()
