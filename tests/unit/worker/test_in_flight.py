"""What a worker has in hand: begun streams are kept, waiting ones can be given back."""

from __future__ import annotations

from winchester_core.model.stream import Reason
from winchester_core.storage.records import Claim
from winchester_core.worker.batch import MEMORY_BATCH_EVENTS, MEMORY_BATCH_STREAMS, memory_batches
from winchester_core.worker.in_flight import InFlightClaims


def claim(stream_id: int, event_count: int = 1) -> Claim:
    return Claim(stream_id, "t", 1, "w", Reason.FIRE, 1, {}, event_count)


def test_a_released_claim_cannot_be_started() -> None:
    hand = InFlightClaims()
    first, second = claim(1), claim(2)
    hand.take([first, second])
    assert hand.begin(first)
    assert hand.give_back() == [second]
    assert not hand.begin(second)
    assert hand.to_renew(None) == [first]


def test_a_started_claim_is_renewed_until_it_is_removed() -> None:
    hand = InFlightClaims()
    first = claim(1)
    hand.take([first])
    hand.begin(first)
    hand.end_run()
    assert hand.to_renew(None) == [first]
    hand.drop([first])
    assert hand.to_renew(None) == []


def test_a_run_past_its_timeout_is_not_renewed_but_waiting_claims_are() -> None:
    hand = InFlightClaims()
    first, second = claim(1), claim(2)
    hand.take([first, second])
    hand.begin(first)
    assert hand.to_renew(timeout_seconds=-1.0) == [second]
    assert hand.to_renew(timeout_seconds=3600.0) == [second, first]


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
