"""Ending on SIGTERM and SIGINT: the first asks to stop, the second ends the process at once.

SIGHUP asks to read the configuration again, where there is one to follow.
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
    from types import FrameType, TracebackType


logger = logging.getLogger(__name__)

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
DONE: Final = 0
"""Stands among the signals' numbers for: nothing more to wait for."""

SECOND_SIGNAL_DELAY_SECONDS: Final = 0.1
FORCED_EXIT_DELAY_SECONDS: Final = 1.0
"""How long the main thread may take to see a second signal, before the process ends without it."""


@dataclass(slots=True)
class Interruption:
    """Which signal asked the process to stop; None while none has."""

    signum: int | None = None

    @property
    def exit_status(self) -> int:
        """What a shell reports for a program that the signal ended; 0 when none came."""
        return 0 if self.signum is None else 128 + self.signum


@dataclass(frozen=True, slots=True)
class ShutdownPlan:
    """What is done at the first signal, and what when that has not ended the work in time.

    `release` may hang, it is then left behind; `clean_up` is quick and done after it.
    """

    stop: Callable[[], None]
    within_seconds: float
    give_back: Callable[[], None] = do_nothing
    clean_up: Callable[[], None] = do_nothing


@contextmanager
def shutdown_on_signals(
    ending: ShutdownPlan, on_hangup: Callable[[], None] | None = None
) -> Iterator[Interruption]:
    """Follow `ending` when the process is asked to end, until the work within has ended.

    `on_hangup`, which must be quick, is called at SIGHUP; without it SIGHUP ends the process.

    A thread does it: a signal's handler runs between two steps of the main thread, which may at
    that moment hold the very lock that `stop` needs, or be in a call that never returns. For the
    main thread only.
    """
    interruption = Interruption()

    def handle(signum: int, _frame: FrameType | None) -> None:
        if interruption.signum is not None:
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
        interruption.signum = signum

    with closing(_SignalPipe()) as inbox:
        hangups = SighupHandler(on_hangup) if on_hangup is not None else None
        thread = threading.Thread(
            target=_watch_signals,
            args=(inbox, ending, interruption, hangups),
            name="stop-on-signal",
            daemon=True,
        )
        thread.start()
        before = {signum: signal.signal(signum, handle) for signum in SIGNALS}
        try:
            with hangups if hangups is not None else nullcontext():
                yield interruption
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)
            inbox.put(DONE)
            thread.join()


class _SignalPipe:
    """The signals as they come, whatever the main thread is at: the C handler writes them."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def put(self, signum: int) -> None:
        os.write(self._writer, bytes([signum]))

    def next(self, seconds: float | None = None) -> int | None:
        """The next signal, or `DONE`; None when nothing comes for so long."""
        if not select.select([self._reader], [], [], seconds)[0]:
            return None
        return os.read(self._reader, 1)[0]

    def close(self) -> None:
        signal.set_wakeup_fd(self._before)
        os.close(self._reader)
        os.close(self._writer)


def _watch_signals(
    inbox: _SignalPipe,
    ending: ShutdownPlan,
    interruption: Interruption,
    hangups: SighupHandler | None,
) -> None:
    """Wait for a signal and follow `ending`. The body of a thread."""
    first = _first_signal(inbox, hangups)
    if first == DONE:
        return
    logger.info("stopping on %s", signal.Signals(first).name)
    if first == signal.SIGHUP:
        interruption.signum = first  # of the others the main thread takes note
    ending.stop()
    second = _second_signal(inbox, ending.within_seconds)
    if second is None:
        logger.warning("not ended within %g seconds: ending now", ending.within_seconds)
        exit_now(SHUTDOWN_TIMED_OUT, ending.give_back, ending.clean_up)
    elif second != DONE:
        _exit_by_signal(second)


def _first_signal(inbox: _SignalPipe, hangups: SighupHandler | None) -> int:
    """Wait for what ends the process, or `DONE`; until then let `hangups` be heard."""
    while True:
        signum = inbox.next()
        if signum in (*SIGNALS, DONE):
            return signum
        if signum == signal.SIGHUP and hangups is not None and hangups.heard():
            return signum


def _second_signal(inbox: _SignalPipe, within_seconds: float) -> int | None:
    """Wait for another of `SIGNALS`, or `DONE`; None when neither comes for so long."""
    until = monotonic() + within_seconds
    while True:
        signum = inbox.next(max(0.0, until - monotonic()))
        if signum in (*SIGNALS, DONE, None):
            return signum


def _exit_by_signal(signum: int) -> NoReturn:
    """End as a process does that does not handle the signal, for which the main thread is needed.

    It sees two signals as one if it was too busy for the first: hence the third, a little later.
    """
    sleep(SECOND_SIGNAL_DELAY_SECONDS)
    os.kill(os.getpid(), signum)
    sleep(FORCED_EXIT_DELAY_SECONDS)
    os._exit(128 + signum)


# SIGHUP: "read the configuration again", or "your terminal is gone".


CONTROLLING_TERMINAL: Final = "/dev/tty"
"""The terminal that controls the process that opens it, if there is one."""


class SighupHandler:
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
def sighup_blocked() -> Iterator[None]:
    """Let a SIGHUP wait for `SighupHandler` to be entered: whoever read the pid file may send one.

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
        os.close(os.open(CONTROLLING_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
