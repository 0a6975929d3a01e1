"""Shutdown on SIGTERM and SIGINT, and reload on SIGHUP.

The first SIGTERM or SIGINT requests a shutdown, the second ends the process at once.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

from winchester_core.clock import monotonic, sleep
from winchester_core.service.exit import SHUTDOWN_TIMED_OUT, do_nothing, exit_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


logger = logging.getLogger(__name__)

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
WATCH_ENDED: Final = 0
"""Number that is not a signal; it means: stop watching."""

SECOND_SIGNAL_DELAY_SECONDS: Final = 0.1
FORCED_EXIT_DELAY_SECONDS: Final = 1.0
"""Time for the main thread to handle a second signal; then the process exits anyway."""


@dataclass(slots=True)
class Interruption:
    """The signal that requested the shutdown, or None."""

    signum: int | None = None

    @property
    def exit_status(self) -> int:
        """Exit status that a shell reports if the signal ended a program; 0 without a signal."""
        return 0 if self.signum is None else 128 + self.signum


@dataclass(frozen=True, slots=True)
class ShutdownPlan:
    """Actions after the first signal, and after `timeout_seconds` if work is still in progress.

    If `release` hangs, it is abandoned. `clean_up` is called after it and must be quick.
    """

    stop: Callable[[], None]
    timeout_seconds: float
    release: Callable[[], None] = do_nothing
    clean_up: Callable[[], None] = do_nothing


@contextmanager
def shutdown_on_signals(
    plan: ShutdownPlan, on_sighup: Callable[[], None] | None = None
) -> Iterator[Interruption]:
    """Execute `plan` if SIGTERM or SIGINT arrives within the context. For the main thread only.

    SIGHUP calls `on_sighup`, which must be quick; if it is not given, SIGHUP ends the process.

    A separate thread executes the plan. A signal handler would interrupt the main thread, which may
    hold the lock that `stop` needs, or may be in a call that never returns.
    """
    interruption = Interruption()

    def handle(signum: int, _frame: FrameType | None) -> None:
        if interruption.signum is not None:
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
        interruption.signum = signum

    with closing(_SignalPipe()) as pipe:
        sighup = SighupHandler(on_sighup) if on_sighup is not None else None
        thread = threading.Thread(
            target=_watch_signals,
            args=(pipe, plan, interruption, sighup),
            name="shutdown-on-signal",
            daemon=True,
        )
        thread.start()
        previous = {signum: signal.signal(signum, handle) for signum in SIGNALS}
        try:
            with sighup if sighup is not None else nullcontext():
                yield interruption
        finally:
            for signum, handler in previous.items():
                signal.signal(signum, handler)
            pipe.put(WATCH_ENDED)
            thread.join()


class _SignalPipe:
    """Wakeup pipe for signals. CPython's C handler writes to it even if the main thread hangs."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._previous_fd = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def put(self, signum: int) -> None:
        os.write(self._writer, bytes([signum]))

    def next(self, timeout_seconds: float | None = None) -> int | None:
        """Return the next signal, or `WATCH_ENDED`; None on timeout."""
        if not select.select([self._reader], [], [], timeout_seconds)[0]:
            return None
        return os.read(self._reader, 1)[0]

    def close(self) -> None:
        signal.set_wakeup_fd(self._previous_fd)
        os.close(self._reader)
        os.close(self._writer)


def _watch_signals(
    pipe: _SignalPipe,
    plan: ShutdownPlan,
    interruption: Interruption,
    sighup: SighupHandler | None,
) -> None:
    """Wait for a signal and execute `plan`. The body of a thread."""
    first = _first_signal(pipe, sighup)
    if first == WATCH_ENDED:
        return
    logger.info("shutting down: signal=%s", signal.Signals(first).name)
    if first == signal.SIGHUP:
        interruption.signum = first  # for other signals, the handler in the main thread sets it
    plan.stop()
    second = _second_signal(pipe, plan.timeout_seconds)
    if second is None:
        logger.warning("shutdown timed out: timeout_seconds=%g", plan.timeout_seconds)
        exit_now(SHUTDOWN_TIMED_OUT, plan.release, plan.clean_up)
    elif second != WATCH_ENDED:
        _exit_by_signal(second)


def _first_signal(pipe: _SignalPipe, sighup: SighupHandler | None) -> int:
    """Return the first signal that ends the process, or `WATCH_ENDED`; pass SIGHUP to `sighup`."""
    while True:
        signum = pipe.next()
        if signum in (*SIGNALS, WATCH_ENDED):
            return signum
        if signum == signal.SIGHUP and sighup is not None and sighup.handle():
            return signum


def _second_signal(pipe: _SignalPipe, timeout_seconds: float) -> int | None:
    """Return the next of `SIGNALS`, or `WATCH_ENDED`; None on timeout."""
    deadline = monotonic() + timeout_seconds
    while True:
        signum = pipe.next(max(0.0, deadline - monotonic()))
        if signum in (*SIGNALS, WATCH_ENDED, None):
            return signum


def _exit_by_signal(signum: int) -> NoReturn:
    """Exit by the signal's default action. The handler in the main thread restores this action.

    If two signals arrive while the main thread is busy, Python merges them, so a third signal is
    sent after a delay. If the main thread hangs, exit without it.
    """
    sleep(SECOND_SIGNAL_DELAY_SECONDS)
    os.kill(os.getpid(), signum)
    sleep(FORCED_EXIT_DELAY_SECONDS)
    os._exit(128 + signum)


CONTROLLING_TERMINAL: Final = "/dev/tty"
"""Path of the controlling terminal of the process that opens it."""


class SighupHandler:
    """Context manager that handles SIGHUP: a reload request, or the loss of the terminal.

    If the terminal in which the program was started is closed, SIGHUP ends the program, unless it
    was started by nohup. Any other SIGHUP calls `on_request`. Only for the main thread, except
    `handle`.
    """

    def __init__(self, on_request: Callable[[], None]) -> None:
        self._on_request = on_request
        is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._follows_terminal = not is_ignored and _has_terminal()

    def handle(self) -> bool:
        """Handle a SIGHUP; return True if the process must end."""
        if self._follows_terminal and not _has_terminal():
            return True
        self._on_request()
        return False

    def __enter__(self) -> None:
        self._previous = signal.signal(signal.SIGHUP, lambda _signum, _frame: None)
        self._mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    def __exit__(self, *exc_info: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        signal.signal(signal.SIGHUP, self._previous)


@contextmanager
def sighup_blocked() -> Iterator[None]:
    """Block SIGHUP until `SighupHandler` is entered, because a pid file makes it possible.

    If a SIGHUP is still pending at the end, it is dropped.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # drops a pending one
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGHUP, previous)


def _has_terminal() -> bool:
    try:
        os.close(os.open(CONTROLLING_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
