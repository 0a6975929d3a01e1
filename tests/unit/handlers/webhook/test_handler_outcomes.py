"""Meaning of a web service's responses for an effect."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from winchester_core.interfaces import Delivered, Refused, RetryAfter
from winchester_handlers.webhook.handler import delivery_outcome, retry_after_seconds

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DELIVERED = {*range(200, 300), 409}
RESCHEDULED = {401, 402, 403, 404, 407, 408, 421, 423, 424, 425, 429, *range(500, 600)}


@pytest.mark.parametrize("status", range(200, 600))
def test_every_status_has_its_outcome(status: int) -> None:
    got = delivery_outcome(status, {}, NOW)

    if status in DELIVERED:
        assert got == Delivered()
    elif status in RESCHEDULED:
        assert isinstance(got, RetryAfter)
        assert got.seconds is None
    else:
        assert isinstance(got, Refused)
    if not isinstance(got, Delivered):
        assert str(status) in (got.reason or "")


def test_a_redirect_is_refused_with_the_reason() -> None:
    assert delivery_outcome(302, {"location": "https://elsewhere"}, NOW) == Refused(
        "the service responded with 302 Found: redirects are not followed"
    )


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "120"}, 120),
        ({"retry-after": " 0 "}, 0),
        ({"retry-after": "9" * 400}, 10**9),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 -2359"}, None),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 +2359"}, 0),
        ({"retry-after": "Sun, 01 Mar 2026 12:01:30 +9999"}, None),
        ({"retry-after": "Sun, 01 Mar 2026 99:01:30 GMT"}, None),
        ({"retry-after": "Sun, 01 Mar 2026 12:01:30 GMT"}, 90),
        ({"retry-after": "Sun, 01 Mar 2026 12:01:30 -0000"}, 90),
        ({"retry-after": "Sun, 01 Mar 2026 11:00:00 GMT"}, 0),
        # the clock of the service is an hour slow: its own date counts
        (
            {
                "retry-after": "Sun, 01 Mar 2026 11:02:00 GMT",
                "date": "Sun, 01 Mar 2026 11:00:00 GMT",
            },
            120,
        ),
        ({"retry-after": format_datetime(NOW, usegmt=True), "date": "never"}, 0),
    ],
)
def test_retry_after_sets_the_delay(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers, NOW) == seconds
    assert delivery_outcome(503, headers, NOW) == RetryAfter(
        seconds, "the service responded with 503 Service Unavailable"
    )
