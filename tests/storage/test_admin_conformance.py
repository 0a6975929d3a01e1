"""Every store: reset, discard and purge of streams."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from support.builders.events import (
    LEASE,
    NOON,
    VM,
    at,
    claim_all,
    ingest,
    make_event,
    only_stream,
)
from winchester_core.clock import FixedTime
from winchester_core.errors import IllegalTransition, UnknownStream
from winchester_core.model.stream import CLAIM_REASONS, Reason, StreamState, states_for_reason
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.storage.records import Claim, Completion, Failure, StreamVersion

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store

NOTHING = timedelta(0)


def claim(store: Store, reason: Reason) -> Claim:
    (claim,) = store.claim_ready(worker="w", reason=reason, now=at(3600), limit=1, lease=LEASE)
    return claim


def create_in_state(store: Store, state: StreamState) -> int:
    """Create a stream in `state`; return its id."""
    expires = state in (
        StreamState.EXPIRING,
        StreamState.EXPIRE_ERROR,
        StreamState.RETRY_EXPIRE,
    )
    ingest(store, VM, make_event("1", "vm.update" if expires else "vm.end"))
    stream_id = only_stream(store).id
    if state is not StreamState.ACTIVE:
        held = claim(store, Reason.EXPIRE if expires else Reason.FIRE)
        states = states_for_reason(held.reason)
        if state is StreamState.COMPLETED:
            store.complete([Completion(held, purge=False)], FixedTime(NOON))
        elif state is states.retry:
            store.fail(Failure(held, "failed", timedelta(hours=1)), max_attempts=5)
        elif state is states.failed:
            store.fail(Failure(held, "failed", NOTHING, final=True), max_attempts=5)
    assert only_stream(store).state is state
    return stream_id


class TestReset:
    """A stream in error becomes ready again."""

    @pytest.mark.parametrize("reason", CLAIM_REASONS)
    def test_a_stream_in_error_becomes_ready_with_0_failures(
        self, store: Store, reason: Reason
    ) -> None:
        states = states_for_reason(reason)
        stream_id = create_in_state(store, states.failed)
        assert store.reset_stream(stream_id) is states.retry
        stream = only_stream(store)
        assert (stream.state, stream.state_serial_no) == (states.retry, 3)
        assert (stream.failures, stream.worker, stream.last_error) == (0, None, None)
        assert not stream.is_open
        again = claim(store, reason)
        assert (again.attempt, again.failures, again.serial) == (2, 0, 4)

    @pytest.mark.parametrize(
        "state", [s for s in StreamState if s not in (StreamState.ERROR, StreamState.EXPIRE_ERROR)]
    )
    def test_a_stream_in_any_other_state_is_not_reset(
        self, store: Store, state: StreamState
    ) -> None:
        stream_id = create_in_state(store, state)
        before = only_stream(store)
        with pytest.raises(IllegalTransition, match=state):
            store.reset_stream(stream_id)
        assert only_stream(store) == before

    def test_an_unknown_stream_is_an_error(self, store: Store) -> None:
        with pytest.raises(UnknownStream):
            store.reset_stream(1)


def versions_of(store: Store) -> list[StreamVersion]:
    return [StreamVersion(each.id, each.state_serial_no) for each in store.find_streams()]


def fail_all(store: Store, reason: Reason, *instances: str) -> None:
    """Create streams of these instances in error."""
    kind = "vm.end" if reason is Reason.FIRE else "vm.update"
    ingest(store, VM, *(make_event(f"m-{each}", kind, instance=each) for each in instances))
    claims = store.claim_ready(worker="w", reason=reason, now=at(3600), limit=99, lease=LEASE)
    assert len(claims) == len(instances)
    for each in claims:
        store.fail(Failure(each, "failed", NOTHING, final=True), max_attempts=5)


class TestBulkActions:
    """Streams in error are reset or discarded together, unless they have changed meanwhile."""

    def test_streams_in_error_become_ready_for_their_own_reason(self, store: Store) -> None:
        fail_all(store, Reason.FIRE, "a", "b")
        fail_all(store, Reason.EXPIRE, "c")
        states = store.reset_streams(versions_of(store))
        streams = store.find_streams()
        assert {each.id: each.state for each in streams} == states
        assert sorted(states.values()) == ["retry_expire", "retry_fire", "retry_fire"]
        for each in streams:
            assert (each.failures, each.worker, each.last_error) == (0, None, None)
            assert each.state_serial_no == 3
        assert len(claim_all(store)) == 2

    def test_streams_in_error_are_removed_and_their_events_stay(self, store: Store) -> None:
        fail_all(store, Reason.FIRE, "a", "b")
        ids = {each.id for each in store.find_streams()}
        assert store.discard_streams(versions_of(store)) == ids
        assert store.count_streams() == 0
        assert store.events_of(list(ids)) == {each: [] for each in ids}
        assert store.count_events() == 2

    @pytest.mark.parametrize("act", ["reset_streams", "discard_streams"])
    def test_changed_or_deleted_streams_are_skipped(self, store: Store, act: str) -> None:
        fail_all(store, Reason.FIRE, "same", "changed", "gone")
        versions = versions_of(store)
        by_instance = {each.distinguished_by["instance"]: each for each in store.find_streams()}
        changed = by_instance["changed"].id
        store.reset_stream(changed)
        (again,) = claim_all(store)
        store.fail(Failure(again, "failed again", NOTHING, final=True), max_attempts=5)
        store.purge_stream(by_instance["gone"].id)
        assert set(getattr(store, act)(versions)) == {by_instance["same"].id}
        assert store.get_stream_by_id(changed).last_error == "failed again"

    @pytest.mark.parametrize("act", ["reset_streams", "discard_streams"])
    @pytest.mark.parametrize(
        "state", [s for s in StreamState if s not in (StreamState.ERROR, StreamState.EXPIRE_ERROR)]
    )
    def test_streams_not_in_error_are_skipped(
        self, store: Store, act: str, state: StreamState
    ) -> None:
        create_in_state(store, state)
        before = only_stream(store)
        assert not getattr(store, act)(versions_of(store))
        assert only_stream(store) == before

    @pytest.mark.parametrize("act", ["reset_streams", "discard_streams"])
    def test_an_empty_list_changes_nothing(self, store: Store, act: str) -> None:
        assert not getattr(store, act)([])


class TestPurge:
    """A stream is removed with its links, and its events stay."""

    @pytest.mark.parametrize(
        "state", [s for s in StreamState if s not in (StreamState.FIRING, StreamState.EXPIRING)]
    )
    def test_an_unclaimed_stream_is_removed(self, store: Store, state: StreamState) -> None:
        stream_id = create_in_state(store, state)
        store.purge_stream(stream_id)
        assert store.count_streams(StreamFilter()) == 0
        assert store.events_of([stream_id]) == {stream_id: []}
        assert store.count_events(EventFilter()) == 1
        with pytest.raises(UnknownStream):
            store.purge_stream(stream_id)

    @pytest.mark.parametrize("state", [StreamState.FIRING, StreamState.EXPIRING])
    def test_a_claimed_stream_is_not_removed(self, store: Store, state: StreamState) -> None:
        stream_id = create_in_state(store, state)
        with pytest.raises(IllegalTransition, match=state):
            store.purge_stream(stream_id)
        assert len(store.get_stream_events(stream_id)) == 1

    def test_a_purge_releases_the_group_key(self, store: Store) -> None:
        purged = create_in_state(store, StreamState.ACTIVE)
        store.purge_stream(purged)
        assert ingest(store, VM, make_event("2")).streams_opened == 1
        assert only_stream(store).id != purged
        assert [e["message_id"] for e in store.get_stream_events(only_stream(store).id)] == ["2"]
