"""A pid file that is in the way of a second process, and never of one after a crash."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

from winchester_core.cli.hard_end import nothing
from winchester_core.errors import WinchesterError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

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


def holder(path: Path) -> int:
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


def removal(pid_file: PidFile | None) -> Callable[[], None]:
    """What removes the file, where there is one."""
    return pid_file.remove if pid_file is not None else nothing


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
