"""The throttle of failed tokens counts by address and in total, in bounded memory."""

from __future__ import annotations

import pytest

from winchester_core.console.throttle import (
    MAX_FAILURES,
    MAX_SUCCESSES,
    MAX_TOTAL_FAILURES,
    SUCCESS_SECONDS,
    WINDOW_SECONDS,
    Throttle,
)


class Time:
    """Time that a test sets."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> Time:
    return Time()


def fail(throttle: Throttle, address: str, times: int = MAX_FAILURES) -> None:
    for _ in range(times):
        throttle.record_failure(address)


def test_an_address_is_refused_until_its_window_ends(time: Time) -> None:
    throttle = Throttle(time)
    fail(throttle, "10.0.0.1", MAX_FAILURES - 1)
    assert throttle.retry_after("10.0.0.1") is None
    time.seconds = 20.5
    fail(throttle, "10.0.0.1", 1)

    assert throttle.retry_after("10.0.0.1") == 40
    assert throttle.retry_after("10.0.0.2") is None
    time.seconds = WINDOW_SECONDS
    assert throttle.retry_after("10.0.0.1") is None
    fail(throttle, "10.0.0.1", 1)
    assert throttle.retry_after("10.0.0.1") is None


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("fe80::1%eth0", "fe80::2", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("", "", True),
        ("testclient", "other", False),
    ],
)
def test_an_ipv6_network_counts_as_one_address(first: str, second: str, is_same: bool) -> None:
    throttle = Throttle(Time())
    fail(throttle, first)

    assert (throttle.retry_after(second) is not None) is is_same


def test_all_addresses_are_refused_after_many_failures(time: Time) -> None:
    throttle = Throttle(time)
    for number in range(MAX_TOTAL_FAILURES):
        assert throttle.retry_after("192.0.2.1") is None
        throttle.record_failure(f"10.0.0.{number}")

    assert throttle.retry_after("192.0.2.1") == 60
    time.seconds = WINDOW_SECONDS
    assert throttle.retry_after("192.0.2.1") is None


def test_a_used_token_is_known_for_an_hour(time: Time) -> None:
    throttle = Throttle(time)
    throttle.record_success("10.0.0.1", "anna")

    assert throttle.is_known("10.0.0.1", "anna")
    assert not throttle.is_known("10.0.0.2", "anna")
    assert not throttle.is_known("10.0.0.1", "wall")
    time.seconds = SUCCESS_SECONDS
    assert not throttle.is_known("10.0.0.1", "anna")


def test_the_memory_is_bounded(time: Time) -> None:
    throttle = Throttle(time)
    for number in range(MAX_SUCCESSES + 10):
        throttle.record_success(f"10.0.{number // 256}.{number % 256}", "anna")
    for _ in range(20):
        for number in range(MAX_TOTAL_FAILURES):
            throttle.record_failure(f"10.1.{time.seconds:.0f}.{number}")
        time.seconds += WINDOW_SECONDS

    assert len(throttle._successes) == MAX_SUCCESSES
    assert len(throttle._windows) <= MAX_TOTAL_FAILURES
    assert not throttle.is_known("10.0.0.0", "anna")
