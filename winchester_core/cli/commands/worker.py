"""The program ``winchester-worker``, also installed as ``pipeline_worker``."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from winchester_core.cli.options import (
    DAEMON_OPTIONS,
    METRICS_OPTION,
    Argument,
    Flag,
    apply_metrics_option,
    load_configuration,
    positive_number,
)
from winchester_core.cli.service_process import ServiceProcess
from winchester_core.cli.terminal import program_parser, run_program
from winchester_core.model.process import ProcessKind
from winchester_core.telemetry.counters import Count
from winchester_core.time_zones import time_zone_data

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from winchester_core.bootstrap import PipelineManager
    from winchester_core.config import ReloadPolicy, Settings
    from winchester_core.worker.options import WorkerConfiguration

logger = logging.getLogger(__name__)

PROGRAM: Final = "winchester-worker"

DESCRIPTION: Final = """\
Process streams: claim streams that are ready to fire or to expire, run their pipelines, and deliver
the effects that handlers have queued. Any number of workers may run, on any number of hosts.

SIGTERM and SIGINT (Ctrl-C) stop the worker: runs and deliveries in progress are completed, other
claims are released, and the exit status is 0. If a run takes longer than the setting
shutdown_timeout, it is aborted, its stream is released too, and the exit status is 3. A second
signal ends the process at once; other workers claim its streams and effects when their leases have
ended.

SIGHUP reloads the configuration, like 'winchester reload': runs in progress continue with the old
configuration, later runs use the new triggers and pipelines. If a file is invalid, nothing changes,
and the log contains the reason.
"""

EPILOG: Final = """\
examples:
  winchester-worker -c winchester.yaml
  winchester-worker -c winchester.yaml -n worker-2 -d --pid-file /run/winchester/worker-2.pid
  winchester-worker -c winchester.yaml --concurrency 16
  winchester-worker -c winchester.yaml --until-idle
"""


OPTIONS: Final = (
    METRICS_OPTION,
    Argument(
        "-n --name",
        "the worker's name, shown in log files and in the streams that it has claimed "
        "(default: the setting worker_name, else the host's name)",
    ),
    Argument(
        "--concurrency N",
        "the number of threads that run pipelines (default: the setting worker_concurrency)",
        type=positive_number,
    ),
    *DAEMON_OPTIONS,
    Flag(
        "--until-idle",
        "exit when no stream and no effect is ready, claimed by any worker, or waiting for a "
        "retry; only effects of handlers in this configuration count",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the worker until it is stopped; return the exit status."""
    return run_program(build_parser(), lambda args: WorkerProcess(args).start(), argv)


def build_parser() -> ArgumentParser:
    """Return the parser of the program's options and arguments."""
    return program_parser(PROGRAM, DESCRIPTION, EPILOG, OPTIONS)


class WorkerProcess(ServiceProcess["PipelineManager"]):
    """A worker."""

    program = PROGRAM
    kind = ProcessKind.WORKER

    @property
    def process_name(self) -> str:
        """Name of the process in log files."""
        return self.args.name or self.settings.worker_name or PROGRAM

    def load(self) -> Settings:
        settings = load_configuration(
            self.args, needs=("database", "triggers", "pipelines"), ignores=("distiller", "sources")
        )
        if self.args.concurrency is not None:
            settings = replace(settings, worker_concurrency=self.args.concurrency)
        return apply_metrics_option(settings, self.args)

    def open_manager(self) -> AbstractContextManager[PipelineManager]:
        from winchester_core.bootstrap import PipelineManager

        return closing(PipelineManager(self.settings, name=self.args.name, watchdog=self.watchdog))

    def reload_parts(self) -> tuple[ReloadPolicy, Callable[[Settings], WorkerConfiguration]]:
        from winchester_core.bootstrap import worker_configuration
        from winchester_core.config.reload_diff import WORKER_RELOAD

        return WORKER_RELOAD, worker_configuration

    def status(self) -> str:
        counters = self.manager.counters
        return (
            f"running: streams fired {counters[Count.STREAMS_FIRED]}, "
            f"expired {counters[Count.STREAMS_EXPIRED]}, failed {counters[Count.STREAMS_FAILED]}"
        )

    def stop(self) -> None:
        self.manager.stop()

    def release(self) -> None:
        self.manager.release_all()

    def work(self) -> None:
        tzdata = time_zone_data().version
        logger.info("worker started: name=%s tzdata=%s", self.manager.name, tzdata)
        self.telemetry.add(self.manager.collect_metrics)
        self.ready()
        run = self.manager.run_until_idle if self.args.until_idle else self.manager.run
        run()
        logger.info("worker stopped: name=%s", self.manager.name)
