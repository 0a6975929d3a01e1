"""The garbage collector does not scan long-lived objects, and still finds garbage."""

from __future__ import annotations

import atexit
import gc
import subprocess
import sys
import weakref
from typing import TYPE_CHECKING

import pytest

from winchester_core.service.garbage_collector import (
    PROCESSING_THRESHOLD,
    STARTUP_THRESHOLD,
    defer_garbage_collection,
    tune_garbage_collector,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class SelfReference:
    """An object that refers to itself."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture(autouse=True)
def _restored_collector() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    atexit.unregister(gc.freeze)
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_objects_loaded_at_startup_are_not_scanned() -> None:
    frozen = gc.get_freeze_count()
    tune_garbage_collector()
    assert gc.get_freeze_count() > frozen
    assert gc.get_threshold()[0] == PROCESSING_THRESHOLD
    assert gc.isenabled()


def test_garbage_created_before_and_after_is_collected() -> None:
    before = weakref.ref(SelfReference())
    tune_garbage_collector()
    after = weakref.ref(SelfReference())
    kept = [[number] for number in range(3 * PROCESSING_THRESHOLD)]
    assert (before(), after()) == (None, None)
    assert len(kept) == 3 * PROCESSING_THRESHOLD


def test_collection_is_rare_at_startup_and_normal_afterwards() -> None:
    defer_garbage_collection()
    assert gc.get_threshold()[0] == STARTUP_THRESHOLD
    tune_garbage_collector()
    assert gc.get_threshold()[0] == PROCESSING_THRESHOLD


def test_garbage_of_a_long_command_is_collected() -> None:
    defer_garbage_collection()
    garbage = weakref.ref(SelfReference())
    kept = [[number] for number in range(2 * STARTUP_THRESHOLD)]
    assert garbage() is None
    assert len(kept) == 2 * STARTUP_THRESHOLD


def test_nothing_is_collected_at_exit() -> None:
    program = """\
import atexit, gc
atexit.register(lambda: print(gc.get_freeze_count() > 0))  # called after what is registered later
from winchester_core.service.garbage_collector import defer_garbage_collection
defer_garbage_collection()
print(gc.get_freeze_count() > 0)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], check=True, timeout=60, capture_output=True, text=True
    )
    assert ended.stdout.split() == ["False", "True"]
