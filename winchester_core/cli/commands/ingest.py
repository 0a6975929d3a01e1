"""``winchester ingest``: events and notifications from a file, or from the configured sources."""

from __future__ import annotations

import os
import threading
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from winchester_core.cli.command import ConfiguredCommand
from winchester_core.cli.input_options import STDIN, add_file_options, open_file_source
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
"""The name under which bad messages of ``--file`` are kept, whatever the file is called."""


class IngestCommand(ConfiguredCommand):
    """Take in events or notifications.

    With --file, those of one file (or directory, or standard input): JSON, one in each line or in
    an array, gzip or not. A line tells in the end how many were received, stored, known already
    (duplicates), rejected and dropped. The exit status is 0 when everything was read, even if
    some were rejected: those are kept in the database. With --follow it has no end: what is
    appended to the file is taken in too, through its rotation, until SIGTERM or SIGINT (Ctrl-C).

    Without --file, the sources that the setting event_sources names, each on its own, until
    SIGTERM or SIGINT (Ctrl-C), or until every one of them has come to its end. A source that
    fails is tried again and does not hinder the others. What is in hand is finished, and the exit
    status is 0. What takes longer than the setting shutdown_timeout is left for redelivery, and the
    exit status is 3. A second signal ends the process at once, and nothing is lost by that.

    SIGHUP lets it read its configuration again, as 'winchester reload' does: what comes next goes
    by the new triggers and event definitions. Nothing changes when a file is invalid; the log says
    why. Sources wait for a restart.

    With --yagi-conf, the queues that an existing yagi.conf has for Winchester, too; unless there
    is a -c, the configuration is what its section [winchester] names as config_file.
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
            help="a yagi.conf whose queues are consumed and whose config_file stands in for -c",
        )
        parser.add_argument(
            "--follow",
            action="store_true",
            help="go on with what is appended to the file, which may be rotated or not there yet",
        )
        parser.add_argument(
            "--batch-size",
            metavar="N",
            type=positive_number,
            help="messages a transaction (default: the source's batch_size or ingest_batch_size)",
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
                f"{settings.name}: event_sources names no source; add one, or ingest a --file"
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
            raise UsageError("--file and --yagi-conf do not go together: name one of them")
        if args.daemon or args.pid_file:
            raise UsageError("--daemon and --pid-file are for the configured sources, not a --file")
        if args.metrics_listen and not args.follow:
            raise UsageError("--metrics-listen is for what runs on: sources, or a --file --follow")
        if args.follow and args.file == STDIN:
            raise UsageError("--follow is for a file: standard input is read until it ends")
        if args.datetime_trait and args.format == MessageKind.NOTIFICATION:
            raise UsageError("--datetime-trait is for events: definitions type notifications")
    elif args.format or args.datetime_trait or args.follow:
        raise UsageError(
            "--format, --datetime-trait and --follow are for a --file: sources have their own"
        )


def _ingest_file(args: Namespace) -> int:
    from winchester_core.bootstrap import TriggerManager, telemetry_server
    from winchester_core.config import configure_logging
    from winchester_core.ingest.pump import SourcePump
    from winchester_core.ingest.runner import SourceMetricsCollector, log_statistics

    settings = _file_settings(args)
    configure_logging(settings, PROGRAM)
    stop = threading.Event()
    heartbeat = Watchdog()
    source = open_file_source(args, settings, follow=args.follow)
    with (
        TriggerManager(settings) as manager,
        telemetry_server(settings, manager, heartbeat) as watched,
        _reloader(settings, manager, partial(_file_settings, args)) as reloader,
        shutdown_on_signals(
            _file_shutdown_plan(stop, watched.health, settings), reloader.ask
        ) as interruption,
        progress_bar("ingest") as show,
    ):
        pump = SourcePump(
            FILE_SOURCE,
            source,
            manager,
            batch_size=args.batch_size or settings.ingest_batch_size,
            stop=stop,
            on_batch=lambda totals: show(totals.received),
            pulse=heartbeat.pulse(FILE_SOURCE),
        )
        watched.add(SourceMetricsCollector(lambda: {FILE_SOURCE: pump}))
        watched.health.begin()
        tune_garbage_collector()
        try:
            pump.run()
        except WinchesterError:
            print(f"failed: {_summary(pump.totals)}")
            raise
        finally:
            log_statistics(manager)
    ended = interruption.signum is None or source.exhausted or args.follow
    print(("" if ended else "interrupted: ") + _summary(pump.totals))
    return DONE if ended else interruption.exit_status


def _file_settings(args: Namespace) -> Settings:
    """The settings, which say where to listen only for a file that is followed."""
    settings = _settings_of_format(args)
    return apply_metrics_option(settings, args) if args.follow else disable_metrics(settings)


def _settings_of_format(args: Namespace) -> Settings:
    """The settings with a distiller where the file needs one, or may."""
    if args.format == MessageKind.NOTIFICATION:
        return load_configuration(
            args, needs=("database", "distiller"), ignores=("pipelines", "sources")
        )
    if args.format == MessageKind.EVENT or args.datetime_trait:
        return load_configuration(args, ignores=("pipelines", "sources", "distiller"))
    return load_configuration(args, ignores=("pipelines", "sources"))


def _run_sources(settings: Settings, args: Namespace, ready: Callable[[], None]) -> int:
    from winchester_core.bootstrap import TriggerManager, telemetry_server
    from winchester_core.config import configure_logging
    from winchester_core.ingest.runner import SourceMetricsCollector, SourceRunner

    configure_logging(settings, PROGRAM)
    entries = list(settings.event_sources.values())
    if args.batch_size:
        entries = [replace(entry, batch_size=args.batch_size) for entry in entries]
    stop = threading.Event()
    heartbeat = Watchdog()
    load_again = partial(_sources_settings, args)
    with (
        sighup_blocked(),
        PidFile(args.pid_file) if args.pid_file else nullcontext() as pid_file,
        TriggerManager(settings) as manager,
        telemetry_server(settings, manager, heartbeat) as watched,
        SystemdNotifier(heartbeat, lambda: _status(manager)) as supervisor,
        _reloader(settings, manager, load_again, supervisor) as reloader,
        shutdown_on_signals(
            _shutdown_plan(stop, watched.health, supervisor, settings, pid_file), reloader.ask
        ),
    ):
        runner = SourceRunner(
            entries,
            manager,
            stop=stop,
            statistics_period_seconds=settings.statistics_period,
            batch_wait_seconds=settings.ingest_batch_delay,
            shutdown_seconds=settings.shutdown_timeout,
            heartbeat=heartbeat,
        )
        watched.add(SourceMetricsCollector(lambda: runner.pumps))
        ready()
        supervisor.ready()
        watched.health.begin()
        tune_garbage_collector()
        totals = runner.run()
        if runner.hanging:
            print(f"cut short: {_summary(totals)}")
            exit_now(SHUTDOWN_TIMED_OUT, clean_up=pid_file_removal(pid_file))
    print(_summary(totals))
    return DONE


def _file_shutdown_plan(stop: threading.Event, health: Health, settings: Settings) -> ShutdownPlan:
    def stop_reading() -> None:
        health.end()
        stop.set()

    return ShutdownPlan(stop_reading, settings.shutdown_timeout)


def _reloader(
    settings: Settings,
    manager: TriggerManager,
    load_again: Callable[[], Settings],
    supervisor: SystemdNotifier | None = None,
) -> Reloader:
    from winchester_core.bootstrap import ingest_configuration
    from winchester_core.config.reload_diff import INGEST_RELOAD

    def prepare(changed: Settings) -> Callable[[], None]:
        return partial(manager.change, **ingest_configuration(changed, manager.clock))

    return Reloader(
        settings,
        takeover=INGEST_RELOAD,
        load=load_again,
        prepare=prepare,
        proc_name=PROGRAM,
        supervisor=supervisor,
    )


def _shutdown_plan(
    stop: threading.Event,
    health: Health,
    supervisor: SystemdNotifier,
    settings: Settings,
    pid_file: PidFile | None,
) -> ShutdownPlan:
    def stop_sources() -> None:
        health.end()
        supervisor.stopping()
        stop.set()

    # The runner keeps to the bound itself; past it, it is the runner that hangs.
    within_seconds = settings.shutdown_timeout + CLEANUP_SECONDS
    return ShutdownPlan(stop_sources, within_seconds, clean_up=pid_file_removal(pid_file))


def _status(manager: TriggerManager) -> str:
    return f"at work: received {manager.received}, stored {manager.saved}"


def _summary(totals: PumpTotals) -> str:
    return (
        f"received {totals.received}, stored {totals.stored}, duplicates {totals.duplicates}, "
        f"rejected {totals.rejected}, dropped {totals.dropped}"
    )


# The configuration of ``winchester ingest``, that of a `yagi.conf` included.


WITHOUT_PIPELINES: Final[tuple[Part, ...]] = ("pipelines",)
YAGI: Final = "yagi"
"""The plugin, and the name under which its bad messages are kept."""


def load_source_settings(args: Namespace) -> Settings:
    """The settings with all sources to be run, that of ``--yagi-conf`` among them."""
    if args.yagi_conf is None:
        return load_configuration(args, ignores=WITHOUT_PIPELINES)
    entry = _yagi_entry(args.yagi_conf, args)
    settings = load_configuration(args, ignores=WITHOUT_PIPELINES)
    entry = replace(entry, batch_size=settings.ingest_batch_size)
    sources = {**settings.event_sources, entry.name: entry}
    return replace(settings, event_sources=MappingProxyType(sources))


def _yagi_entry(path: str, args: Namespace) -> SourceEntry:
    """The source of a `yagi.conf`; the configuration that it names goes into `args`.

    Raises `PluginError` when the extra is not installed, `SourceError` for the file.
    """
    from winchester_core.config.settings import SourceEntry
    from winchester_core.plugins import EVENT_SOURCES
    from winchester_core.plugins import import_plugin as load_plugin

    source_class = load_plugin(EVENT_SOURCES, YAGI)
    config_file = source_class.config_file(path)
    if args.config in (None, os.environ.get(CONFIG_VARIABLE)):
        if config_file is None:
            raise UsageError(f"{path} has no [winchester] config_file: name it with -c FILE")
        args.config = config_file
    return SourceEntry(YAGI, YAGI, source_class, {"path": path}, 1)
