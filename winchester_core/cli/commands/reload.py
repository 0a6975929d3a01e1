"""``winchester reload``: make running processes reload their configuration."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from winchester_core.cli.command import ConfiguredCommand
from winchester_core.cli.commands.check import check_configuration
from winchester_core.cli.options import Repeated, load_configuration, positive_number
from winchester_core.service.daemon import NotRunning, running_pid
from winchester_core.service.exit import DONE, FAILED, UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator


class ReloadCommand(ConfiguredCommand):
    """Reload the configuration of running workers and ingesters.

    Checks the configuration first, like 'winchester check'. If there are problems, prints all
    problems, sends no signal and exits with status 2. Otherwise sends SIGHUP to the processes that
    are given by pid file or process id. If a process is not running, prints a message and exits
    with status 1. Name ingesters before workers.

    Each process reads the configuration that its own -c names. It logs the changes that it has
    applied, or the reason why it has applied none. It applies triggers, pipelines with their
    handlers' params, event definitions, trait plugins, and the settings of workers and logging.
    Other changes require a restart. Runs in progress continue with the old configuration. Workers
    recalculate open streams.
    """

    examples = (
        "winchester reload -c winchester.yaml --pid-file ingest.pid --pid-file worker.pid",
        "winchester reload -c /etc/winchester/winchester.yaml --pid 4711",
    )
    arguments = (
        Repeated(
            "--pid-file PATH",
            "the pid file of a process to signal. Repeatable: signals are sent in this order",
            type=Path,
        ),
        Repeated(
            "--pid NUMBER",
            "the id of a process to signal. It must be a process of Winchester: SIGHUP "
            "terminates most others. Repeatable",
            type=positive_number,
        ),
    )

    def take_action(self, parsed_args: Namespace) -> int:
        """Check the configuration and signal the processes; return the exit status."""
        if not parsed_args.pid_file and not parsed_args.pid:
            raise UsageError("specify the processes: --pid-file PATH or --pid NUMBER")
        check_configuration(load_configuration(parsed_args))
        status = DONE
        for name, pid in _processes(parsed_args):
            if pid is not None and _send_sighup(pid):
                print(f"sent SIGHUP to {name}")
            else:
                print(f"winchester: {name} is not running", file=sys.stderr)
                status = FAILED
        return status


def _processes(args: Namespace) -> Iterator[tuple[str, int | None]]:
    """Yield a description and the id of each process; None if it is not running."""
    for path in args.pid_file:
        try:
            pid = running_pid(path)
            yield f"process {pid} of {path}", pid
        except NotRunning:
            yield f"the process of {path}", None
    for pid in args.pid:
        yield f"process {pid}", pid


def _send_sighup(pid: int) -> bool:
    """Send SIGHUP; return False if there is no such process. Raises `OSError` if not permitted."""
    try:
        os.kill(pid, signal.SIGHUP)
    except (ProcessLookupError, OverflowError):  # no process has an id that is too large for C
        return False
    return True
