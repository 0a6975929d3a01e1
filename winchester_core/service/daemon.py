"""Running in the background: the command that asks for it ends once the daemon is at work."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from winchester_core.errors import WinchesterError
from winchester_core.service.exit import FAILED, do_nothing, print_error, run_guarded

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from winchester_core.config import Settings


logger = logging.getLogger(__name__)

UMASK = 0o027


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
        status = _read_status(reader)
        os.waitpid(child, 0)
        return status
    os.close(reader)
    sys.exit(_run_in_daemon(work, _StartReport(writer), program, args))


class _StartReport:
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


def _read_status(reader: int) -> int:
    with os.fdopen(reader, "rb") as report:
        status = report.read(1)
    if status:
        return status[0]
    print("the daemon ended before it was ready", file=sys.stderr)
    return FAILED


def _run_in_daemon(
    work: Callable[[Callable[[], None]], int],
    announcement: _StartReport,
    program: str,
    args: Namespace,
) -> int:
    import daemon

    def tell(error: Exception) -> None:
        if announcement.is_made:
            logger.critical("%s ends on an error", program, exc_info=error)
        else:
            print_error(error, program=program, args=args)

    with daemon.DaemonContext(
        detach_process=True,
        working_directory=str(Path.cwd()),
        umask=UMASK,
        stderr=sys.stderr,
        files_preserve=[announcement.writer],
        signal_map={signal.SIGTTIN: None, signal.SIGTTOU: None, signal.SIGTSTP: None},
    ):
        status = run_guarded(
            lambda: work(announcement.ready), program=program, args=args, tell=tell
        )
        announcement.make(status)
        return status


# A pid file that is in the way of a second process, and never of one after a crash.


FILE_MODE = 0o640


class AlreadyRunning(WinchesterError):  # noqa: N818 - what it is
    """Another process holds the pid file."""

    def __init__(self, path: Path, pid: str) -> None:
        self.path, self.pid = path, pid
        super().__init__(f"{path}: already running" + (f", as process {pid}" if pid else ""))


class NotRunning(WinchesterError):  # noqa: N818 - what it is
    """No process holds the pid file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path}: no process holds this pid file")


def running_pid(path: Path) -> int:
    """The number of the process that holds a pid file.

    Raises `NotRunning`, of a file that a crash has left behind, too, and `OSError`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotRunning(path) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        if text.isdigit():
            return int(text)
    finally:
        os.close(descriptor)
    raise NotRunning(path)


def pid_file_removal(pid_file: PidFile | None) -> Callable[[], None]:
    """What removes the file, where there is one."""
    return pid_file.remove if pid_file is not None else do_nothing


class PidFile:
    """Holds this process's number in a file, from entering to leaving; not across a fork.

    What holds it is a lock on the open file, which the kernel drops with the process, however
    that ends: a file that a crash has left behind is taken over. Leaving removes the file. A child
    that a handler forks does not hold it.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._descriptor: int | None = None
        os.register_at_fork(after_in_child=self._let_go)

    def __enter__(self) -> Self:
        """Raises `AlreadyRunning`, and `OSError` when the file cannot be written."""
        while self._descriptor is None:
            self._descriptor = self._lock()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove the file, if this holds it: for a process that ends without leaving."""
        if self._descriptor is not None:
            if self._is_at_path(self._descriptor):
                self._path.unlink()  # while it is locked: nobody else can have taken it
            self._let_go()

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _lock(self) -> int | None:
        """Open and lock the file; None when its former holder removed it meanwhile."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise AlreadyRunning(self._path, holder) from None
        if self._is_at_path(descriptor):
            return descriptor
        os.close(descriptor)
        return None

    def _is_at_path(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False
