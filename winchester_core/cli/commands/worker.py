"""The program ``winchester-worker``, also installed as ``pipeline_worker``."""

from __future__ import annotations

import argparse
import logging
from contextlib import closing, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Final

from winchester_core.cli.options import (
    add_config_option,
    add_daemon_options,
    add_debug_option,
    add_metrics_option,
    apply_metrics_option,
    load_configuration,
)
from winchester_core.cli.terminal import configure_terminal
from winchester_core.service.daemon import PidFile, daemonize, pid_file_removal
from winchester_core.service.exit import DONE, run_guarded
from winchester_core.service.garbage_collector import spare_collector, tune_garbage_collector
from winchester_core.service.reload import Reloader
from winchester_core.service.signals import ShutdownPlan, shutdown_on_signals, sighup_blocked
from winchester_core.service.systemd import SystemdNotifier
from winchester_core.telemetry.counters import Count
from winchester_core.telemetry.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from winchester_core.bootstrap import PipelineManager
    from winchester_core.config import Settings
    from winchester_core.telemetry.watchdog import Health

logger = logging.getLogger(__name__)

PROGRAM: Final = "winchester-worker"

DESCRIPTION: Final = """\
Process streams: claim those that are ready to fire or to expire, and take their events through
their pipelines; beside that, deliver the effects that handlers have queued. Any number of workers
may run, on any number of hosts.

SIGTERM and SIGINT (Ctrl-C) end it: the stream and the deliveries in hand are finished, claims that
were not begun are given back, and the exit status is 0. A run that takes longer than the setting
shutdown_timeout is cut short and its stream given back too; the exit status is 3. A second signal
ends it at once; its streams and effects are taken up by other workers when their leases have run
out.

SIGHUP lets it read its configuration again, as 'winchester reload' does: runs in hand end as they
began, the next go by the new triggers and pipelines. Nothing changes when a file is invalid; the
log says why.
"""

EPILOG: Final = """\
examples:
  winchester-worker -c winchester.yaml
  winchester-worker -c winchester.yaml -n worker-2 -d --pid-file /run/winchester/worker-2.pid
  winchester-worker -c winchester.yaml --until-idle
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Work until told to stop; return the exit status."""
    spare_collector()
    configure_terminal(PROGRAM)
    args = build_parser().parse_args(argv)
    return run_guarded(lambda: _start(args), program=PROGRAM, args=args)


def build_parser() -> argparse.ArgumentParser:
    """The program's options and arguments."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_option(parser)
    add_debug_option(parser)
    add_metrics_option(parser)
    parser.add_argument(
        "-n",
        "--name",
        help="the worker's name, as streams in its hands and log files show it "
        "(default: the setting worker_name, else the host's name)",
    )
    add_daemon_options(parser)
    parser.add_argument(
        "--until-idle",
        action="store_true",
        help="end when nothing is ready, in any worker's hands, or waiting for another try: no "
        "stream, and no effect of a handler in this configuration",
    )
    return parser


def _start(args: argparse.Namespace) -> int:
    settings = _load(args)
    if args.daemon:
        return daemonize(
            lambda ready: _work(settings, args, ready),
            settings=settings,
            program=PROGRAM,
            args=args,
        )
    return _work(settings, args, lambda: None)


def _load(args: argparse.Namespace) -> Settings:
    settings = load_configuration(
        args, needs=("database", "triggers", "pipelines"), ignores=("distiller", "sources")
    )
    return apply_metrics_option(settings, args)


def _work(settings: Settings, args: argparse.Namespace, ready: Callable[[], None]) -> int:
    from winchester_core.bootstrap import PipelineManager, telemetry_server
    from winchester_core.config import configure_logging
    from winchester_core.config.reload_diff import WORKER_RELOAD

    proc_name = args.name or settings.worker_name or PROGRAM
    configure_logging(settings, proc_name)
    heartbeat = Watchdog()
    with (
        sighup_blocked(),
        PidFile(args.pid_file) if args.pid_file else nullcontext() as pid_file,
        closing(PipelineManager(settings, name=args.name, heartbeat=heartbeat)) as manager,
        telemetry_server(settings, manager, heartbeat) as watched,
        SystemdNotifier(heartbeat, lambda: _status(manager)) as supervisor,
        Reloader(
            settings,
            takeover=WORKER_RELOAD,
            load=partial(_load, args),
            prepare=partial(_prepare_change, manager),
            proc_name=proc_name,
            supervisor=supervisor,
        ) as reloader,
        shutdown_on_signals(
            _shutdown_plan(manager, watched.health, supervisor, settings, pid_file), reloader.ask
        ),
    ):
        logger.info("worker %s is at work", manager.name)
        ready()
        supervisor.ready()
        watched.health.begin()
        tune_garbage_collector()
        work = manager.run_until_idle if args.until_idle else manager.run
        work()
        logger.info("worker %s has ended", manager.name)
    return DONE


def _prepare_change(manager: PipelineManager, settings: Settings) -> Callable[[], None]:
    from winchester_core.bootstrap import worker_configuration

    return partial(manager.change, **worker_configuration(settings))


def _shutdown_plan(
    manager: PipelineManager,
    health: Health,
    supervisor: SystemdNotifier,
    settings: Settings,
    pid_file: PidFile | None,
) -> ShutdownPlan:
    def stop() -> None:
        health.end()
        supervisor.stopping()
        manager.stop()

    return ShutdownPlan(
        stop, settings.shutdown_timeout, manager.surrender, pid_file_removal(pid_file)
    )


def _status(manager: PipelineManager) -> str:
    counters = manager.counters
    return (
        f"at work: streams fired {counters[Count.STREAMS_FIRED]}, "
        f"expired {counters[Count.STREAMS_EXPIRED]}, failed {counters[Count.STREAMS_FAILED]}"
    )
