"""``winchester ingest``: events and notifications from a file, or from the configured sources."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from winchester_core.cli.collector import settle_collector
from winchester_core.cli.commands import ConfiguredCommand
from winchester_core.cli.daemonizing import add_daemon_options, daemonize
from winchester_core.cli.failure import CUT_SHORT, DONE, UsageError
from winchester_core.cli.file_source import STDIN, add_file_options, open_file_source
from winchester_core.cli.hangup import hangups_held
from winchester_core.cli.hard_end import LAST_SECONDS, end_now
from winchester_core.cli.listening import add_listen_option, with_listen_option, without_listening
from winchester_core.cli.options import load_configuration, positive_number
from winchester_core.cli.pid_file import PidFile, removal
from winchester_core.cli.progress import progress
from winchester_core.cli.reloading import Reloader
from winchester_core.cli.signals import Ending, stopping_on_signals
from winchester_core.cli.systemd import Supervisor
from winchester_core.cli.yagi import source_settings
from winchester_core.errors import WinchesterError
from winchester_core.model.message import MessageKind
from winchester_core.telemetry.watchdog import Watchdog

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from winchester_core.bootstrap import TriggerManager
    from winchester_core.config import Settings
    from winchester_core.ingest.pump import PumpTotals
    from winchester_core.telemetry.watchdog import Health

PROGRAM: Final = "winchester-ingest"
FILE_SOURCE: Final = "file"
"""The name under which bad messages of ``--file`` are kept, whatever the file is called."""


class Ingest(ConfiguredCommand):
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
        add_listen_option(parser)
        add_daemon_options(parser)
        return parser

    def take_action(self, parsed_args: Namespace) -> int:
        """Ingest; return the exit status."""
        _check_usage(parsed_args)
        if parsed_args.file is not None:
            return _ingest_file(parsed_args)
        settings = _source_settings(parsed_args)
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


def _source_settings(args: Namespace) -> Settings:
    return with_listen_option(source_settings(args), args)


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
        stopping_on_signals(
            _file_ending(stop, watched.health, settings), reloader.ask
        ) as interruption,
        progress("ingest") as show,
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
        settle_collector()
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
    return with_listen_option(settings, args) if args.follow else without_listening(settings)


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
    load_again = partial(_source_settings, args)
    with (
        hangups_held(),
        PidFile(args.pid_file) if args.pid_file else nullcontext() as pid_file,
        TriggerManager(settings) as manager,
        telemetry_server(settings, manager, heartbeat) as watched,
        Supervisor(heartbeat, lambda: _status(manager)) as supervisor,
        _reloader(settings, manager, load_again, supervisor) as reloader,
        stopping_on_signals(
            _ending(stop, watched.health, supervisor, settings, pid_file), reloader.ask
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
        settle_collector()
        totals = runner.run()
        if runner.hanging:
            print(f"cut short: {_summary(totals)}")
            end_now(CUT_SHORT, clean_up=removal(pid_file))
    print(_summary(totals))
    return DONE


def _file_ending(stop: threading.Event, health: Health, settings: Settings) -> Ending:
    def stop_reading() -> None:
        health.end()
        stop.set()

    return Ending(stop_reading, settings.shutdown_timeout)


def _reloader(
    settings: Settings,
    manager: TriggerManager,
    load_again: Callable[[], Settings],
    supervisor: Supervisor | None = None,
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


def _ending(
    stop: threading.Event,
    health: Health,
    supervisor: Supervisor,
    settings: Settings,
    pid_file: PidFile | None,
) -> Ending:
    def stop_sources() -> None:
        health.end()
        supervisor.stopping()
        stop.set()

    # The runner keeps to the bound itself; past it, it is the runner that hangs.
    within_seconds = settings.shutdown_timeout + LAST_SECONDS
    return Ending(stop_sources, within_seconds, clean_up=removal(pid_file))


def _status(manager: TriggerManager) -> str:
    return f"at work: received {manager.received}, stored {manager.saved}"


def _summary(totals: PumpTotals) -> str:
    return (
        f"received {totals.received}, stored {totals.stored}, duplicates {totals.duplicates}, "
        f"rejected {totals.rejected}, dropped {totals.dropped}"
    )
