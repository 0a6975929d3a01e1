"""Daemons, which report to the starting command when they are ready, and pid files."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import signal
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from winchester_core.errors import WinchesterError
from winchester_core.service.exit import FAILED, UsageError, do_nothing, print_error, run_guarded
from winchester_core.worker.worker_id import start_ticks

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable
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
    """Run `work` in a daemon. Return 0 when it is ready, or its exit status if it fails to start.

    `work` gets a function to call when it is ready. Until then, it writes to the command's standard
    error, so that the user sees why it failed to start. `work` opens its files and its database in
    the daemon. The working directory does not change, so relative paths stay valid. Only the owner
    and the group can access files that the daemon creates.
    """
    if settings.log_file is None and settings.logging_config is None:
        logger.warning("logs are discarded: a daemon needs log_file or logging_config")
    sys.stdout.flush()
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        status = _read_status(reader)
        os.waitpid(child, 0)
        return status
    os.close(reader)
    sys.exit(_run_in_daemon(work, _ReadinessPipe(writer), program, args))


class _ReadinessPipe:
    """Pipe to the waiting command. It carries one byte, the exit status of the daemon's start."""

    def __init__(self, writer: int) -> None:
        self.writer = writer
        self.is_sent = False

    def ready(self) -> None:
        """Report success and detach standard error from the terminal."""
        devnull = os.open(os.devnull, os.O_RDWR)
        os.dup2(devnull, 2)
        os.close(devnull)
        self.send(0)

    def send(self, status: int) -> None:
        """Send the status, unless one was sent before."""
        if not self.is_sent:
            self.is_sent = True
            with suppress(BrokenPipeError):  # the command was killed; the daemon continues
                os.write(self.writer, bytes([status]))
            os.close(self.writer)


def _read_status(reader: int) -> int:
    with os.fdopen(reader, "rb") as pipe:
        status = pipe.read(1)
    if status:
        return status[0]
    print("the daemon ended before it was ready", file=sys.stderr)
    return FAILED


def _run_in_daemon(
    work: Callable[[Callable[[], None]], int],
    readiness: _ReadinessPipe,
    program: str,
    args: Namespace,
) -> int:
    import daemon

    def report_error(error: Exception) -> None:
        if readiness.is_sent:
            logger.critical("daemon failed: program=%s", program, exc_info=error)
        else:
            print_error(error, program=program, args=args)

    with daemon.DaemonContext(
        detach_process=True,
        working_directory=str(Path.cwd()),
        umask=UMASK,
        stderr=sys.stderr,
        files_preserve=[readiness.writer],
        signal_map={signal.SIGTTIN: None, signal.SIGTTOU: None, signal.SIGTSTP: None},
    ):
        status = run_guarded(
            lambda: work(readiness.ready), program=program, args=args, report_error=report_error
        )
        readiness.send(status)
        return status


FILE_MODE = 0o640


class AlreadyRunning(WinchesterError):  # noqa: N818 - a state, not a defect
    """Another process holds the pid file."""

    def __init__(self, path: Path, pid: str) -> None:
        self.path, self.pid = path, pid
        super().__init__(f"{path}: already running" + (f", as process {pid}" if pid else ""))


class NotRunning(WinchesterError):  # noqa: N818 - a state, not a defect
    """No process holds the pid file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path}: no process holds this pid file")


def running_pid(path: Path) -> int:
    """Return the id of the process that holds a pid file.

    Raises `NotRunning` (also for a file that a crash left behind) or `OSError`.
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
    """Return a function that removes the file, if there is one."""
    return pid_file.remove if pid_file is not None else do_nothing


class PidFile:
    """Context manager that stores this process's id in a locked file and removes it on exit.

    The kernel releases the lock whenever the process ends, so a file that a crash left behind does
    not prevent the next start. Forked children do not hold the lock.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._descriptor: int | None = None
        os.register_at_fork(after_in_child=self._release)

    def __enter__(self) -> Self:
        """Write the file. Raises `AlreadyRunning`, and `OSError` if it cannot be written."""
        while self._descriptor is None:
            self._descriptor = self._lock()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove the file if it is held. For a process that ends without `__exit__`."""
        if self._descriptor is not None:
            if self._is_at_path(self._descriptor):
                self._path.unlink()  # still locked: no other process can hold it
            self._release()

    def _release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _lock(self) -> int | None:
        """Open and lock the file; return None if its previous holder removed it meanwhile.

        Raises `UsageError` if the file is not a pid file, or that of another program, because it
        would be overwritten and removed.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            descriptor = os.open(self._path, flags, FILE_MODE)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise UsageError(f"{self._path}: not a pid file: a symbolic link") from None
            raise
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise AlreadyRunning(self._path, holder) from None
        if not _is_pid_file(descriptor):
            os.close(descriptor)
            raise UsageError(f"{self._path}: not a pid file: its content is not a process id")
        if (pid := _earlier_process(descriptor)) is not None:
            os.close(descriptor)
            raise UsageError(
                f"{self._path}: the pid file of another program: process {pid} is running, and does"
                " not hold the file as Winchester does; use another file"
            )
        if self._is_at_path(descriptor):
            return descriptor
        os.close(descriptor)
        return None

    def _is_at_path(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.lstat())
        except FileNotFoundError:
            return False


def _is_pid_file(descriptor: int) -> bool:
    """Return whether it is a regular file that is empty or contains only a process id."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return False
    content = os.pread(descriptor, 64, 0).strip()
    return not content or (content.isdigit() and len(content) < 20)


def _earlier_process(descriptor: int) -> int | None:
    """Return the process id in the file if it is that of the process that was meant.

    Then the process is running and started before the file was written. If it started later, it has
    reused the id of a process that crashed. This process, and an id without a known start time, as
    on a system without /proc, count as reused.
    """
    pid = int(os.pread(descriptor, 64, 0).strip() or 0)
    ticks = start_ticks(pid) if pid != os.getpid() else None
    if ticks is None or not ticks.isdigit():
        return None
    boot = re.search(r"^btime (\d+)$", Path("/proc/stat").read_text(), re.MULTILINE)
    if boot is None:
        return None
    started = int(boot[1]) + int(ticks) / os.sysconf("SC_CLK_TCK")
    return pid if started < os.fstat(descriptor).st_mtime else None
