"""``winchester ingest``: ingest a file, or the configured event sources."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from winchester_core.cli import input_options
from winchester_core.cli.command import ConfiguredCommand
from winchester_core.cli.options import (
    CONFIG_VARIABLE,
    DAEMON_OPTIONS,
    METRICS_OPTION,
    Argument,
    Flag,
    apply_metrics_option,
    disable_metrics,
    load_configuration,
    positive_number,
)
from winchester_core.cli.service_process import ServiceProcess
from winchester_core.cli.terminal import progress_bar
from winchester_core.errors import WinchesterError
from winchester_core.model.message import MessageKind
from winchester_core.model.process import ProcessKind
from winchester_core.service.exit import (
    CLEANUP_SECONDS,
    DONE,
    SHUTDOWN_TIMED_OUT,
    UsageError,
    exit_now,
)
from winchester_core.time_zones import time_zone_data

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from winchester_core.bootstrap import TriggerManager
    from winchester_core.config import Part, ReloadPolicy, Settings
    from winchester_core.config.settings import SourceEntry
    from winchester_core.ingest.ingester import IngestConfiguration
    from winchester_core.ingest.pump import PumpTotals


logger = logging.getLogger(__name__)

PROGRAM: Final = "winchester-ingest"
FILE_SOURCE: Final = "file"
"""Source name of rejected messages from ``--file``, for files of any name."""


class IngestCommand(ConfiguredCommand):
    """Ingest events or notifications.

    With --file, reads one file, directory or standard input. The input is JSON, one message per
    line, an array of messages or a text sequence (RFC 7464), plain or compressed with gzip. At the
    end, prints the numbers of received, stored, duplicate, rejected and dropped messages. Rejected
    messages are stored in the database. The exit status is 0 if all input was read, even if
    messages were rejected. With --follow, continues to read lines that are appended to the file,
    also after rotations, until SIGTERM or SIGINT (Ctrl-C).

    Without --file, reads the sources in the setting event_sources, each independently, until
    SIGTERM or SIGINT (Ctrl-C), or until all sources are exhausted. If a source fails, it is
    retried, and the other sources continue. After a signal, batches in progress are completed, and
    the exit status is 0. If a batch takes longer than the setting shutdown_timeout, it is left for
    redelivery, and the exit status is 3. A second signal ends the process at once without losing
    messages.

    SIGHUP reloads the configuration, like 'winchester reload': later messages are processed by the
    new triggers and event definitions. If a file is invalid, nothing changes, and the log contains
    the reason. Changes of sources require a restart.

    With --yagi-conf, also consumes the queues that an existing yagi.conf defines for Winchester.
    Without -c, the configuration is the file that config_file in its section [winchester] names.
    """

    examples = (
        "winchester ingest -c winchester.yaml --file notifications.jsonl.gz",
        "zcat events.json.gz | winchester ingest -c winchester.yaml --file - --format event",
        "winchester ingest -c winchester.yaml --file /var/log/app/events.jsonl --follow",
        "winchester ingest -c winchester.yaml -d --pid-file /run/winchester/ingest.pid",
        "winchester ingest --yagi-conf yagi.conf",
    )
    arguments = (
        *input_options.FILE_OPTIONS,
        Argument(
            "--yagi-conf FILE",
            "a yagi.conf file: consume its queues; its config_file is the default of -c",
        ),
        Flag(
            "--follow",
            "continue to read data that is appended to the file; it may be rotated, or not exist "
            "yet",
        ),
        Argument(
            "--batch-size N",
            "messages per transaction (default: the source's batch_size or ingest_batch_size)",
            type=positive_number,
        ),
        METRICS_OPTION,
        *DAEMON_OPTIONS,
    )

    def take_action(self, parsed_args: Namespace) -> int:
        """Ingest; return the exit status."""
        _check_usage(parsed_args)
        ingest = SourcesIngest if parsed_args.file is None else FileIngest
        return ingest(parsed_args).start()


def _check_usage(args: Namespace) -> None:
    if args.file is not None:
        if args.yagi_conf:
            raise UsageError("--file and --yagi-conf are mutually exclusive")
        if args.daemon or args.pid_file:
            raise UsageError("--daemon and --pid-file cannot be used with --file")
        if args.metrics_listen and not args.follow:
            raise UsageError("--metrics-listen requires configured sources, or --file --follow")
        if args.follow and args.file == input_options.STDIN:
            raise UsageError("--follow requires a file: standard input is read until it ends")
    elif args.format or args.datetime_trait or args.follow:
        raise UsageError(
            "--format, --datetime-trait and --follow require --file: sources have their own params"
        )


class IngestProcess(ServiceProcess["TriggerManager"]):
    """Ingest of messages until it is stopped."""

    program = PROGRAM
    kind = ProcessKind.INGEST
    _totals: PumpTotals

    def __init__(self, args: Namespace) -> None:
        super().__init__(args)
        self.stopped = threading.Event()

    def open_manager(self) -> TriggerManager:
        from winchester_core.bootstrap import TriggerManager

        return TriggerManager(self.settings)

    def reload_parts(self) -> tuple[ReloadPolicy, Callable[[Settings], IngestConfiguration]]:
        from winchester_core.bootstrap import ingest_configuration
        from winchester_core.config.reload_diff import INGEST_RELOAD

        return INGEST_RELOAD, lambda changed: ingest_configuration(changed, self.manager.clock)

    def ready(self) -> None:
        """Report that the work begins; log the start unless the input has an end."""
        if self.args.file is None or self.args.follow:
            logger.info("ingest started: tzdata=%s", time_zone_data().version)
        super().ready()

    def status(self) -> str:
        return f"running: received {self.manager.received}, stored {self.manager.saved}"

    def stop(self) -> None:
        self.stopped.set()


class FileIngest(IngestProcess):
    """Ingest of ``--file``."""

    def __init__(self, args: Namespace) -> None:
        super().__init__(args)
        self.keeps_row = args.follow
        self._source = input_options.open_file_source(args, self.settings, follow=args.follow)

    def load(self) -> Settings:
        """Read the configuration; it has a listen address only with ``--follow``.

        Event definitions are read if the file's format may need them.
        """
        args = self.args
        has_events = args.format == MessageKind.EVENT or args.datetime_trait
        ignored: tuple[Part, ...] = ("pipelines", "sources")
        settings = load_configuration(
            args,
            needs=("database", *input_options.parts_of_format(args)),
            ignores=(*ignored, "distiller") if has_events else ignored,
        )
        return apply_metrics_option(settings, args) if args.follow else disable_metrics(settings)

    def work(self) -> None:
        """Ingest the file. Prints the totals if that fails."""
        from winchester_core.ingest.pump import SourcePump
        from winchester_core.ingest.runner import SourceMetricsCollector, log_statistics

        with progress_bar("ingest") as show_progress:
            pump = SourcePump(
                FILE_SOURCE,
                self._source,
                self.manager,
                batch_size=self.args.batch_size or self.settings.ingest_batch_size,
                stop=self.stopped,
                on_batch=lambda totals: show_progress(totals.received),
                deadline=self.watchdog.deadline(FILE_SOURCE),
            )
            self.telemetry.add(SourceMetricsCollector(lambda: {FILE_SOURCE: pump}))
            self.ready()
            self._totals = pump.totals
            try:
                pump.run()
            except WinchesterError:
                print(f"failed: {_summary(pump.totals)}")
                raise
            finally:
                log_statistics(self.manager)

    def result(self) -> int:
        """Print the totals; return the exit status (of the signal, if one stopped the reading)."""
        signum = self.interruption.signum
        is_complete = signum is None or self._source.exhausted or self.args.follow
        print(("" if is_complete else "interrupted: ") + _summary(self._totals))
        return DONE if is_complete else self.interruption.exit_status


class SourcesIngest(IngestProcess):
    """Ingest of the configured sources, each in a separate thread."""

    def __init__(self, args: Namespace) -> None:
        super().__init__(args)
        # The runner enforces shutdown_timeout itself. This longer timeout applies if the runner
        # hangs.
        self.shutdown_seconds += CLEANUP_SECONDS
        if not self.settings.event_sources:
            raise UsageError(
                f"{self.settings.name}: event_sources is empty: add a source, or ingest a --file"
            )

    def load(self) -> Settings:
        entry = self.args.yagi_conf and _yagi_entry(self.args)
        settings = load_configuration(self.args, ignores=["pipelines"])
        if entry:
            entry = replace(entry, batch_size=settings.ingest_batch_size)
            sources = MappingProxyType({**settings.event_sources, entry.name: entry})
            settings = replace(settings, event_sources=sources)
        return apply_metrics_option(settings, self.args)

    def work(self) -> None:
        """Ingest all sources. Exits the process if one does not stop in time."""
        from winchester_core.ingest.runner import SourceMetricsCollector, SourceRunner

        settings = self.settings
        entries = list(settings.event_sources.values())
        if self.args.batch_size:
            entries = [replace(entry, batch_size=self.args.batch_size) for entry in entries]
        runner = SourceRunner(
            entries,
            self.manager,
            stop=self.stopped,
            statistics_period_seconds=settings.statistics_period,
            batch_wait_seconds=settings.ingest_batch_delay,
            shutdown_seconds=settings.shutdown_timeout,
            watchdog=self.watchdog,
        )
        self.telemetry.add(SourceMetricsCollector(lambda: runner.pumps))
        self.ready()
        self._totals = runner.run()
        if runner.hanging:
            print(f"shutdown timed out: {_summary(self._totals)}")
            exit_now(SHUTDOWN_TIMED_OUT, clean_up=self.remove_pid_file)

    def result(self) -> int:
        print(_summary(self._totals))
        return DONE


def _summary(totals: PumpTotals) -> str:
    return (
        f"received {totals.received}, stored {totals.stored}, duplicates {totals.duplicates}, "
        f"rejected {totals.rejected}, dropped {totals.dropped}"
    )


YAGI: Final = "yagi"
"""Name of the source plugin, and source name of its rejected messages."""


def _yagi_entry(args: Namespace) -> SourceEntry:
    """Return the source of ``--yagi-conf``; set `args.config` to the configuration that it names.

    Raises `PluginError` if the extra is not installed, `SourceError` for the file.
    """
    from winchester_core.config.settings import SourceEntry
    from winchester_core.plugins import EVENT_SOURCES, import_plugin

    path, source_class = args.yagi_conf, import_plugin(EVENT_SOURCES, YAGI)
    config_file = source_class.config_file(path)
    if args.config in (None, os.environ.get(CONFIG_VARIABLE)):
        if config_file is None:
            raise UsageError(f"{path} has no [winchester] config_file: name it with -c FILE")
        args.config = config_file
    return SourceEntry(YAGI, YAGI, source_class, {"path": path}, 1)
