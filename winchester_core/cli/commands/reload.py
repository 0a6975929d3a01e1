"""``winchester reload``: let programs at work go by the configuration as it is now."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from winchester_core.cli.command import ConfiguredCommand
from winchester_core.cli.commands.check import check_configuration
from winchester_core.cli.options import load_configuration, positive_number
from winchester_core.service.daemon import NotRunning, running_pid
from winchester_core.service.exit import DONE, FAILED, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator


class ReloadCommand(ConfiguredCommand):
    """Let workers and ingesters at work read their configuration again.

    Checks the configuration first, as 'winchester check' does: when there is a problem in it, all
    of them are printed, nobody is told anything, and the exit status is 2. Else it sends SIGHUP to
    every process that is named, by the pid file that it was started with or by its number; where
    one is not running, that is told, and the exit status is 1. Name ingesters before workers.

    The process reads the files of its own -c, and says in its log what it has taken over, or why it
    has not. It takes over triggers, pipelines with their handlers' params, event definitions, trait
    plugins, how workers work and what is logged; the rest waits for a restart. Runs in hand end as
    they began. Open streams go on: workers bring them up to date.
    """

    examples = (
        "winchester reload -c winchester.yaml --pid-file ingest.pid --pid-file worker.pid",
        "winchester reload -c /etc/winchester/winchester.yaml --pid 4711",
    )

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """Add ``--pid-file`` and ``--pid``."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--pid-file",
            metavar="PATH",
            action="append",
            default=[],
            type=Path,
            help="the pid file of a process that is to be told. Repeated: all of them, in order",
        )
        parser.add_argument(
            "--pid",
            metavar="NUMBER",
            action="append",
            default=[],
            type=positive_number,
            help="the number of such a process, which must be one of Winchester's: SIGHUP ends "
            "most others. Repeated: all of them",
        )
        return parser

    def take_action(self, parsed_args: Namespace) -> int:
        """Check, and tell the processes; return the exit status."""
        if not parsed_args.pid_file and not parsed_args.pid:
            raise UsageError("name the processes: --pid-file PATH, as they were started, or --pid")
        check_configuration(load_configuration(parsed_args))
        status = DONE
        for name, pid in _processes(parsed_args):
            if pid is not None and _send_sighup(pid):
                print(f"told {name}")
            else:
                print(f"winchester: {name} is not running", file=sys.stderr)
                status = FAILED
        return status


def _processes(args: Namespace) -> Iterator[tuple[str, int | None]]:
    """What each process is called, and its number; None for one that is not running."""
    for path in args.pid_file:
        try:
            pid = running_pid(path)
            yield f"process {pid} of {path}", pid
        except NotRunning:
            yield f"the process of {path}", None
    for pid in args.pid:
        yield f"process {pid}", pid


def _send_sighup(pid: int) -> bool:
    """Send SIGHUP; False when there is no such process. Raises `OSError` when it is another's."""
    try:
        os.kill(pid, signal.SIGHUP)
    except ProcessLookupError:
        return False
    return True
