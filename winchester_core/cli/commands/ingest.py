"""``winchester ingest``: ingest a file, or the configured event sources."""

from __future__ import annotations

import os
import threading
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from winchester_core.cli.command import ConfiguredCommand
from winchester_core.cli.input_options import (
    STDIN,
    add_file_options,
    open_file_source,
    parts_of_format,
)
from winchester_core.cli.options import (
    CONFIG_VARIABLE,
    add_daemon_options,
    add_metrics_option,
    apply_metrics_option,
    disable_metrics,
    load_configuration,
    positive_number,
)
from winchester_core.cli.terminal import progress_bar
from winchester_core.errors import WinchesterError
from winchester_core.model.message import MessageKind
from winchester_core.service.daemon import PidFile, daemonize, pid_file_removal
from winchester_core.service.exit import (
    CLEANUP_SECONDS,
    DONE,
    SHUTDOWN_TIMED_OUT,
    UsageError,
    exit_now,
)
from winchester_core.service.garbage_collector import tune_garbage_collector
from winchester_core.service.reload import Reloader
from winchester_core.service.signals import ShutdownPlan, shutdown_on_signals, sighup_blocked
from winchester_core.service.systemd import SystemdNotifier
from winchester_core.telemetry.watchdog import Watchdog

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from winchester_core.bootstrap import TriggerManager
    from winchester_core.config import Part, Settings
    from winchester_core.config.settings import SourceEntry
    from winchester_core.ingest.pump import PumpTotals
    from winchester_core.telemetry.watchdog import Health


PROGRAM: Final = "winchester-ingest"
FILE_SOURCE: Final = "file"
"""Source name of rejected messages from ``--file``, whatever the file's name."""


