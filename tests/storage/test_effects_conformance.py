"""Every store: effects are recorded with their stream, and claimed in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import LEASE, NOON
from support.scenes.failing_transactions import crash_at
from support.scenes.outbox_operations import (
    HOUR,
    HTTP,
    MAIL,
    NOW,
    claim_effects,
    claim_streams,
    deliver_all,
    make_queued_effect,
    payloads,
    queue_effects,
)
from winchester_core.failpoints import Failpoint
from winchester_core.model.effect import EffectState, Endpoint
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


class TestRecording:
    """Effects are recorded in the transaction that completes their stream."""

    def test_they_name_their_stream_and_handler(self, store: Store) -> None:
        (a,) = claim_streams(store, "a")
        effect = make_queued_effect({"text": "hello"})
        before = store.real_time()
        store.complete([Completion(a, effects=(effect,))], NOW)
        (stored,) = store.find_effects()
        assert (stored.effect_id, stored.payload) == (effect.id, effect.payload)
        assert (stored.stream_id, stored.stream_name) == (a.stream_id, "vm")
        assert (stored.endpoint, stored.state) == (MAIL, EffectState.PENDING)
        assert (stored.attempts, stored.worker, stored.last_error) == (0, None, None)
        assert before <= stored.created_at <= store.real_time()
        assert stored.created_at == stored.waiting_since == stored.due_at
        (claim,) = claim_effects(store)
        assert claim.effect.id == effect.id
        assert claim.effect.payload == {"text": "hello"}
        assert (claim.effect.stream_id, claim.effect.stream_name) == (a.stream_id, "vm")
        assert (claim.effect.pipeline, claim.effect.handler) == ("fire", "mail")
        assert (claim.effect.attempt, claim.effect.created_at) == (1, stored.created_at)

    def test_a_lost_claim_records_nothing(self, store: Store) -> None:
        a, b = claim_streams(store, "a", "b")
        store.release([b])
        completions = [
            Completion(each, effects=(make_queued_effect(each.stream_id),)) for each in (a, b)
        ]
        store.complete(completions, NOW)
        assert deliver_all(store) == [a.stream_id]

    def test_discarded_effects_are_kept_with_their_reason_and_block_nothing(
        self, store: Store
    ) -> None:
        a, b = claim_streams(store, "a", "b")
        discarded = (make_queued_effect(1), make_queued_effect(2))
        store.complete(
            [
                Completion(a, effects=discarded, discard_reason="replay"),
                Completion(b, effects=(make_queued_effect(3),)),
            ],
            NOW,
        )
        kept = store.find_effects(EffectFilter(state=EffectState.DISCARDED))
        assert [(each.payload, each.due_at, each.last_error) for each in kept] == [
            ("1", None, "replay"),
            ("2", None, "replay"),
        ]
        assert payloads(claim_effects(store)) == [3]
        assert store.mark_overdue_effects_dead(max_age=-HOUR, limit=9) == {}
        assert store.statistics(NOON).effects[MAIL].pending == 1
        first, second = (each.id for each in kept)
        retried = store.retry_effect(second)
        assert (retried.state, retried.last_error) == (EffectState.PENDING, None)
        assert payloads(claim_effects(store)) == [2]
        store.discard_effect(first)
        assert store.count_effects(EffectFilter(state=EffectState.DISCARDED)) == 0

    def test_completing_again_records_nothing_again(self, store: Store) -> None:
        (a,) = claim_streams(store, "a")
        completion = Completion(a, effects=(make_queued_effect(1), make_queued_effect(2)))
        store.complete([completion], NOW)
        store.complete([completion], NOW)
        assert store.count_effects() == 2

    @pytest.mark.parametrize("purge", [True, False])
    def test_they_outlive_their_stream(self, store: Store, purge: bool) -> None:
        (a,) = claim_streams(store, "a")
        store.complete([Completion(a, effects=(make_queued_effect(1),), purge=purge)], NOW)
        if not purge:
            store.purge_stream(a.stream_id)
        assert deliver_all(store) == [1]

    def test_a_commit_error_does_not_prevent_them(self, store: Store) -> None:
        (a,) = claim_streams(store, "a")
        store.complete(
            [Completion(a, effects=(make_queued_effect(1),), commit_error="ValueError: no")], NOW
        )
        assert deliver_all(store) == [1]

    def test_a_crash_records_nothing(self, store: Store) -> None:
        (a,) = claim_streams(store, "a")
        completion = Completion(a, effects=(make_queued_effect(1),))
        with crash_at(Failpoint.BEFORE_COMPLETION_COMMIT):
            store.complete([completion], NOW)
        assert store.count_effects() == 0
        store.complete([completion], NOW)
        assert deliver_all(store) == [1]

    @pytest.mark.parametrize(
        "payload",
        [
            {"text": "a 'quoted' \\ \"text\" \N{GRINNING FACE} %s :x", "n": None, "t": True},
            {"int": -(2**63), "float": 1.0, "small": 5e-324, "deep": [[{"x": [1, 1.5]}]]},
            {"at": datetime(2024, 5, 17, 12, 0, 0, 1, tzinfo=UTC)},
            {"datetime": "not one"},
            {"@datetime": {"datetime": datetime(2024, 5, 17, tzinfo=UTC)}},
            [],
            "text",
            7,
            None,
        ],
        ids=repr,
    )
    def test_payloads_are_returned_unchanged(self, store: Store, payload: Any) -> None:
        queue_effects(store, a=[payload])
        (claim,) = claim_effects(store)
        assert claim.effect.payload == payload
        assert repr(claim.effect.payload) == repr(payload)

    def test_datetimes_are_returned_in_utc(self, store: Store) -> None:
        east = timezone(timedelta(hours=2))
        queue_effects(
            store, a=[[datetime(2024, 5, 17, 14, tzinfo=east), datetime(2024, 5, 17, 12)]]
        )
        assert deliver_all(store) == [[NOON, NOON]]

    def test_long_payloads_are_recorded(self, store: Store) -> None:
        long = '"' * 1_000_000
        queue_effects(store, a=[[long, n] for n in range(3)])
        assert deliver_all(store) == [[long, n] for n in range(3)]


class TestOrder:
    """Effects of one stream and handler are delivered in the order they were put."""

    def test_a_call_claims_one_of_each_ordering_key(self, store: Store) -> None:
        queue_effects(store, a=["a1", "a2"], b=["b1", "b2"])
        assert sorted(payloads(claim_effects(store))) == ["a1", "b1"]
        assert claim_effects(store) == []

    def test_the_next_follows_once_the_first_is_delivered(self, store: Store) -> None:
        queue_effects(store, a=list(range(20)))
        assert deliver_all(store) == list(range(20))
        assert store.count_effects() == 0

    def test_a_delayed_effect_blocks_only_its_ordering_key(self, store: Store) -> None:
        queue_effects(store, a=["a1", "a2"], b=["b1", "b2"])
        claims = {claim.effect.payload: claim for claim in claim_effects(store)}
        store.apply_effect_results(
            [EffectDelayed(claims["a1"], HOUR, "busy"), EffectDelivered(claims["b1"])]
        )
        assert deliver_all(store) == ["b2"]
        assert store.count_effects() == 2

    def test_a_dead_letter_blocks_nothing(self, store: Store) -> None:
        queue_effects(store, a=["a1", "a2", "a3"])
        (claim,) = claim_effects(store)
        store.apply_effect_results([EffectRefused(claim, "no")])
        assert deliver_all(store) == ["a2", "a3"]

    def test_handlers_do_not_wait_for_each_other(self, store: Store) -> None:
        again = Endpoint("fire", "mail", 1)
        elsewhere = Endpoint("expire", "mail")
        (a,) = claim_streams(store, "a")
        effects = tuple(
            make_queued_effect(n, each) for n in (1, 2) for each in (MAIL, HTTP, again, elsewhere)
        )
        store.complete([Completion(a, effects=effects)], NOW)
        for endpoint in (MAIL, HTTP, again, elsewhere):
            assert payloads(claim_effects(store, endpoint)) == [1]
            assert claim_effects(store, endpoint) == []
        assert claim_effects(store, Endpoint("fire", "fax")) == []

    def test_the_longest_due_are_claimed_first(self, store: Store) -> None:
        queue_effects(store, a=["a"])
        queue_effects(store, b=["b"])
        assert payloads(claim_effects(store, limit=1)) == ["a"]
        queue_effects(store, c=["c"])
        assert payloads(claim_effects(store, limit=1)) == ["b"]


class TestClaim:
    """A claim is valid for its serial and worker until its lease expires."""

    def test_two_workers_claim_no_effect_twice(self, store: Store) -> None:
        queue_effects(store, **{f"s{n}": [n] for n in range(10)})
        first = claim_effects(store, limit=4)
        second = claim_effects(store, worker="w2")
        assert (len(first), len(second)) == (4, 6)
        assert sorted(payloads(first) + payloads(second)) == list(range(10))

    def test_an_effect_with_an_expired_lease_is_claimed_by_another(self, store: Store) -> None:
        queue_effects(store, a=["a1", "a2"])
        (lost,) = claim_effects(store, lease=-LEASE)
        (claim,) = claim_effects(store, worker="w2")
        assert claim.effect.id == lost.effect.id
        assert claim.effect.attempt == 2
        assert store.renew_effects([lost], LEASE) == 0
        assert store.release_effects([lost]) == 0
        assert store.apply_effect_results([EffectDelivered(lost)]) == EffectResultCounts(lost=1)
        assert store.apply_effect_results([EffectDelayed(lost, HOUR, "no")]) == EffectResultCounts(
            lost=1
        )
        assert store.apply_effect_results([EffectRefused(lost, "no")]) == EffectResultCounts(lost=1)
        assert store.apply_effect_results([EffectDelivered(claim)]) == EffectResultCounts(
            delivered=1
        )
        assert deliver_all(store) == ["a2"]

    def test_an_expired_lease_is_valid_until_the_next_claim(self, store: Store) -> None:
        queue_effects(store, a=["a"])
        (claim,) = claim_effects(store, lease=-LEASE)
        assert store.apply_effect_results([EffectDelivered(claim)]) == EffectResultCounts(
            delivered=1
        )

    def test_a_renewed_lease_is_valid(self, store: Store) -> None:
        queue_effects(store, a=["a"])
        claims = claim_effects(store, lease=-LEASE)
        assert store.renew_effects(claims, LEASE) == 1
        assert claim_effects(store, worker="w2") == []

    def test_a_release_does_not_count_the_attempt(self, store: Store) -> None:
        queue_effects(store, a=["a1", "a2"])
        claims = claim_effects(store)
        assert store.release_effects(claims) == 1
        (claim,) = claim_effects(store)
        assert (claim.effect.payload, claim.effect.attempt) == ("a1", 1)

    def test_a_crash_before_the_claim_is_committed_claims_nothing(self, store: Store) -> None:
        queue_effects(store, a=["a"])
        with crash_at(Failpoint.BEFORE_EFFECTS_CLAIM_COMMIT):
            claim_effects(store)
        (claim,) = claim_effects(store)
        assert claim.effect.attempt == 1

    def test_long_payloads_are_claimed_a_few_at_a_time(self, sql_store: Store) -> None:
        queue_effects(sql_store, **{f"s{n}": ["x" * 4_000_000] for n in range(6)})
        assert len(claim_effects(sql_store)) == 4
        assert len(claim_effects(sql_store)) == 2
