"""Claims in flight: held, taken by a thread, returned, and released."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.builders.events import NOON
from support.builders.manual_clock import ManualClock
from winchester_core.model.stream import Reason
from winchester_core.pipelines import HandlerSpec, PipelineDefinition
from winchester_core.storage.paging import (
    MEMORY_BATCH_EVENTS,
    MEMORY_BATCH_STREAMS,
    memory_batches,
)
from winchester_core.storage.records import Claim
from winchester_core.telemetry.counters import Counters
from winchester_core.triggers.matcher import TriggerSet
from winchester_core.worker import WorkerOptions, slot_state
from winchester_core.worker.in_flight import InFlight
from winchester_core.worker.lease_renewer import release_in_flight
from winchester_core.worker.slot_state import HandlerCalls, SlotState
from winchester_core.worker.stream_run import PipelineFound, StreamRun

if TYPE_CHECKING:
    from support.scenes.workers import Scene
    from winchester_core.model.event import Event


class NoMembers:
    """Streams without events."""

    def take(self, stream_id: int) -> list[Event]:
        return []


class Handler:
    """A handler with a commit."""

    def commit(self) -> None:
        raise NotImplementedError


def claim(stream_id: int, event_count: int = 1) -> Claim:
    return Claim(stream_id, "t", 1, "w", Reason.FIRE, 1, {}, event_count, NOON)


def make_run(
    stream_id: int, pipeline: str = "p", event_count: int = 1, commit_batch: int = 100
) -> StreamRun:
    found = PipelineFound(
        claim(stream_id, event_count), PipelineDefinition(pipeline, (HandlerSpec("h", Handler),))
    )
    options = WorkerOptions(commit_batch=commit_batch)
    return StreamRun(found, NoMembers(), TriggerSet([]), options, Counters())


def in_flight_with(*runs: StreamRun, slots: int = 1) -> tuple[InFlight, tuple[SlotState, ...]]:
    """Return claims in flight with these runs, and their slots."""
    in_flight = InFlight()
    in_flight.slots = tuple(SlotState() for _ in range(slots))
    in_flight.add([run.claim for run in runs])
    assert len(in_flight.next_to_load(len(runs), 10**6)) == len(runs)
    for run in runs:
        in_flight.add_ready(run.log_fields["pipeline"], run)
    return in_flight, in_flight.slots


def take_all(in_flight: InFlight, slot: SlotState) -> list[int]:
    """Fill a batch; return the ids of its streams."""
    taken = []
    while (run := in_flight.take(slot)) is not None:
        taken.append(run.claim.stream_id)
    return taken


def test_pending_claims_are_released_but_not_those_that_have_begun() -> None:
    runs = [make_run(number) for number in range(3)]
    in_flight, (slot,) = in_flight_with(*runs)
    in_flight.add([claim(9)])
    assert in_flight.take(slot) is runs[0]
    assert [each.stream_id for each in in_flight.pop_pending()] == [9, 1, 2]
    assert in_flight.take(slot) is None
    assert in_flight.renewable() == [runs[0].claim]
    in_flight.remove([runs[0].claim])
    assert in_flight.renewable() == []


def test_claims_are_loaded_in_order_up_to_a_number_of_events() -> None:
    in_flight = InFlight()
    claims = [claim(1, 50), claim(2, 3), claim(3, 3), claim(4, 3)]
    in_flight.add(claims)
    assert in_flight.next_to_load(9, 6) == claims[:1]
    assert in_flight.next_to_load(9, 6) == claims[1:3]
    in_flight.put_back(claims[1:3])
    assert in_flight.next_to_load(1, 6) == claims[1:2]


def test_a_run_whose_claim_was_released_while_its_events_were_loaded_is_not_taken() -> None:
    run = make_run(1)
    in_flight = InFlight()
    in_flight.slots = (SlotState(),)
    in_flight.add([run.claim])
    in_flight.next_to_load(1, 1)
    in_flight.remove([run.claim])
    in_flight.add_ready("p", run)
    assert in_flight.take(in_flight.slots[0]) is None


def test_a_batch_has_runs_of_one_pipeline_and_pipelines_take_turns() -> None:
    runs = [make_run(1, "a"), make_run(2, "b"), make_run(3, "a"), make_run(4, "b")]
    in_flight, (slot,) = in_flight_with(*runs)
    assert take_all(in_flight, slot) == [1, 3]
    slot.batch = None
    in_flight.add([claim(5)])
    in_flight.next_to_load(1, 1)
    in_flight.add_ready("a", make_run(5, "a"))
    assert take_all(in_flight, slot) == [2, 4]


@pytest.mark.parametrize(
    ("counts", "commit_batch", "taken"),
    [([1] * 5, 2, 2), ([1] * 5, 1, 1), ([6_000, 3_999, 2], 9, 2), ([20_000, 1], 9, 1)],
)
def test_a_batch_is_bounded_by_streams_and_events(
    counts: list[int], commit_batch: int, taken: int
) -> None:
    runs = [
        make_run(number, event_count=count, commit_batch=commit_batch)
        for number, count in enumerate(counts)
    ]
    in_flight, (slot,) = in_flight_with(*runs)
    assert len(take_all(in_flight, slot)) == taken


def test_a_batch_leaves_work_to_other_slots() -> None:
    in_flight, slots = in_flight_with(*(make_run(number) for number in range(10)), slots=4)
    assert [len(take_all(in_flight, slot)) for slot in slots] == [3, 2, 2, 1]


def test_a_pipeline_gets_no_more_slots_than_its_limit() -> None:
    runs = [make_run(number, "slow") for number in range(8)]
    in_flight, slots = in_flight_with(*runs, make_run(9, "fast"), slots=3)
    in_flight.limit_pipelines({"slow": 1})
    assert take_all(in_flight, slots[0]) == [0, 1, 2]
    assert in_flight.takeable == 1
    assert take_all(in_flight, slots[1]) == [9]
    assert take_all(in_flight, slots[2]) == []
    slots[0].batch = None
    assert take_all(in_flight, slots[2]) == [3, 4]


def test_batches_get_no_further_runs_after_the_limits_have_changed() -> None:
    in_flight, slots = in_flight_with(*(make_run(number) for number in range(10)), slots=2)
    for slot in slots:
        assert in_flight.take(slot) is not None
    in_flight.limit_pipelines({"p": 1})
    assert [take_all(in_flight, slot) for slot in slots] == [[], []]
    slots[0].batch = None  # the other one continues with its run
    assert take_all(in_flight, slots[0]) == []
    slots[1].batch = None
    assert take_all(in_flight, slots[0]) == [2, 3, 4, 5]


def test_claims_of_a_pipeline_without_a_free_slot_are_not_loaded() -> None:
    """Otherwise they could fill the memory that the others need."""
    slow = [make_run(number, "slow", MEMORY_BATCH_EVENTS) for number in range(2)]
    in_flight, slots = in_flight_with(*slow, slots=2)
    in_flight.limit_pipelines({"slow": 1})
    in_flight.pipeline_of = lambda each: "fast" if each.stream_id == 3 else "slow"
    assert in_flight.ready_events == 2 * MEMORY_BATCH_EVENTS
    assert in_flight.take(slots[0]) is slow[0]
    assert in_flight.ready_events == 0
    later = [claim(2), claim(3), claim(4)]
    in_flight.add(later)
    assert in_flight.next_to_load(9, 9) == [later[1]]
    assert in_flight.next_to_load(9, 9) == []
    slots[0].batch = None
    assert in_flight.next_to_load(9, 9) == [later[0], later[2]]


def test_pending_claims_of_single_pipelines_are_released() -> None:
    runs = [make_run(1, "slow"), make_run(2, "fast")]
    in_flight, (slot,) = in_flight_with(*runs)
    in_flight.pipeline_of = lambda each: "slow" if each.stream_id == 3 else None
    unloaded = [claim(3), claim(4)]
    in_flight.add(unloaded)
    assert in_flight.pop_pending({"slow"}) == [unloaded[0], runs[0].claim]
    assert in_flight.renewable() == [runs[1].claim, unloaded[1]]
    assert in_flight.take(slot) is runs[1]


def test_a_slot_that_has_been_replaced_takes_no_run() -> None:
    run = make_run(1)
    in_flight, (slot,) = in_flight_with(run)
    in_flight.slots = (SlotState(),)
    assert in_flight.take(slot) is None


def test_pipelines_are_blocked_by_calls_that_have_taken_long() -> None:
    runs = [make_run(1, "slow"), make_run(2, "fast")]
    in_flight, slots = in_flight_with(*runs, slots=2)
    in_flight.limit_pipelines({"slow": 1, "other": 1})
    assert in_flight.blocked_pipelines(1) == frozenset()
    for run, slot in zip(runs, slots, strict=True):
        assert in_flight.take(slot) is run
    slots[0].calls = HandlerCalls(runs[0], -9.0, 0.0)
    assert in_flight.blocked_pipelines(1) == {"slow"}
    slots[1].calls = HandlerCalls(runs[1], -9.0, 0.0)
    assert in_flight.blocked_pipelines(1) is None


def test_only_a_held_claim_that_is_not_known_lost_may_commit() -> None:
    runs = [make_run(number) for number in range(4)]
    in_flight, (slot,) = in_flight_with(*runs)
    take_all(in_flight, slot)
    for run in runs:
        assert in_flight.await_proof(run, slot)
    in_flight.remove([runs[0].claim])  # timed out
    in_flight.mark_lost([runs[1].claim])
    assert in_flight.begin_commit(runs[2].claim)
    assert in_flight.give_back(slot, keep=runs[3].claim) == [runs[1].claim]
    assert [in_flight.begin_commit(run.claim) for run in runs] == [False, False, True, True]
    assert in_flight.give_back(slot) == []


def test_a_claim_that_has_ended_is_not_taken_for_a_later_one_of_its_stream() -> None:
    earlier, later = make_run(1), make_run(1)
    in_flight, (slot,) = in_flight_with(earlier)
    take_all(in_flight, slot)
    in_flight.remove([earlier.claim])
    in_flight.add([later.claim])
    assert not in_flight.await_proof(earlier, slot)
    assert not in_flight.begin_commit(earlier.claim)
    in_flight.remove([earlier.claim])
    assert in_flight.renewable() == [later.claim]


def test_nothing_is_known_of_an_interrupted_commit_when_its_stream_is_claimed_again() -> None:
    run = make_run(1)
    in_flight, (slot,) = in_flight_with(run)
    take_all(in_flight, slot)
    assert in_flight.begin_commit(run.claim)
    in_flight.clear()
    again = claim(1)
    in_flight.add([again])
    snapshot = in_flight.shut_down()
    assert (snapshot.uncommitted, snapshot.committed) == ([again], [])
    assert in_flight.take(slot) is None


def test_only_the_time_in_handlers_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    monkeypatch.setattr(slot_state, "monotonic", clock)
    run = make_run(1)
    for _ in range(2):
        calls = HandlerCalls(run, clock.seconds, run.handler_seconds)
        clock.seconds += 2
        run.handler_seconds = calls.seconds()
        clock.seconds += 4
    calls = HandlerCalls(run, clock.seconds, run.handler_seconds)
    clock.seconds += 1
    assert (calls.current_seconds(), calls.seconds()) == (1, 5)


def test_a_run_past_its_timeout_is_no_released_claim_at_a_forced_shutdown(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    runs = [make_run(1), make_run(2)]
    in_flight, (slot,) = in_flight_with(*runs)
    assert in_flight.take(slot) is runs[0]
    slot.calls = HandlerCalls(runs[0], 0.0, 0.0)
    in_flight.remove([runs[0].claim])
    release_in_flight(scene.store, in_flight, Counters())
    assert "run interrupted by forced shutdown: stream=1" in caplog.text
    assert "claims released by forced shutdown: streams=1" in caplog.text


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
