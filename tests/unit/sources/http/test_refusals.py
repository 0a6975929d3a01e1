"""The http source: counts and log records of refused requests."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from winchester_core.sources.http.authentication import Refusal
from winchester_core.sources.http.refusals import LOG_INTERVAL_SECONDS, Refusals

if TYPE_CHECKING:
    import pytest


def test_all_reasons_are_counted_from_zero() -> None:
    refusals = Refusals()
    expected = {"token": 0, "missing_signature": 0, "timestamp": 0, "signature": 0}
    assert refusals.counts() == expected
    for _ in range(3):
        refusals.add("/a", Refusal.SIGNATURE, "192.0.2.1")
    assert refusals.counts() == {**expected, "signature": 3}


def test_one_record_a_minute_is_logged_for_each_path_and_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    times = [0.0]
    refusals = Refusals(lambda: times[0])
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            refusals.add("/a", Refusal.SIGNATURE, "192.0.2.1")
            refusals.add("/a", Refusal.TIMESTAMP, "192.0.2.1")
        times[0] = LOG_INTERVAL_SECONDS
        refusals.add("/a", Refusal.SIGNATURE, "192.0.2.2")
    prefix = "requests not authenticated: path=/a "
    assert caplog.messages == [
        f"{prefix}reason=signature client=192.0.2.1 requests=1",
        f"{prefix}reason=timestamp client=192.0.2.1 requests=1",
        f"{prefix}reason=signature client=192.0.2.2 requests=3",
    ]
