"""What the answer of a web service means for the effect that was sent to it. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from winchester_core.interfaces import Delivered, Refused, RetryAfter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.interfaces import DeliveryOutcome

KNOWN_ALREADY = 409
WORTH_ANOTHER_TRY = frozenset({401, 402, 403, 404, 407, 408, 421, 423, 424, 425, 429})
"""Of the 4xx: what an operator mends on either side, or what passes by itself."""


def outcome(status: int, headers: Mapping[str, str], now: datetime) -> DeliveryOutcome:
    """Delivered, refused for good, or to be sent again; `headers` are found in any case."""
    if 200 <= status < 300 or status == KNOWN_ALREADY:
        return Delivered()
    reason = f"the service answers {described(status)}"
    if 300 <= status < 400:
        return Refused(f"{reason}: redirects are not followed")
    if status >= 500 or status in WORTH_ANOTHER_TRY:
        return RetryAfter(wait_seconds(headers, now), reason)
    return Refused(reason)


def wait_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """How long the service wants to be left alone: `Retry-After` in seconds, or as a date.

    A date is taken by the service's own clock where it tells the time (`Date`), else by `now`.
    None where there is none, or none that can be read.
    """
    wanted = headers.get("retry-after", "").strip()
    if wanted.isascii() and wanted.isdigit():
        return float(min(int(wanted[:12]), 10**9))
    until = _moment(wanted)
    if until is None:
        return None
    since = _moment(headers.get("date", "")) or now
    return max(0.0, (until - since).total_seconds())


def described(status: int) -> str:
    """A status with its name, where it has one. Never what the service wrote beside it."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
