"""TTL cache: expensive values are refreshed rarely, by one thread at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from support.builders.manual_clock import ManualClock
from support.probes.time_limits import BOUND_SECONDS
from winchester_core.errors import DatabaseUnavailable
from winchester_core.telemetry import ttl_cache
from winchester_core.telemetry.ttl_cache import (
    ERROR_TTL_SECONDS,
    MAX_TTL_SECONDS,
    REFRESH_TIME_SHARE,
    REFRESH_TIMEOUT_SECONDS,
    RefreshTimeout,
    TtlCache,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    clock = ManualClock()
    monkeypatch.setattr(ttl_cache, "monotonic", clock)
    return clock


class ScriptedRefresh:
    """Counts its calls; the test sets the duration of each."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self.asked = 0
        self.before = before

    def __call__(self) -> int:
        self.asked += 1
        self.before()
        return self.asked


def test_a_fresh_value_is_reused(clock: ManualClock) -> None:
    kept = TtlCache(ScriptedRefresh(), ttl_seconds=5)
    assert [kept.get(), kept.get()] == [1, 1]
    clock.seconds += 4.9
    assert (kept.get(), kept.age_seconds) == (1, pytest.approx(4.9))
    clock.seconds += 0.2
    assert (kept.get(), kept.age_seconds) == (2, 0)


@pytest.mark.parametrize(
    ("took_seconds", "adaptive", "rest_seconds"),
    [
        (1, True, 1 / REFRESH_TIME_SHARE),
        (0.01, True, 5),
        (1, False, 5),
        (1000, True, MAX_TTL_SECONDS),
    ],
)
def test_an_expensive_value_is_refreshed_less_often(
    clock: ManualClock, took_seconds: float, adaptive: bool, rest_seconds: float
) -> None:
    def take_time() -> None:
        clock.seconds += took_seconds

    kept = TtlCache(ScriptedRefresh(take_time), ttl_seconds=5, adaptive=adaptive)
    assert kept.get() == 1
    clock.seconds += rest_seconds - 0.1
    assert kept.get() == 1
    clock.seconds += 0.2
    assert kept.get() == 2


def test_a_failure_is_retried_soon(clock: ManualClock) -> None:
    def time_out() -> None:
        clock.seconds += 30
        raise DatabaseUnavailable("away")

    refresh = ScriptedRefresh(time_out)
    kept = TtlCache(refresh, ttl_seconds=5, adaptive=True)
    with pytest.raises(DatabaseUnavailable):
        kept.get()
    refresh.before = lambda: None
    clock.seconds += 6
    assert kept.get() == 2


def test_a_failure_is_cached(clock: ManualClock) -> None:
    def fail() -> None:
        raise DatabaseUnavailable("away")

    refresh = ScriptedRefresh(fail)
    kept = TtlCache(refresh, ttl_seconds=5)
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable, match="away"):
            kept.get()
    assert refresh.asked == 1
    refresh.before = lambda: None
    clock.seconds += ERROR_TTL_SECONDS + 0.1
    assert kept.get() == 2


def test_the_last_value_is_returned_without_a_refresh(clock: ManualClock) -> None:
    def fail() -> None:
        raise DatabaseUnavailable("away")

    refresh = ScriptedRefresh()
    kept = TtlCache(refresh, ttl_seconds=5)
    assert kept.cached() is None
    assert kept.get() == kept.cached() == 1
    clock.seconds += 6
    assert (kept.cached(), refresh.asked) == (1, 1)
    refresh.before = fail
    with pytest.raises(DatabaseUnavailable):
        kept.get()
    assert kept.cached() is None


def test_an_unexpected_exception_reaches_the_caller_and_is_not_cached() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    refresh = ScriptedRefresh(fail)
    kept = TtlCache(refresh)
    with pytest.raises(ZeroDivisionError):
        kept.get()
    refresh.before = lambda: None
    assert kept.get() == 2


class HangingRefresh:
    """A refresh in another thread that hangs until released."""

    def __init__(self, kept: TtlCache[int], refresh: ScriptedRefresh) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()
        refresh.before = self._hang
        self._thread = threading.Thread(target=kept.get)
        self._thread.start()
        assert self.begun.wait(BOUND_SECONDS)

    def end(self) -> None:
        self.let_go.set()
        self._thread.join()

    def _hang(self) -> None:
        self.begun.set()
        assert self.let_go.wait(BOUND_SECONDS)


def test_during_a_refresh_other_threads_get_the_last_value(clock: ManualClock) -> None:
    refresh = ScriptedRefresh()
    kept = TtlCache(refresh, ttl_seconds=5)
    kept.get()
    clock.seconds += 6
    hanging = HangingRefresh(kept, refresh)
    assert kept.get() == 1
    clock.seconds += REFRESH_TIMEOUT_SECONDS + 1
    with pytest.raises(RefreshTimeout, match="no response for 31 seconds"):
        kept.get()
    hanging.end()
    assert (kept.get(), refresh.asked) == (2, 2)


def test_without_a_last_value_other_threads_time_out(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ttl_cache, "FIRST_REFRESH_WAIT_SECONDS", 0.001)
    refresh = ScriptedRefresh()
    kept = TtlCache(refresh)
    hanging = HangingRefresh(kept, refresh)
    clock.seconds += 7
    with pytest.raises(RefreshTimeout, match="7 seconds"):
        kept.get()
    hanging.end()
    assert kept.get() == 1