class IngestCommand(ConfiguredCommand):
    """Ingest events or notifications.

    With --file, reads one file, directory or standard input: JSON, one message per line or an
    array, plain or gzip. Finally prints how many messages were received, stored, duplicates,
    rejected and dropped. The exit status is 0 when everything was read, even if messages were
    rejected; those are stored as rejected messages. With --follow, also reads what is appended to
    the file, across rotations, until SIGTERM or SIGINT (Ctrl-C).

    Without --file, reads the sources in the setting event_sources, each independently, until
    SIGTERM or SIGINT (Ctrl-C), or until all of them are exhausted. A source that fails is retried
    and does not affect the others. On a signal, batches in progress are completed, and the exit
    status is 0. Batches that take longer than the setting shutdown_timeout are left for
    redelivery, and the exit status is 3. A second signal ends the process at once without losing
    messages.

    SIGHUP reloads the configuration, as 'winchester reload' does: later messages are processed by
    the new triggers and event definitions. If a file is invalid, nothing changes, and the log says
    why. Changes of sources require a restart.

    With --yagi-conf, also consumes the queues that an existing yagi.conf has for Winchester;
    without -c, the configuration is the config_file of its section [winchester].
    """

    examples = (
        "winchester ingest -c winchester.yaml --file notifications.jsonl.gz",
        "zcat events.json.gz | winchester ingest -c winchester.yaml --file - --format event",
        "winchester ingest -c winchester.yaml --file /var/log/app/events.jsonl --follow",
        "winchester ingest -c winchester.yaml -d --pid-file /run/winchester/ingest.pid",
        "winchester ingest --yagi-conf yagi.conf",
    )

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add the options."""
        parser = super().get_parser(prog_name)
        add_file_options(parser, required=False)
        parser.add_argument(
            "--yagi-conf",
            metavar="FILE",
            help="a yagi.conf: its queues are consumed, its config_file is the default of -c",
        )
        parser.add_argument(
            "--follow",
            action="store_true",
            help="continue with what is appended to the file; it may be rotated, or not exist yet",
        )
        parser.add_argument(
            "--batch-size",
            metavar="N",
            type=positive_number,
            help="messages per transaction (default: the source's batch_size or ingest_batch_size)",
        )
        add_metrics_option(parser)
        add_daemon_options(parser)
        return parser

    def take_action(self, parsed_args: Namespace) -> int:
        """Ingest; return the exit status."""
        _check_usage(parsed_args)
        if parsed_args.file is not None:
            return _ingest_file(parsed_args)
        settings = _sources_settings(parsed_args)
        if not settings.event_sources:
            raise UsageError(
                f"{settings.name}: event_sources is empty: add a source, or ingest a --file"
            )
        if parsed_args.daemon:
            return daemonize(
                lambda ready: _run_sources(settings, parsed_args, ready),
                settings=settings,
                program=PROGRAM,
                args=parsed_args,
            )
        return _run_sources(settings, parsed_args, lambda: None)


def _sources_settings(args: Namespace) -> Settings:
    return apply_metrics_option(load_source_settings(args), args)


def _check_usage(args: Namespace) -> None:
    if args.file is not None:
        if args.yagi_conf:
            raise UsageError("--file and --yagi-conf are mutually exclusive")
        if args.daemon or args.pid_file:
            raise UsageError("--daemon and --pid-file cannot be used with --file")
        if args.metrics_listen and not args.follow:
            raise UsageError("--metrics-listen requires configured sources, or --file --follow")
        if args.follow and args.file == STDIN:
            raise UsageError("--follow requires a file: standard input is read until it ends")
    elif args.format or args.datetime_trait or args.follow:
        raise UsageError(
            "--format, --datetime-trait and --follow require --file: sources have their own params"
        )


def _ingest_file(args: Namespace) -> int:
    from winchester_core.bootstrap import TriggerManager, telemetry_server
    from winchester_core.config import configure_logging
    from winchester_core.ingest.pump import SourcePump
    from winchester_core.ingest.runner import SourceMetricsCollector, log_statistics

    settings = _file_settings(args)
    configure_logging(settings, PROGRAM)
    stop = threading.Event()
    watchdog = Watchdog()
    source = open_file_source(args, settings, follow=args.follow)
    with (
        TriggerManager(settings) as manager,
        telemetry_server(settings, manager, watchdog) as telemetry,
        _reloader(settings, manager, partial(_file_settings, args)) as reloader,
        shutdown_on_signals(
            _file_shutdown_plan(stop, telemetry.health, settings), reloader.request
        ) as interruption,
        progress_bar("ingest") as show_progress,
    ):
        pump = SourcePump(
            FILE_SOURCE,
            source,
            manager,
            batch_size=args.batch_size or settings.ingest_batch_size,
            stop=stop,
            on_batch=lambda totals: show_progress(totals.received),
            deadline=watchdog.deadline(FILE_SOURCE),
        )
        telemetry.add(SourceMetricsCollector(lambda: {FILE_SOURCE: pump}))
        telemetry.health.start()
        tune_garbage_collector()
        try:
            pump.run()
        except WinchesterError:
            print(f"failed: {_summary(pump.totals)}")
            raise
        finally:
            log_statistics(manager)
    is_complete = interruption.signum is None or source.exhausted or args.follow
    print(("" if is_complete else "interrupted: ") + _summary(pump.totals))
    return DONE if is_complete else interruption.exit_status


def _file_settings(args: Namespace) -> Settings:
    """Return the settings; they have a listen address only with ``--follow``."""
    settings = _settings_of_format(args)
    return apply_metrics_option(settings, args) if args.follow else disable_metrics(settings)


def _settings_of_format(args: Namespace) -> Settings:
    """Return the settings, with event definitions if the file's format may need them."""
    needs: tuple[Part, ...] = ("database", *parts_of_format(args))
    if args.format == MessageKind.EVENT or args.datetime_trait:
        return load_configuration(args, needs=needs, ignores=("pipelines", "sources", "distiller"))
    return load_configuration(args, needs=needs, ignores=("pipelines", "sources"))


