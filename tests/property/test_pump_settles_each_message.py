"""Each message is settled after it is stored, for any failures and stops of the pump."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.scenes.prefetching import LoggedSource, PumpScene
from winchester_core.errors import (
    ConcurrentChange,
    ConfigurationError,
    DatabaseUnavailable,
    DataRefused,
    SourceError,
    WinchesterError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Fault = tuple[str, int]
"""Name and number, from 0, of a call that fails."""

STOP = "stop"
SOURCE_ERRORS: Mapping[str, Callable[[], WinchesterError]] = {
    "gone": lambda: SourceError("test", "gone"),
}
STORE_ERRORS: Mapping[str, Callable[[], WinchesterError]] = {
    "unavailable": lambda: DatabaseUnavailable("gone"),
    "conflict": lambda: ConcurrentChange("changed"),
    "configuration": lambda: ConfigurationError(["odd"]),
}
CALLS = {
    **dict.fromkeys(("open", "receive", "received", "ack", "reject", "release"), SOURCE_ERRORS),
    **dict.fromkeys(("store", "stored", "store rejected"), STORE_ERRORS),
}
"""The errors by call. An error of `stored` is one whose commit was made, but not confirmed."""

ERRORS = {**SOURCE_ERRORS, **STORE_ERRORS}


class PlainSource(LoggedSource):
    allows_prefetch = False


@st.composite
def faults(draw: st.DrawFn) -> dict[Fault, str]:
    calls = draw(
        st.lists(st.tuples(st.sampled_from(sorted(CALLS)), st.integers(0, 12)), max_size=6)
    )
    return {
        call: draw(st.sampled_from([STOP, *sorted(CALLS[call[0]])]))
        for call in dict.fromkeys(calls)
    }


@settings(max_examples=300)
@given(
    number=st.integers(0, 24),
    size=st.integers(1, 5),
    refused=st.sets(st.integers(0, 23), max_size=3),
    planned=faults(),
    source_class=st.sampled_from([LoggedSource, LoggedSource, PlainSource]),
)
def test_each_message_is_settled_once_after_it_is_stored(
    number: int,
    size: int,
    refused: set[int],
    planned: dict[Fault, str],
    source_class: type[LoggedSource],
) -> None:
    scene = PumpScene(range(number), size=size, source_class=source_class)
    seen: Counter[str] = Counter()

    def fail(name: str, numbers: tuple[int, ...]) -> None:
        check(scene, size, refused, name, numbers)
        occurrence = seen[name]
        seen[name] += 1
        fault = planned.get((name, occurrence))
        if fault == STOP:
            scene.stop.set()
        elif fault is not None:
            raise ERRORS[fault]()
        if name == "store" and refused.intersection(numbers):
            raise DataRefused("no")

    scene.log.before = fail
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("winchester_core.retry.MIN_WAIT_SECONDS", 0.0001)
        patch.setattr("winchester_core.retry.MAX_WAIT_SECONDS", 0.001)
        run_to_the_end(scene)
    refused &= set(range(number))
    assert scene.store.ids() == sorted(set(range(number)) - refused)
    assert scene.store.count_rejected() == len(refused)
    assert not scene.source.unsettled
    assert scene.pump.in_flight == 0
    assert scene.log.source_threads <= {threading.get_ident()}


def run_to_the_end(scene: PumpScene) -> None:
    """Run the pump again after each error, as the runner does, and after each stop."""
    for _ in range(100):
        scene.stop.clear()
        try:
            scene.pump.run()
        except WinchesterError:
            continue
        if scene.source.exhausted and not scene.stop.is_set():
            return
    raise AssertionError("the source is never exhausted")


def check(
    scene: PumpScene, size: int, refused: set[int], name: str, numbers: tuple[int, ...]
) -> None:
    """Assert the invariants that hold before each call."""
    match name:
        case "received":
            assert len(scene.source.unsettled) <= 2 * size
        case "ack":
            assert set(numbers) <= set(scene.store.ids())
        case "reject":
            assert set(numbers) <= refused
        case "store":
            earlier = set(range(min(numbers))) - refused
            assert earlier <= set(scene.store.ids())
