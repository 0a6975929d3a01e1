"""Claims in progress: started streams are kept, waiting ones can be released."""

from __future__ import annotations

from winchester_core.model.stream import Reason
from winchester_core.storage.records import Claim
from winchester_core.worker.batch import MEMORY_BATCH_EVENTS, MEMORY_BATCH_STREAMS, memory_batches
from winchester_core.worker.in_flight import InFlightClaims


def claim(stream_id: int, event_count: int = 1) -> Claim:
    return Claim(stream_id, "t", 1, "w", Reason.FIRE, 1, {}, event_count)


def test_a_released_claim_cannot_be_started() -> None:
    in_flight = InFlightClaims()
    first, second = claim(1), claim(2)
    in_flight.add([first, second])
    assert in_flight.start(first)
    assert in_flight.pop_pending() == [second]
    assert not in_flight.start(second)
    assert in_flight.renewable(None) == [first]


def test_a_started_claim_is_renewed_until_it_is_removed() -> None:
    in_flight = InFlightClaims()
    first = claim(1)
    in_flight.add([first])
    in_flight.start(first)
    in_flight.finish_run()
    assert in_flight.renewable(None) == [first]
    in_flight.remove([first])
    assert in_flight.renewable(None) == []


def test_a_run_past_its_timeout_is_not_renewed_but_waiting_claims_are() -> None:
    in_flight = InFlightClaims()
    first, second = claim(1), claim(2)
    in_flight.add([first, second])
    in_flight.start(first)
    assert in_flight.renewable(timeout_seconds=-1.0) == [second]
    assert in_flight.renewable(timeout_seconds=3600.0) == [second, first]


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
