"""Every store: effects are found, retried and discarded by an operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.builders.events import LEASE
from support.scenes.outbox_operations import (
    HOUR,
    HTTP,
    NOW,
    claim_effects,
    claim_streams,
    deliver_all,
    make_dead_letter,
    make_queued_effect,
    queue_effects,
)
from winchester_core.errors import EffectInProgress, UnknownEffect
from winchester_core.model.effect import EffectState, Endpoint
from winchester_core.model.json import dump_payload
from winchester_core.storage.effect_records import (
    EffectDelayed,
    EffectDelivered,
    EffectFilter,
    EffectRefused,
    EffectResultCounts,
)
from winchester_core.storage.records import Completion

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store


class TestRetry:
    """A retry makes dead letters pending again, and pending effects due now."""

    def test_a_retried_dead_letter_is_as_if_just_recorded(self, store: Store) -> None:
        letter = make_dead_letter(store)
        before = store.real_time()
        again = store.retry_effect(letter)
        assert again == store.get_effect(letter)
        assert (again.state, again.attempts) == (EffectState.PENDING, 0)
        assert (again.worker, again.last_error) == (None, None)
        assert before <= again.waiting_since <= store.real_time()
        (claim,) = claim_effects(store)
        assert (claim.effect.attempt, claim.effect.created_at) == (1, again.created_at)

    def test_a_retried_delayed_effect_is_due_now(self, store: Store) -> None:
        queue_effects(store, a=["a"])
        (claim,) = claim_effects(store)
        store.apply_effect_results([EffectDelayed(claim, HOUR, "busy")])
        assert store.retry_effect(claim.id).last_error == "busy"
        (claim,) = claim_effects(store)
        assert claim.effect.attempt == 2

    def test_a_retried_effect_behind_another_keeps_waiting(self, store: Store) -> None:
        queue_effects(store, a=["a1", "a2"])
        assert store.retry_effect(store.find_effects()[1].id).due_at is None
        assert deliver_all(store) == ["a1", "a2"]

    def test_a_retried_dead_letter_precedes_later_effects(self, store: Store) -> None:
        queue_effects(store, a=["a1", "a2", "a3"])
        (claim,) = claim_effects(store)
        store.apply_effect_results([EffectRefused(claim, "no")])
        assert store.retry_effect(claim.id).due_at is not None
        assert deliver_all(store) == ["a1", "a2", "a3"]

    def test_a_retried_dead_letter_does_not_precede_a_claimed_effect(self, store: Store) -> None:
        queue_effects(store, a=["a1", "a2", "a3"])
        (first,) = claim_effects(store)
        store.apply_effect_results([EffectRefused(first, "no")])
        (second,) = claim_effects(store)
        assert store.retry_effect(first.id).due_at is None
        assert claim_effects(store) == []
        store.apply_effect_results([EffectDelivered(second)])
        assert deliver_all(store) == ["a1", "a3"]

    def test_a_retry_of_a_claimed_effect_is_refused(self, store: Store) -> None:
        queue_effects(store, a=["a"])
        (claim,) = claim_effects(store)
        with pytest.raises(EffectInProgress, match="w1"):
            store.retry_effect(claim.id)
        assert store.apply_effect_results([EffectDelivered(claim)]) == EffectResultCounts(
            delivered=1
        )

    def test_a_retried_effect_of_a_dead_worker_is_due_now(self, store: Store) -> None:
        queue_effects(store, a=["a"])
        (lost,) = claim_effects(store, lease=-LEASE)
        assert store.retry_effect(lost.id).worker is None
        assert store.apply_effect_results([EffectDelivered(lost)]) == EffectResultCounts(lost=1)
        assert deliver_all(store) == ["a"]

    def test_a_retry_of_an_unknown_effect_is_an_error(self, store: Store) -> None:
        with pytest.raises(UnknownEffect):
            store.retry_effect(10**9)


class TestDiscard:
    """A discard deletes effects."""

    def test_a_discarded_dead_letter_is_deleted(self, store: Store) -> None:
        letter = make_dead_letter(store)
        store.discard_effect(letter)
        with pytest.raises(UnknownEffect):
            store.get_effect(letter)
        with pytest.raises(UnknownEffect):
            store.discard_effect(letter)

    def test_the_effect_after_a_discarded_one_becomes_the_head(self, store: Store) -> None:
        queue_effects(store, a=["a1", "a2", "a3"])
        first, second, _ = store.find_effects()
        store.discard_effect(second.id)
        store.discard_effect(first.id)
        assert deliver_all(store) == ["a3"]

    def test_a_discard_of_a_claimed_effect_is_refused(self, store: Store) -> None:
        queue_effects(store, a=["a"])
        (claim,) = claim_effects(store)
        with pytest.raises(EffectInProgress):
            store.discard_effect(claim.id)
        assert store.apply_effect_results([EffectDelivered(claim)]) == EffectResultCounts(
            delivered=1
        )


class TestFinding:
    """Effects are found by filters, in pages."""

    @pytest.fixture
    def stocked(self, store: Store) -> Store:
        a, b = claim_streams(store, "a", "b")
        store.complete(
            [
                Completion(a, effects=(make_queued_effect("a1"), make_queued_effect("a2", HTTP))),
                Completion(
                    b,
                    effects=(
                        make_queued_effect("b1"),
                        make_queued_effect("b2", Endpoint("expire", "mail")),
                    ),
                ),
            ],
            NOW,
        )
        claim = next(each for each in claim_effects(store) if each.effect.payload == "b1")
        store.apply_effect_results([EffectRefused(claim, "no")])
        return store

    @pytest.mark.parametrize(
        ("filters", "found"),
        [
            (EffectFilter(), ["a1", "a2", "b1", "b2"]),
            (EffectFilter(state=EffectState.DEAD), ["b1"]),
            (EffectFilter(state=EffectState.PENDING, handler="mail"), ["a1", "b2"]),
            (EffectFilter(pipeline="expire"), ["b2"]),
            (EffectFilter(pipeline="fire", handler="http"), ["a2"]),
            (EffectFilter(stream_id=10**9), []),
            (EffectFilter(handler="\udcff"), []),
            (EffectFilter(pipeline="a\0b"), []),
        ],
    )
    def test_a_filter_selects_the_same_effects_to_find_and_to_count(
        self, stocked: Store, filters: EffectFilter, found: list[str]
    ) -> None:
        expected = [dump_payload(each) for each in found]
        assert [each.payload for each in stocked.find_effects(filters)] == expected
        assert stocked.count_effects(filters) == len(found)

    def test_a_filter_selects_the_effects_of_one_stream(self, stocked: Store) -> None:
        first = stocked.find_effects(limit=1)[0]
        filters = EffectFilter(stream_id=first.stream_id)
        assert stocked.count_effects(filters) == 2
        assert {each.stream_id for each in stocked.find_effects(filters)} == {first.stream_id}

    def test_older_than_and_younger_than_compare_the_time_of_recording(
        self, stocked: Store
    ) -> None:
        now = stocked.real_time()
        assert stocked.count_effects(EffectFilter(older_than=now - HOUR)) == 0
        assert stocked.count_effects(EffectFilter(older_than=now + HOUR)) == 4
        assert stocked.count_effects(EffectFilter(younger_than=now - HOUR)) == 4
        assert stocked.count_effects(EffectFilter(younger_than=now + HOUR)) == 0

    def test_pages_follow_each_other_by_id(self, stocked: Store) -> None:
        first = stocked.find_effects(limit=3)
        assert len(first) == 3
        rest = stocked.find_effects(cursor=first[-1].id, limit=3)
        assert [each.id for each in first + rest] == [each.id for each in stocked.find_effects()]