def _run_sources(settings: Settings, args: Namespace, ready: Callable[[], None]) -> int:
    from winchester_core.bootstrap import TriggerManager, telemetry_server
    from winchester_core.config import configure_logging
    from winchester_core.ingest.runner import SourceMetricsCollector, SourceRunner

    configure_logging(settings, PROGRAM)
    entries = list(settings.event_sources.values())
    if args.batch_size:
        entries = [replace(entry, batch_size=args.batch_size) for entry in entries]
    stop = threading.Event()
    watchdog = Watchdog()
    load = partial(_sources_settings, args)
    with (
        sighup_blocked(),
        PidFile(args.pid_file) if args.pid_file else nullcontext() as pid_file,
        TriggerManager(settings) as manager,
        telemetry_server(settings, manager, watchdog) as telemetry,
        SystemdNotifier(watchdog, lambda: _status(manager)) as notifier,
        _reloader(settings, manager, load, notifier) as reloader,
        shutdown_on_signals(
            _shutdown_plan(stop, telemetry.health, notifier, settings, pid_file), reloader.request
        ),
    ):
        runner = SourceRunner(
            entries,
            manager,
            stop=stop,
            statistics_period_seconds=settings.statistics_period,
            batch_wait_seconds=settings.ingest_batch_delay,
            shutdown_seconds=settings.shutdown_timeout,
            watchdog=watchdog,
        )
        telemetry.add(SourceMetricsCollector(lambda: runner.pumps))
        ready()
        notifier.ready()
        telemetry.health.start()
        tune_garbage_collector()
        totals = runner.run()
        if runner.hanging:
            print(f"shutdown timed out: {_summary(totals)}")
            exit_now(SHUTDOWN_TIMED_OUT, clean_up=pid_file_removal(pid_file))
    print(_summary(totals))
    return DONE


def _file_shutdown_plan(stop: threading.Event, health: Health, settings: Settings) -> ShutdownPlan:
    def stop_reading() -> None:
        health.stop()
        stop.set()

    return ShutdownPlan(stop_reading, settings.shutdown_timeout)


def _reloader(
    settings: Settings,
    manager: TriggerManager,
    load: Callable[[], Settings],
    notifier: SystemdNotifier | None = None,
) -> Reloader:
    from winchester_core.bootstrap import ingest_configuration
    from winchester_core.config.reload_diff import INGEST_RELOAD

    def prepare(changed: Settings) -> Callable[[], None]:
        return partial(manager.reload, ingest_configuration(changed, manager.clock))

    return Reloader(
        settings,
        policy=INGEST_RELOAD,
        load=load,
        prepare=prepare,
        proc_name=PROGRAM,
        notifier=notifier,
    )


def _shutdown_plan(
    stop: threading.Event,
    health: Health,
    notifier: SystemdNotifier,
    settings: Settings,
    pid_file: PidFile | None,
) -> ShutdownPlan:
    def stop_sources() -> None:
        health.stop()
        notifier.stopping()
        stop.set()

    # The runner enforces shutdown_timeout itself; this longer timeout is for a hanging runner.
    timeout_seconds = settings.shutdown_timeout + CLEANUP_SECONDS
    return ShutdownPlan(stop_sources, timeout_seconds, clean_up=pid_file_removal(pid_file))


def _status(manager: TriggerManager) -> str:
    return f"running: received {manager.received}, stored {manager.saved}"


def _summary(totals: PumpTotals) -> str:
    return (
        f"received {totals.received}, stored {totals.stored}, duplicates {totals.duplicates}, "
        f"rejected {totals.rejected}, dropped {totals.dropped}"
    )


IGNORED_PARTS: Final[tuple[Part, ...]] = ("pipelines",)
YAGI: Final = "yagi"
"""Name of the source plugin, and source name of its rejected messages."""


def load_source_settings(args: Namespace) -> Settings:
    """Load the settings with all sources to run, including that of ``--yagi-conf``."""
    if args.yagi_conf is None:
        return load_configuration(args, ignores=IGNORED_PARTS)
    entry = _yagi_entry(args.yagi_conf, args)
    settings = load_configuration(args, ignores=IGNORED_PARTS)
    entry = replace(entry, batch_size=settings.ingest_batch_size)
    sources = {**settings.event_sources, entry.name: entry}
    return replace(settings, event_sources=MappingProxyType(sources))


def _yagi_entry(path: str, args: Namespace) -> SourceEntry:
    """Return the source of a `yagi.conf`; set `args.config` to the configuration it names.

    Raises `PluginError` if the extra is not installed, `SourceError` for the file.
    """
    from winchester_core.config.settings import SourceEntry
    from winchester_core.plugins import EVENT_SOURCES, import_plugin

    source_class = import_plugin(EVENT_SOURCES, YAGI)
    config_file = source_class.config_file(path)
    if args.config in (None, os.environ.get(CONFIG_VARIABLE)):
        if config_file is None:
            raise UsageError(f"{path} has no [winchester] config_file: name it with -c FILE")
        args.config = config_file
    return SourceEntry(YAGI, YAGI, source_class, {"path": path}, 1)
