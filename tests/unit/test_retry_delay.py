"""Backoff from 10 s, doubling to 1 h, with jitter."""

from __future__ import annotations

from datetime import timedelta

from winchester_core.retry import retry_delay

FIRST, LONGEST = timedelta(seconds=10), timedelta(hours=1)


def test_delays_double_up_to_the_maximum() -> None:
    waits = [retry_delay(n, FIRST, LONGEST, 1.0).total_seconds() for n in range(1, 12)]
    assert waits == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


def test_jitter_shortens_a_delay_by_at_most_half() -> None:
    assert retry_delay(1, FIRST, LONGEST, 0.0) == timedelta(seconds=5)
    assert retry_delay(1, FIRST, LONGEST, 0.5) == timedelta(seconds=7.5)


def test_the_jitter_is_random_by_default() -> None:
    delays = {retry_delay(1, FIRST, LONGEST) for _ in range(20)}
    assert len(delays) > 1
    assert timedelta(seconds=5) <= min(delays) <= max(delays) <= FIRST


def test_any_number_of_attempts_has_a_delay() -> None:
    assert retry_delay(10**9, FIRST, LONGEST, 1.0) == LONGEST
