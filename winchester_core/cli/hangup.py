"""SIGHUP: "read the configuration again", or "your terminal is gone"."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

TERMINAL: Final = "/dev/tty"
"""The terminal that controls the process that opens it, if there is one."""


class Hangups:
    """What is made of SIGHUP while this is entered. For the main thread, except `heard`.

    It ends a program that its user has started in a terminal, once that is closed, unless nohup
    has told it to outlive it. Any other SIGHUP is for `on_request`.
    """

    def __init__(self, on_request: Callable[[], None]) -> None:
        self._on_request = on_request
        is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._follows_terminal = not is_ignored and _has_terminal()

    def heard(self) -> bool:
        """Do what a SIGHUP asks for; True when that is to end."""
        if self._follows_terminal and not _has_terminal():
            return True
        self._on_request()
        return False

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGHUP, lambda _signum, _frame: None)
        self._mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        signal.signal(signal.SIGHUP, self._before)


@contextmanager
def hangups_held() -> Iterator[None]:
    """Let a SIGHUP wait for `Hangups` to be entered: whoever read the pid file may send one.

    In the end those that nobody has heard are forgotten: the process ends.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # drops one that is pending
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGHUP, before)


def _has_terminal() -> bool:
    try:
        os.close(os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
