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
from winchester_core.service.garbage_collector import (
    defer_garbage_collection,
    tune_garbage_collector,
)
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
Process streams: claim streams that are ready to fire or to expire, and run their pipelines; also
deliver the effects that handlers have queued. Any number of workers may run, on any number of
hosts.

SIGTERM and SIGINT (Ctrl-C) stop the worker: runs and deliveries in progress are completed, other
claims are released, and the exit status is 0. A run that takes longer than the setting
shutdown_timeout is aborted and its stream released, too; the exit status is 3. A second signal ends
the process at once; other workers claim its streams and effects when their leases expire.

SIGHUP reloads the configuration, as 'winchester reload' does: runs in progress end with the old
one, later runs use the new triggers and pipelines. If a file is invalid, nothing changes, and the
log says why.
"""

EPILOG: Final = """\
examples:
  winchester-worker -c winchester.yaml
  winchester-worker -c winchester.yaml -n worker-2 -d --pid-file /run/winchester/worker-2.pid
  winchester-worker -c winchester.yaml --until-idle
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the worker until it is stopped; return the exit status."""
    defer_garbage_collection()
    configure_terminal(PROGRAM)
    args = build_parser().parse_args(argv)
    return run_guarded(lambda: _start(args), program=PROGRAM, args=args)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the program's options and arguments."""
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
        help="the worker's name, as shown for the streams that it has claimed and in log files "
        "(default: the setting worker_name, else the host's name)",
    )
    add_daemon_options(parser)
    parser.add_argument(
        "--until-idle",
        action="store_true",
        help="exit when no stream, and no effect of a handler in this configuration, is ready, "
        "claimed by any worker, or waiting for a retry",
    )
    return parser


def _start(args: argparse.Namespace) -> int:
    settings = _load(args)
    if args.daemon:
        return daemonize(
            lambda ready: _run_worker(settings, args, ready),
            settings=settings,
            program=PROGRAM,
            args=args,
        )
    return _run_worker(settings, args, lambda: None)


def _load(args: argparse.Namespace) -> Settings:
    settings = load_configuration(
        args, needs=("database", "triggers", "pipelines"), ignores=("distiller", "sources")
    )
    return apply_metrics_option(settings, args)


def _run_worker(settings: Settings, args: argparse.Namespace, ready: Callable[[], None]) -> int:
    from winchester_core.bootstrap import PipelineManager, telemetry_server
    from winchester_core.config import configure_logging
    from winchester_core.config.reload_diff import WORKER_RELOAD

    proc_name = args.name or settings.worker_name or PROGRAM
    configure_logging(settings, proc_name)
    watchdog = Watchdog()
    with (
        sighup_blocked(),
        PidFile(args.pid_file) if args.pid_file else nullcontext() as pid_file,
        closing(PipelineManager(settings, name=args.name, watchdog=watchdog)) as manager,
        telemetry_server(settings, manager, watchdog) as telemetry,
        SystemdNotifier(watchdog, lambda: _status(manager)) as notifier,
        Reloader(
            settings,
            policy=WORKER_RELOAD,
            load=partial(_load, args),
            prepare=partial(_prepare_change, manager),
            proc_name=proc_name,
            notifier=notifier,
        ) as reloader,
        shutdown_on_signals(
            _shutdown_plan(manager, telemetry.health, notifier, settings, pid_file),
            reloader.request,
        ),
    ):
        logger.info("worker started: name=%s", manager.name)
        ready()
        notifier.ready()
        telemetry.health.start()
        tune_garbage_collector()
        run = manager.run_until_idle if args.until_idle else manager.run
        run()
        logger.info("worker stopped: name=%s", manager.name)
    return DONE


def _prepare_change(manager: PipelineManager, settings: Settings) -> Callable[[], None]:
    from winchester_core.bootstrap import worker_configuration

    return partial(manager.reload, worker_configuration(settings))


def _shutdown_plan(
    manager: PipelineManager,
    health: Health,
    notifier: SystemdNotifier,
    settings: Settings,
    pid_file: PidFile | None,
) -> ShutdownPlan:
    def stop() -> None:
        health.stop()
        notifier.stopping()
        manager.stop()

    return ShutdownPlan(
        stop, settings.shutdown_timeout, manager.release_all, pid_file_removal(pid_file)
    )


def _status(manager: PipelineManager) -> str:
    counters = manager.counters
    return (
        f"running: streams fired {counters[Count.STREAMS_FIRED]}, "
        f"expired {counters[Count.STREAMS_EXPIRED]}, failed {counters[Count.STREAMS_FAILED]}"
    )
