"""Claims in progress: started streams are kept, waiting ones can be released."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.builders.events import NOON
from support.builders.manual_clock import ManualClock
from winchester_core.model.stream import Reason
from winchester_core.storage.records import Claim
from winchester_core.telemetry.counters import Counters
from winchester_core.worker import claims_in_flight
from winchester_core.worker.batch import MEMORY_BATCH_EVENTS, MEMORY_BATCH_STREAMS, memory_batches
from winchester_core.worker.claims_in_flight import InFlightClaims, release_in_flight

if TYPE_CHECKING:
    import pytest

    from support.scenes.workers import Scene


def claim(stream_id: int, event_count: int = 1) -> Claim:
    return Claim(stream_id, "t", 1, "w", Reason.FIRE, 1, {}, event_count, NOON)


def test_a_released_claim_cannot_be_started() -> None:
    in_flight = InFlightClaims()
    first, second = claim(1), claim(2)
    in_flight.add([first, second])
    assert in_flight.start(first)
    assert in_flight.pop_pending() == [second]
    assert not in_flight.start(second)
    assert in_flight.renewable() == [first]


def test_a_started_claim_is_renewed_until_it_is_removed() -> None:
    in_flight = InFlightClaims()
    first = claim(1)
    in_flight.add([first])
    in_flight.start(first)
    in_flight.finish_run()
    assert in_flight.renewable() == [first]
    in_flight.remove([first])
    assert in_flight.renewable() == []


def test_a_run_past_its_timeout_is_reported_once_and_neither_renewed_nor_committed() -> None:
    in_flight = InFlightClaims()
    first, second = claim(1), claim(2)
    in_flight.add([first, second])
    in_flight.start(first)
    assert in_flight.take_hung_run(0.0, end=True) is None  # its handlers have not begun
    in_flight.enter_handlers()
    assert in_flight.take_hung_run(3600.0, end=True) is None
    hung = in_flight.take_hung_run(0.0, end=True)
    assert hung is not None
    assert (hung.claim, hung.step) == (first, None)
    assert in_flight.take_hung_run(0.0, end=True) is None
    assert in_flight.renewable() == [second]
    assert not in_flight.start_commit(first)
    in_flight.finish_run()
    in_flight.start(second)
    in_flight.enter_handlers()
    assert in_flight.take_hung_run(0.0, end=False) is not None
    assert in_flight.start_commit(second)


def test_a_run_past_its_timeout_is_no_released_claim_at_a_forced_shutdown(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    in_flight = InFlightClaims()
    in_flight.add([claim(1), claim(2)])
    in_flight.start(claim(1))
    in_flight.enter_handlers()
    assert in_flight.take_hung_run(0.0, end=True) is not None
    release_in_flight(scene.store, in_flight, Counters())
    assert "run interrupted by forced shutdown: stream=1" in caplog.text
    assert "claims released by forced shutdown: streams=1" in caplog.text


def test_only_the_time_in_handlers_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    monkeypatch.setattr(claims_in_flight, "monotonic", clock)
    in_flight = InFlightClaims()
    first = claim(1)
    in_flight.add([first])
    in_flight.start(first)
    clock.seconds += 1
    for _ in range(2):
        in_flight.enter_handlers()
        clock.seconds += 2
        in_flight.leave_handlers()
        clock.seconds += 4
    assert (in_flight.current_seconds(), in_flight.handler_seconds()) == (13, 4)
    assert in_flight.take_hung_run(3.0, end=True) is None
    in_flight.enter_handlers()
    assert in_flight.take_hung_run(3.0, end=True) is not None


def test_nothing_is_known_of_an_interrupted_commit_when_its_stream_is_claimed_again() -> None:
    in_flight = InFlightClaims()
    again = claim(1)
    in_flight.add([again])
    in_flight.start(again)
    assert in_flight.start_commit(again)
    in_flight.clear()
    in_flight.add([again])
    in_flight.start(again)
    snapshot = in_flight.shut_down()
    assert (snapshot.uncommitted, snapshot.committed) == ([again], [])


def test_memory_batches_have_a_bounded_number_of_events_and_never_split_a_stream() -> None:
    claims = [
        claim(1, MEMORY_BATCH_EVENTS * 3),
        claim(2, MEMORY_BATCH_EVENTS - 1),
        claim(3),
        claim(4),
    ]
    assert [[each.stream_id for each in part] for part in memory_batches(claims)] == [
        [1],
        [2, 3],
        [4],
    ]


def test_memory_batches_have_a_bounded_number_of_streams() -> None:
    many = [claim(number) for number in range(MEMORY_BATCH_STREAMS + 1)]
    assert [len(part) for part in memory_batches(many)] == [MEMORY_BATCH_STREAMS, 1]
