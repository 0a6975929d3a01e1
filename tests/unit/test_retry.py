"""Waiting through an outage: for as long as it takes, logged once."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import pytest

from winchester_core import retry as retry_module
from winchester_core.errors import ConcurrentChange, DatabaseUnavailable, DataRefused
from winchester_core.retry import MAX_CONFLICTS, Backoff, OutageState, retry_until_stopped
from winchester_core.telemetry.counters import Count, Counters

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry_module, "MIN_WAIT_SECONDS", 0.0001)
    monkeypatch.setattr(retry_module, "MAX_WAIT_SECONDS", 0.0004)


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def outage(counters: Counters) -> OutageState:
    return OutageState("database", counters)


def failing(times: int, error: Exception) -> Callable[[], str]:
    left = [error] * times

    def action() -> str:
        if left:
            raise left.pop()
        return "done"

    return action


def test_an_outage_is_waited_for_and_reported_once(
    outage: OutageState, counters: Counters, caplog: pytest.LogCaptureFixture
) -> None:
    action = failing(9, DatabaseUnavailable("gone"))
    assert retry_until_stopped(outage, threading.Event(), action) == "done"
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]
    assert "gone" in caplog.text
    assert counters[Count.OUTAGES] == 1


def test_an_outage_seen_by_several_threads_is_reported_once(
    outage: OutageState, counters: Counters, caplog: pytest.LogCaptureFixture
) -> None:
    is_back, waiting = threading.Event(), threading.Barrier(5)

    def work() -> None:
        waited = False

        def action() -> str:
            nonlocal waited
            if not is_back.is_set():
                if not waited:
                    waited = True
                    outage.record_failure(DatabaseUnavailable("gone"))
                    waiting.wait()
                raise DatabaseUnavailable("gone")
            return "done"

        assert retry_until_stopped(outage, threading.Event(), action) == "done"

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    waiting.wait()
    is_back.set()
    for thread in threads:
        thread.join()
    assert "gone" in caplog.records[0].getMessage()
    assert counters[Count.OUTAGES] == len(caplog.records) / 2
    assert caplog.records[-1].levelno == logging.WARNING


def test_a_stop_ends_the_wait(outage: OutageState) -> None:
    stop = threading.Event()
    stop.set()
    assert retry_until_stopped(outage, stop, failing(10, DatabaseUnavailable("gone"))) is None


def test_an_error_that_a_retry_cannot_fix_is_raised_at_once(outage: OutageState) -> None:
    with pytest.raises(DataRefused):
        retry_until_stopped(outage, threading.Event(), failing(1, DataRefused("too long")))


def test_conflicts_are_retried_up_to_a_limit_and_are_no_outage(
    outage: OutageState, counters: Counters, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    allowed = failing(MAX_CONFLICTS - 1, ConcurrentChange("first"))
    assert retry_until_stopped(outage, threading.Event(), allowed) == "done"
    with pytest.raises(ConcurrentChange):
        retry_until_stopped(
            outage, threading.Event(), failing(MAX_CONFLICTS, ConcurrentChange("first"))
        )
    assert counters[Count.OUTAGES] == 0
    assert {record.levelno for record in caplog.records} == {logging.INFO}


def test_a_conflict_ends_an_outage(outage: OutageState, caplog: pytest.LogCaptureFixture) -> None:
    outage.record_failure(DatabaseUnavailable("gone"))
    outage.record_failure(ConcurrentChange("first"))
    assert "resource available again" in caplog.text


def test_waits_double_up_to_a_limit_with_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry_module, "MIN_WAIT_SECONDS", 1.0)
    monkeypatch.setattr(retry_module, "MAX_WAIT_SECONDS", 5.0)
    waits: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0)
            return False

    backoff = Backoff(Stop())
    assert all(backoff.wait() for _ in range(5))
    for wait, longest in zip(waits, [1, 2, 4, 5, 5], strict=True):
        assert longest / 2 <= wait <= longest
    backoff.reset()
    backoff.wait()
    assert waits[-1] <= 1
