from __future__ import annotations

import time

import pytest

from winchester_core.errors import SourceError
from winchester_core.sources.mqtt.takeover import (
    MAX_SHORT_CONNECTIONS,
    PAUSE_SECONDS,
    SHORT_SECONDS,
    ConnectionEnd,
    TakeoverDetector,
)

FAILURE = SourceError("broker", "the connection has ended")


class Clock:
    """Replacement of `time.monotonic`."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    return made


def test_after_a_takeover_no_connection_is_opened_for_a_while(clock: Clock) -> None:
    detector = TakeoverDetector("plant")
    detector.check()
    error = detector.record_end(FAILURE, ConnectionEnd.TAKEN_OVER, 3600.0)
    assert str(error) == (
        "broker: another client has connected with the client id 'plant'; each ingest process "
        "needs its own"
    )
    clock.now += PAUSE_SECONDS - 1
    with pytest.raises(SourceError, match="another client has connected"):
        detector.check()
    clock.now += 1
    detector.check()


def test_short_connections_in_a_row_count_as_a_takeover(clock: Clock) -> None:
    detector = TakeoverDetector("plant")
    for _ in range(MAX_SHORT_CONNECTIONS - 1):
        assert detector.record_end(FAILURE, ConnectionEnd.WITHOUT_REASON, 0.1) is FAILURE
        detector.check()
    error = detector.record_end(FAILURE, ConnectionEnd.WITHOUT_REASON, 0.1)
    assert "Another client may have the client id 'plant'" in error.reason
    with pytest.raises(SourceError, match="Another client may"):
        detector.check()
    clock.now += PAUSE_SECONDS
    detector.check()
    assert detector.record_end(FAILURE, ConnectionEnd.WITHOUT_REASON, 0.1) is FAILURE


@pytest.mark.parametrize(
    ("end", "lasted_seconds"),
    [(ConnectionEnd.WITH_REASON, 0.1), (ConnectionEnd.WITHOUT_REASON, SHORT_SECONDS)],
)
@pytest.mark.usefixtures("clock")
def test_other_ends_are_no_takeover(end: ConnectionEnd, lasted_seconds: float) -> None:
    detector = TakeoverDetector("plant")
    for _ in range(MAX_SHORT_CONNECTIONS):
        assert detector.record_end(FAILURE, end, lasted_seconds) is FAILURE
    for _ in range(MAX_SHORT_CONNECTIONS - 1):
        assert detector.record_end(FAILURE, ConnectionEnd.WITHOUT_REASON, 0.1) is FAILURE
    assert detector.record_end(FAILURE, end, lasted_seconds) is FAILURE
    assert detector.record_end(FAILURE, ConnectionEnd.WITHOUT_REASON, 0.1) is FAILURE
    detector.check()
