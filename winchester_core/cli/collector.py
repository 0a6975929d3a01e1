"""The garbage collector in a program that goes through events for weeks."""

from __future__ import annotations

import gc
from typing import Final

YOUNG_OBJECTS: Final = 10_000
"""How many containers come into being, beyond those that go, before the young are looked through.

A batch of a thousand events makes about so many, which all go with it. Python's 700 makes that
fourteen searches which find nothing.
"""


def settle_collector() -> None:
    """Spare the collector what the program is made of, and most searches of batches at work.

    To be called when everything is loaded and before the work begins. Memory that is no longer
    needed is given back as before: what events and streams are made of holds no cycles.
    """
    gc.collect()
    gc.freeze()
    _, *older = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS, *older)
