"""The end of a process whose threads do not end: nothing that they do comes after it."""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

LAST_SECONDS: Final = 5.0
FLUSH_SECONDS: Final = 1.0


def nothing() -> None:
    """Do nothing."""


def end_now(
    status: int,
    give_back: Callable[[], None] = nothing,
    clean_up: Callable[[], None] = nothing,
) -> NoReturn:
    """End the process with `status`, after `release` (at most 5 seconds of it) and `clean_up`.

    Finalizers and exit functions do not run: they would wait for the threads.
    """
    _attempt(give_back, LAST_SECONDS)
    with suppress(OSError):
        clean_up()
    _attempt(_flush, FLUSH_SECONDS)
    os._exit(status)


def _attempt(act: Callable[[], None], seconds: float) -> None:
    thread = threading.Thread(target=act, name="last-act", daemon=True)
    thread.start()
    thread.join(seconds)


def _flush() -> None:
    logging.shutdown()
    with suppress(OSError, ValueError):  # a reader that went away, a stream that was closed
        sys.stdout.flush()
