"""The garbage collector: during the start and end of a program, and while it processes events."""

from __future__ import annotations

import atexit
import gc
from typing import Final

STARTING_OBJECTS: Final = 200_000
"""How many containers are created, beyond those that are removed, before the collector searches.

Most commands create fewer.
"""

WORKING_THRESHOLD: Final = 10_000
"""The same once the work begins.

A batch of a thousand events makes about so many, which all go with it. Python's 700 makes that
fourteen searches which find nothing.
"""


def spare_collector() -> None:
    """Avoid searches that find nothing while a program starts and when it exits.

    Nearly everything that a short command creates belongs to modules, which stay until the process
    ends; searching it again and again took a quarter of the command's processor time.
    """
    gc.set_threshold(STARTING_OBJECTS, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)  # exempts all objects from the interpreter's last search


def tune_garbage_collector() -> None:
    """Spare the collector what the program is made of, and most searches of batches at work.

    To be called when everything is loaded and before the work begins. Memory that is no longer
    needed is given back as before: what events and streams are made of holds no cycles.
    """
    gc.collect()
    gc.freeze()
    _, *older = gc.get_threshold()
    gc.set_threshold(WORKING_THRESHOLD, *older)
