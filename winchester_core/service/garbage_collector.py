"""Garbage collector settings for the start and exit of a program, and for event processing."""

from __future__ import annotations

import atexit
import gc
from typing import Final

STARTUP_THRESHOLD: Final = 200_000
"""Container allocations that trigger a collection during startup; most commands make fewer."""

PROCESSING_THRESHOLD: Final = 50_000
"""Container allocations that trigger a collection while events are processed.

A batch of a thousand events has up to 16,000 containers at a time and frees nearly all of them.
With Python's default of 700, there would be twenty collections that free nothing.
"""


def defer_garbage_collection() -> None:
    """Avoid collections while a program starts and when it exits.

    In a short command, nearly all objects belong to modules and live until the process ends.
    Collections took a quarter of its processor time.
    """
    gc.set_threshold(STARTUP_THRESHOLD, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)  # exempts all objects from the interpreter's final collection


def tune_garbage_collector() -> None:
    """Exclude loaded code from collections, and collect rarely while batches are processed.

    Call it when everything is loaded, before the work starts. Memory is still freed in time,
    because events and streams contain no reference cycles.
    """
    gc.collect()
    gc.freeze()
    _, *older = gc.get_threshold()
    gc.set_threshold(PROCESSING_THRESHOLD, *older)
