"""Ending on SIGTERM and SIGINT: the first asks to stop, the second ends the process at once."""

from __future__ import annotations

import logging
import os
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

logger = logging.getLogger(__name__)

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@dataclass(slots=True)
class Interruption:
    """Which signal asked the process to stop; None while none has."""

    signum: int | None = None

    @property
    def exit_status(self) -> int:
        """What a shell reports for a program that the signal ended; 0 when none came."""
        return 0 if self.signum is None else 128 + self.signum


@contextmanager
def stopping_on_signals(stop: Callable[[], None]) -> Iterator[Interruption]:
    """Call `stop`, from a thread of its own, when the process is asked to end.

    A signal's handler runs between two steps of the main thread, which may at that moment hold
    the very lock that `stop` needs; hence the thread, which is told through the one queue that a
    handler may put into. For the main thread only.
    """
    interruption = Interruption()
    inbox: SimpleQueue[int | None] = SimpleQueue()

    def handle(signum: int, _frame: FrameType | None) -> None:
        if interruption.signum is not None:
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
        interruption.signum = signum
        inbox.put(signum)

    def relay() -> None:
        signum = inbox.get()
        if signum is not None:
            logger.info("stopping on %s", signal.Signals(signum).name)
            stop()

    thread = threading.Thread(target=relay, name="stop-on-signal", daemon=True)
    thread.start()
    before = {signum: signal.signal(signum, handle) for signum in SIGNALS}
    try:
        yield interruption
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
        inbox.put(None)
        thread.join()
