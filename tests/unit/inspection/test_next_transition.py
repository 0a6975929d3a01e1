"""Description of a stream's next transition."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import NOON
from support.builders.stream_records import make_stream_record
from winchester_core.inspection.next_transition import next_transition
from winchester_core.model.stream import StreamState, Trial

if TYPE_CHECKING:
    from datetime import datetime

HOUR = timedelta(hours=1)
STREAM = make_stream_record(id=7, expire_timestamp=NOON + HOUR, progress=(1, 0))
CLAIMED: dict[str, Any] = {"worker": "w", "lease_until": NOON + HOUR}


@pytest.mark.parametrize(
    ("changes", "now", "words"),
    [
        ({}, NOON, ["expires at 2024-05-17T13:00:00+00:00", "in 1h)", "unless its fire criteria"]),
        ({}, NOON + 2 * HOUR, ["ready to expire since", "1h ago", "waits for a worker"]),
        ({}, None, ["expires at 2024-05-17T13:00:00+00:00 (stream time)", "unless"]),
        ({"fire_timestamp": NOON + HOUR}, NOON, ["fires at 2024-05-17T13:00", "in 1h)"]),
        ({"fire_timestamp": NOON}, NOON, ["ready to fire since 2024-05-17T12:00", "0s ago"]),
        ({"fire_timestamp": NOON}, None, ["fires at 2024-05-17T12:00"]),
        (
            {"state": StreamState.FIRING, **CLAIMED},
            NOON,
            ["firing: claimed by worker w", "unless it renews"],
        ),
        (
            {"state": StreamState.EXPIRING, **CLAIMED, "lease_until": NOON},
            None,
            ["expiring: claimed by worker w", "lease expired"],
        ),
        (
            {"state": StreamState.RETRY_FIRE, "retry_at": NOON + HOUR},
            None,
            ["will try to fire again at 2024-05-17T13:00", "in 1h"],
        ),
        ({"state": StreamState.RETRY_EXPIRE, "retry_at": NOON}, None, ["ready to expire again"]),
        (
            {"state": StreamState.RETRY_FIRE, "retry_at": NOON, "trial": Trial.DUE},
            None,
            ["ready to fire again, to be tried alone"],
        ),
        (
            {"state": StreamState.RETRY_FIRE, "retry_at": NOON + HOUR, "trial": Trial.DUE},
            None,
            ["in 1h), to be tried alone"],
        ),
        (
            {"state": StreamState.ERROR, "attempts": 1},
            NOON,
            ["failed to fire after 1 attempt;", "'winchester stream reset 7'"],
        ),
        ({"state": StreamState.EXPIRE_ERROR, "attempts": 5}, NOON, ["expire after 5 attempts;"]),
        ({"state": StreamState.COMPLETED}, NOON, ["completed"]),
    ],
)
def test_each_state_shows_its_next_transition(
    changes: dict[str, Any], now: datetime | None, words: list[str]
) -> None:
    text = next_transition(replace(STREAM, **changes), now=now, real_now=NOON)
    assert [word for word in words if word not in text] == []


def test_a_stream_about_to_fire_shows_no_expiry() -> None:
    text = next_transition(
        replace(STREAM, fire_timestamp=NOON + 3 * HOUR), now=NOON + 2 * HOUR, real_now=NOON
    )
    assert text == "fires at 2024-05-17T15:00:00+00:00 (stream time, in 1h)"
