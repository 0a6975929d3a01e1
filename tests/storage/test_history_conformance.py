"""Every store: a stream's history has the time of each state and the worker of each claim."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from support.builders.events import (
    NOON,
    VM,
    at,
    claim_all,
    ingest,
    make_event,
    only_stream,
    ready_to_fire,
)
from winchester_core.clock import FixedTime
from winchester_core.model.stream import (
    CLAIM_REASONS,
    MAX_HISTORY_LENGTH,
    TRANSITIONS,
    Reason,
    StreamState,
    states_for_reason,
)
from winchester_core.storage.records import Completion, Failure, StreamVersion

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store

NOTHING = timedelta(0)


def history_of(store: Store) -> list[tuple[str, str | None]]:
    """Return the states and workers of the only stream's history."""
    return [(each.state.value, each.worker) for each in only_stream(store).history]


def fail(store: Store, worker: str, *, final: bool = False) -> None:
    (claim,) = claim_all(store, worker=worker)
    store.fail(Failure(claim, "failed", NOTHING, final=final), max_attempts=99)


def test_an_open_stream_has_none(store: Store) -> None:
    ingest(store, VM, make_event("1"))
    assert only_stream(store).history == ()


def test_each_change_has_its_time_and_a_claim_its_worker(store: Store) -> None:
    ready_to_fire(store, "a")
    before = store.real_time()
    fail(store, "w-1")
    fail(store, "w 2", final=True)
    store.reset_stream(only_stream(store).id)
    (claim,) = claim_all(store, worker="w-3")
    store.complete([Completion(claim, purge=False)], FixedTime(NOON))
    after = store.real_time()
    assert history_of(store) == [
        ("firing", "w-1"),
        ("retry_fire", None),
        ("firing", "w 2"),
        ("error", None),
        ("retry_fire", None),
        ("firing", "w-3"),
        ("completed", None),
    ]
    times = [each.at for each in only_stream(store).history]
    assert times == sorted(times)
    assert before <= times[0] <= times[-1] <= after


@pytest.mark.parametrize("reason", CLAIM_REASONS)
def test_a_release_and_a_rescue_are_changes(store: Store, reason: Reason) -> None:
    kind = "vm.end" if reason is Reason.FIRE else "vm.update"
    ingest(store, VM, make_event("1", kind))
    states = states_for_reason(reason)
    released = claim_all(store, reason, now=at(3600))
    store.release(released)
    claim_all(store, reason, worker="w2", lease=timedelta(seconds=-1))
    store.rescue(max_attempts=99, limit=9)
    store.claim_trial(worker="w3", lease=timedelta(seconds=60))
    store.release_all("w3")
    store.claim_trial(worker="w4", lease=timedelta(seconds=-1))
    store.rescue(max_attempts=1, limit=9)
    assert history_of(store) == [
        (states.working, "w1"),
        (states.retry, None),
        (states.working, "w2"),
        (states.retry, None),
        (states.working, "w3"),
        (states.retry, None),
        (states.working, "w4"),
        (states.failed, None),
    ]


def test_a_bulk_reset_is_a_change(store: Store) -> None:
    ready_to_fire(store, "a")
    fail(store, "w", final=True)
    stream = only_stream(store)
    store.reset_streams([StreamVersion(stream.id, stream.state_serial_no)])
    assert history_of(store)[-1] == ("retry_fire", None)


def test_every_change_is_in_the_transition_table(store: Store) -> None:
    ready_to_fire(store, "a")
    fail(store, "w-1")
    fail(store, "w-2", final=True)
    states = [StreamState.ACTIVE, *(each.state for each in only_stream(store).history)]
    for before, after in pairwise(states):
        assert after in TRANSITIONS[before]


def test_the_oldest_changes_are_cut_off(store: Store) -> None:
    ready_to_fire(store, "a")
    worker = "w" * 200
    for number in range(20):
        fail(store, f"{worker}-{number}")
    history = only_stream(store).history
    kept = [each.worker for each in history if each.worker]
    assert kept == [f"{worker}-{number}" for number in range(20)][-len(kept) :]
    assert 10 <= len(kept) <= MAX_HISTORY_LENGTH / len(worker)
    assert len(history) - len(kept) in (len(kept), len(kept) + 1)


def test_line_breaks_in_a_worker_name_are_replaced(store: Store) -> None:
    ready_to_fire(store, "a")
    claim_all(store, worker="one\ntwo Ä \U0001f600")
    assert history_of(store) == [("firing", "one two Ä \U0001f600")]
