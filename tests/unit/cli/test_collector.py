"""The garbage collector leaves a program at work alone, and still finds garbage."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from winchester_core.cli.collector import YOUNG_OBJECTS, settle_collector

if TYPE_CHECKING:
    from collections.abc import Iterator


class Knot:
    """Something that holds itself."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture(autouse=True)
def _collector_as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_what_is_loaded_is_looked_through_no_more() -> None:
    frozen = gc.get_freeze_count()
    settle_collector()
    assert gc.get_freeze_count() > frozen
    assert gc.get_threshold()[0] == YOUNG_OBJECTS
    assert gc.isenabled()


def test_garbage_from_before_and_after_is_found() -> None:
    before = weakref.ref(Knot())
    settle_collector()
    after = weakref.ref(Knot())
    kept = [[number] for number in range(3 * YOUNG_OBJECTS)]
    assert (before(), after()) == (None, None)
    assert len(kept) == 3 * YOUNG_OBJECTS
