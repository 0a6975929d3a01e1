"""Running in the background: the command that asks for it ends once the daemon is at work."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from winchester_core.cli.failure import FAILED, guarded, tell_on_stderr

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from winchester_core.config import Settings

logger = logging.getLogger(__name__)

UMASK = 0o027


def add_daemon_options(parser: ArgumentParser) -> None:
    """Add ``-d`` and ``--pid-file``."""
    parser.add_argument(
        "-d",
        "--daemon",
        action="store_true",
        help="run in the background, in the same working directory; the command ends when the "
        "daemon is at work, or with the reason why it is not",
    )
    parser.add_argument(
        "--pid-file",
        metavar="PATH",
        help="write the process's number there while it runs; a second process with the same "
        "file is refused, one that a crash left behind is taken over",
    )


def daemonize(
    work: Callable[[Callable[[], None]], int],
    *,
    settings: Settings,
    program: str,
    args: Namespace,
) -> int:
    """Run `work` in a daemon; return its status when it failed to start, or 0 once it is ready.

    `work` is given a function to call when it is ready; until then its standard error is the
    command's own, so that whoever started it reads why it did not start. `work` opens its files
    and its database in the daemon. The working directory stays, so that relative paths mean what
    they meant; files are created for the owner and group only.
    """
    if settings.log_file is None and settings.logging_config is None:
        logger.warning("a daemon without log_file or logging_config logs nowhere")
    sys.stdout.flush()
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        status = _status_from(reader)
        os.waitpid(child, 0)
        return status
    os.close(reader)
    sys.exit(_run(work, _Announcement(writer), program, args))


class _Announcement:
    """Tells the command that waits how the daemon's start went: one byte, its exit status."""

    def __init__(self, writer: int) -> None:
        self.writer = writer
        self.is_made = False

    def ready(self) -> None:
        """The daemon is at work: it needs the terminal no more."""
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        self.make(0)

    def make(self, status: int) -> None:
        """Send the status, if none was sent."""
        if not self.is_made:
            self.is_made = True
            with suppress(BrokenPipeError):  # whoever waited has gone; the work goes on
                os.write(self.writer, bytes([status]))
            os.close(self.writer)


def _status_from(reader: int) -> int:
    with os.fdopen(reader, "rb") as report:
        status = report.read(1)
    if status:
        return status[0]
    print("the daemon ended before it was ready", file=sys.stderr)
    return FAILED


def _run(
    work: Callable[[Callable[[], None]], int],
    announcement: _Announcement,
    program: str,
    args: Namespace,
) -> int:
    import daemon

    def tell(error: Exception) -> None:
        if announcement.is_made:
            logger.critical("%s ends on an error", program, exc_info=error)
        else:
            tell_on_stderr(error, program=program, args=args)

    with daemon.DaemonContext(
        detach_process=True,
        working_directory=str(Path.cwd()),
        umask=UMASK,
        stderr=sys.stderr,
        files_preserve=[announcement.writer],
        signal_map={signal.SIGTTIN: None, signal.SIGTTOU: None, signal.SIGTSTP: None},
    ):
        status = guarded(lambda: work(announcement.ready), program=program, args=args, tell=tell)
        announcement.make(status)
        return status
