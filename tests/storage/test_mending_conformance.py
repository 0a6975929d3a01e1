"""Every store: what an operator may do to a stream."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from builders import NOON, at, ingest, make_event, make_trigger, only_stream
from winchester_core.errors import IllegalTransition, UnknownStream
from winchester_core.model.stream import Reason, StreamState, lane_of
from winchester_core.storage.records import Claim, Completion, EventFilter, Failure, StreamFilter
from winchester_core.triggers.stream_time import FixedTime

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store

VM = make_trigger()
LEASE = timedelta(minutes=5)
NOTHING = timedelta(0)


def claim(store: Store, reason: Reason) -> Claim:
    (claim,) = store.claim_ready(worker="w", reason=reason, now=at(3600), limit=1, lease=LEASE)
    return claim


def put_into(store: Store, state: StreamState) -> int:
    """Bring a new stream into `state`; return its id."""
    expires = state in (
        StreamState.EXPIRING,
        StreamState.EXPIRE_ERROR,
        StreamState.RETRY_EXPIRE,
    )
    ingest(store, VM, make_event("1", "vm.update" if expires else "vm.end"))
    stream_id = only_stream(store).id
    if state is not StreamState.ACTIVE:
        held = claim(store, Reason.EXPIRE if expires else Reason.FIRE)
        lane = lane_of(held.reason)
        if state is StreamState.COMPLETED:
            store.complete([Completion(held, purge=False)], FixedTime(NOON))
        elif state is lane.retry:
            store.fail(Failure(held, "failed", timedelta(hours=1)), max_attempts=5)
        elif state is lane.failed:
            store.fail(Failure(held, "failed", NOTHING, final=True), max_attempts=5)
    assert only_stream(store).state is state
    return stream_id


class TestReset:
    """A stream in error becomes ready again."""

    @pytest.mark.parametrize("reason", Reason)
    def test_a_stream_in_error_is_ready_with_all_its_attempts(
        self, store: Store, reason: Reason
    ) -> None:
        lane = lane_of(reason)
        stream_id = put_into(store, lane.failed)
        assert store.reset_stream(stream_id) is lane.retry
        stream = only_stream(store)
        assert (stream.state, stream.state_serial_no) == (lane.retry, 3)
        assert (stream.attempts, stream.worker, stream.last_error) == (0, None, None)
        assert not stream.is_open
        again = claim(store, reason)
        assert (again.attempt, again.serial) == (1, 4)

    @pytest.mark.parametrize(
        "state", [s for s in StreamState if s not in (StreamState.ERROR, StreamState.EXPIRE_ERROR)]
    )
    def test_a_stream_in_any_other_state_is_not_reset(
        self, store: Store, state: StreamState
    ) -> None:
        stream_id = put_into(store, state)
        before = only_stream(store)
        with pytest.raises(IllegalTransition, match=state):
            store.reset_stream(stream_id)
        assert only_stream(store) == before

    def test_an_unknown_stream_is_an_error(self, store: Store) -> None:
        with pytest.raises(UnknownStream):
            store.reset_stream(1)


class TestPurge:
    """A stream is removed with its links, and its events stay."""

    @pytest.mark.parametrize(
        "state", [s for s in StreamState if s not in (StreamState.FIRING, StreamState.EXPIRING)]
    )
    def test_a_stream_in_nobodys_hands_is_removed(self, store: Store, state: StreamState) -> None:
        stream_id = put_into(store, state)
        store.purge_stream(stream_id)
        assert store.count_streams(StreamFilter()) == 0
        assert store.events_of([stream_id]) == {stream_id: []}
        assert store.count_events(EventFilter()) == 1
        with pytest.raises(UnknownStream):
            store.purge_stream(stream_id)

    @pytest.mark.parametrize("state", [StreamState.FIRING, StreamState.EXPIRING])
    def test_a_stream_in_a_workers_hands_is_not(self, store: Store, state: StreamState) -> None:
        stream_id = put_into(store, state)
        with pytest.raises(IllegalTransition, match=state):
            store.purge_stream(stream_id)
        assert len(store.get_stream_events(stream_id)) == 1

    def test_the_group_of_a_purged_stream_is_free(self, store: Store) -> None:
        purged = put_into(store, StreamState.ACTIVE)
        store.purge_stream(purged)
        assert ingest(store, VM, make_event("2")).streams_opened == 1
        assert only_stream(store).id != purged
        assert [e["message_id"] for e in store.get_stream_events(only_stream(store).id)] == ["2"]
