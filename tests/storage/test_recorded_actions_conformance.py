"""Every store: an operator's action is stored in the transaction of its changes."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import claim_all, ready_to_fire
from support.builders.operations import make_action
from support.scenes.outbox_operations import (
    claim_effects,
    deliver_all,
    make_dead_letter,
    queue_effects,
)
from winchester_core.errors import (
    IllegalTransition,
    StorageError,
    UnknownRejectedMessage,
    UnknownStream,
)
from winchester_core.model.effect import EffectState
from winchester_core.model.stream import StreamState
from winchester_core.storage.effect_records import EffectFilter, EffectRefused
from winchester_core.storage.records import Failure, Rejection, StreamVersion
from winchester_core.storage.sql import actions
from winchester_core.telemetry.debug_counts import DebugGroup

if TYPE_CHECKING:
    from collections.abc import Callable

    from winchester_core.storage.interface import Store
    from winchester_core.storage.sql.store import SqlStore

UNCOUNTED = 99
"""A number of the given action, which is not stored."""

ACTION = make_action(name="größe  alice", action="some.action", number=UNCOUNTED)


def fail_streams(store: Store, *instances: str) -> list[StreamVersion]:
    """Create streams in error; return their versions."""
    ready_to_fire(store, *instances)
    for claim in claim_all(store):
        store.fail(Failure(claim, "failed", timedelta(0), final=True), max_attempts=5)
    return [StreamVersion(each.id, each.state_serial_no) for each in store.find_streams()]


def reject(store: Store, *bodies: bytes) -> list[int]:
    """Store rejected messages; return their ids."""
    for body in bodies:
        digest = hashlib.sha256(body).digest()
        store.insert_rejected([Rejection("queue", "event", "bad", body, len(body), digest)])
    return [each.id for each in store.find_rejected()]


def stored_numbers(store: Store) -> list[int]:
    """Return the numbers of the stored actions, which are otherwise equal to `ACTION`."""
    found = store.find_actions()
    for each in found:
        assert (each.name, each.role, each.address) == (ACTION.name, ACTION.role, ACTION.address)
        assert (each.action, each.target) == (ACTION.action, ACTION.target)
    return [each.number for each in found]


def test_a_reset_is_stored_with_its_number_and_in_the_history(store: Store) -> None:
    versions = fail_streams(store, "a", "b", "c")
    store.purge_stream(versions[2].stream_id)
    assert len(store.reset_streams(versions, action=ACTION)) == 2
    assert stored_numbers(store) == [2]
    for stream in store.find_streams():
        last = stream.history[-1]
        assert (last.state, last.worker) == (StreamState.RETRY_FIRE, "größe alice")
        assert stream.worker is None


def test_a_reset_without_an_action_names_nobody(store: Store) -> None:
    (version,) = fail_streams(store, "a")
    store.reset_streams([version])
    (stream,) = store.find_streams()
    assert stream.history[-1].worker is None
    assert store.find_actions() == []


def test_a_discard_and_a_purge_of_streams_are_stored(store: Store) -> None:
    versions = fail_streams(store, "a", "b", "c", "d")
    assert len(store.discard_streams(versions[:3], action=ACTION)) == 3
    store.purge_stream(versions[3].stream_id, action=ACTION)
    assert store.count_streams() == 0
    assert stored_numbers(store) == [3, 1]


def test_an_action_on_rejected_messages_is_stored(store: Store) -> None:
    first, second, *others = reject(store, b"1", b"2", b"3", b"4")
    store.set_rejected_reason(first, "still bad", action=ACTION)
    store.delete_rejected(second, action=ACTION)
    ids = [*others, second, others[0]]
    assert store.delete_rejected_messages(ids, action=ACTION) == frozenset(others)
    assert stored_numbers(store) == [1, 1, 2]
    assert [(each.id, each.reason) for each in store.find_rejected()] == [(first, "still bad")]
    assert store.delete_rejected_messages([first]) == {first}
    assert stored_numbers(store) == [1, 1, 2]


def test_a_reset_of_debug_counts_is_stored(store: Store) -> None:
    store.add_debug_counts({"usage": DebugGroup(matched=1)})
    assert store.reset_debug_counts("usage", action=ACTION)
    assert not store.reset_debug_counts("usage", action=ACTION)
    assert stored_numbers(store) == [1]


def test_an_action_that_changes_nothing_is_not_stored(store: Store) -> None:
    ready_to_fire(store, "a")
    active = [StreamVersion(each.id, each.state_serial_no) for each in store.find_streams()]
    assert not store.reset_streams(active, action=ACTION)
    assert not store.discard_streams([], action=ACTION)
    assert not store.retry_effects([404], action=ACTION)
    assert not store.discard_effects([], action=ACTION)
    assert not store.delete_rejected_messages([404], action=ACTION)
    assert store.find_actions() == []


def test_an_action_that_fails_is_not_stored(store: Store) -> None:
    ready_to_fire(store, "a")
    (claim,) = claim_all(store)
    failing: list[tuple[type[Exception], Callable[..., Any], tuple[Any, ...]]] = [
        (IllegalTransition, store.purge_stream, (claim.stream_id,)),
        (UnknownStream, store.purge_stream, (404,)),
        (UnknownRejectedMessage, store.delete_rejected, (404,)),
        (UnknownRejectedMessage, store.set_rejected_reason, (404, "bad")),
    ]
    for error, method, arguments in failing:
        with pytest.raises(error):
            method(*arguments, action=ACTION)
    assert store.find_actions() == []


def test_without_its_action_nothing_is_changed(
    sql_store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = fail_streams(sql_store, "a")
    rejected_ids = reject(sql_store, b"1")
    letter = make_dead_letter(sql_store, "b")

    def fail(*_arguments: object) -> None:
        raise StorageError("no space left")

    monkeypatch.setattr(actions, "record", fail)
    for method, argument in (
        (sql_store.reset_streams, versions),
        (sql_store.discard_streams, versions),
        (sql_store.purge_stream, versions[0].stream_id),
        (sql_store.retry_effects, [letter]),
        (sql_store.discard_effects, [letter]),
        (sql_store.delete_rejected_messages, rejected_ids),
        (sql_store.delete_rejected, rejected_ids[0]),
    ):
        with pytest.raises(StorageError, match="no space left"):
            method(argument, action=ACTION)
    assert [each.state for each in sql_store.find_streams()] == [StreamState.ERROR]
    assert sql_store.get_effect(letter).state is EffectState.DEAD
    assert sql_store.count_rejected() == 1


class TestEffects:
    """Effects are retried or discarded together, except effects that a worker delivers."""

    def test_a_retry_skips_claimed_and_unknown_effects(self, store: Store) -> None:
        letter = make_dead_letter(store, "a")
        queue_effects(store, b=["b"])
        (claim,) = claim_effects(store)
        assert store.retry_effects([letter, claim.id, 10**9], action=ACTION) == {letter}
        assert stored_numbers(store) == [1]
        retried = store.get_effect(letter)
        assert (retried.state, retried.attempts, retried.last_error) == ("pending", 0, None)
        assert store.get_effect(claim.id).worker == "w1"

    def test_only_effects_in_the_given_states_are_changed(self, store: Store) -> None:
        letter = make_dead_letter(store, "a")
        queue_effects(store, b=["b"])
        (pending,) = store.find_effects(EffectFilter(state=EffectState.PENDING))
        ids, dead = [letter, pending.id], [EffectState.DEAD]
        assert store.retry_effects(ids, [EffectState.DISCARDED], action=ACTION) == frozenset()
        assert store.retry_effects(ids, dead, action=ACTION) == {letter}
        assert store.discard_effects(ids, dead, action=ACTION) == frozenset()
        assert store.discard_effects(ids, action=ACTION) == set(ids)
        assert stored_numbers(store) == [1, 2]
        assert store.count_effects() == 0

    def test_retried_effects_of_one_ordering_key_keep_their_order(self, store: Store) -> None:
        queue_effects(store, a=["a1", "a2", "a3", "a4"], b=["b1", "b2"])
        for _ in range(2):
            store.apply_effect_results([EffectRefused(each, "no") for each in claim_effects(store)])
        ids = [each.id for each in store.find_effects()]
        assert store.retry_effects(ids[::-1]) == set(ids)
        heads = [each.payload for each in store.find_effects() if each.due_at is not None]
        assert heads == ['"a1"', '"b1"']
        delivered = deliver_all(store)
        assert [each for each in delivered if each[0] == "a"] == ["a1", "a2", "a3", "a4"]
        assert [each for each in delivered if each[0] == "b"] == ["b1", "b2"]

    def test_dead_letters_wait_for_a_claimed_effect(self, store: Store) -> None:
        queue_effects(store, a=["a1", "a2", "a3"])
        (first,) = claim_effects(store)
        store.apply_effect_results([EffectRefused(first, "no")])
        (second,) = claim_effects(store)
        third = store.find_effects()[-1].id
        assert store.retry_effects([first.id, second.id, third]) == {first.id, third}
        assert [each.due_at is not None for each in store.find_effects()] == [False, True, False]

    def test_the_next_effect_becomes_the_head_after_a_discard(self, store: Store) -> None:
        queue_effects(store, a=["a1", "a2", "a3", "a4"], b=["b1"])
        ids = {each.payload: each.id for each in store.find_effects()}
        discarded = [ids[f'"{each}"'] for each in ("a1", "a2", "a4", "b1")]
        assert store.discard_effects(discarded, action=ACTION) == set(discarded)
        assert stored_numbers(store) == [4]
        assert deliver_all(store) == ["a3"]

    def test_many_effects_are_changed_in_one_call(self, store: Store) -> None:
        queue_effects(store, a=[f"a{number}" for number in range(600)], b=["b"])
        ids = [each.id for each in store.find_effects(limit=1_000)]
        assert len(store.retry_effects(ids)) == 601
        assert deliver_all(store)[:2] == ["a0", "b"]
        queue_effects(store, c=[f"c{number}" for number in range(600)])
        ids = [each.id for each in store.find_effects(limit=1_000)]
        assert len(store.discard_effects(ids, action=ACTION)) == 600
        assert stored_numbers(store) == [600]
