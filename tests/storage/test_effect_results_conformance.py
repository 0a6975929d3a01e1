"""Every store: effects are delivered, rescheduled or marked dead, and never lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.builders.events import LEASE
from support.scenes.failing_transactions import crash_at
from support.scenes.outbox_operations import (
    AT_ONCE,
    HOUR,
    HTTP,
    MAIL,
    NOW,
    claim_effects,
    claim_streams,
    deliver_all,
    make_dead_letter,
    make_queued_effect,
    queue_effects,
)
from winchester_core.failpoints import Failpoint
from winchester_core.model.effect import EffectState
from winchester_core.storage.effect_records import (
    EffectDelayed,
    EffectDelivered,
    EffectRefused,
    EffectResultCounts,
)
from winchester_core.storage.records import Completion

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store


class TestResults:
    """The result of each claimed effect is applied once."""

    def test_applying_results_is_idempotent(self, store: Store) -> None:
        queue_effects(store, a=["a1", "a2", "a3"])
        results = [EffectDelivered(claim) for claim in claim_effects(store)]
        assert store.apply_effect_results(results) == EffectResultCounts(delivered=1)
        assert store.apply_effect_results(results) == EffectResultCounts(lost=1)
        assert deliver_all(store) == ["a2", "a3"]

    def test_a_delay_is_real_time_from_now(self, store: Store) -> None:
        queue_effects(store, a=["a"])
        (claim,) = claim_effects(store)
        before = store.real_time()
        assert store.apply_effect_results(
            [EffectDelayed(claim, HOUR, "busy")]
        ) == EffectResultCounts(delayed=1)
        after = store.real_time()
        (stored,) = store.find_effects()
        assert stored.due_at is not None
        assert before + HOUR <= stored.due_at <= after + HOUR
        assert (stored.attempts, stored.worker, stored.last_error) == (1, None, "busy")
        assert claim_effects(store) == []

    def test_after_the_delay_it_is_claimed_again(self, store: Store) -> None:
        queue_effects(store, a=["a"])
        for attempt in (1, 2, 3):
            (claim,) = claim_effects(store)
            assert claim.effect.attempt == attempt
            store.apply_effect_results([EffectDelayed(claim, AT_ONCE, "busy")])

    def test_one_call_applies_different_results(self, store: Store) -> None:
        queue_effects(store, a=["a"], b=["b"], c=["c"], d=["d"])
        a, b, c, d = sorted(claim_effects(store), key=lambda claim: str(claim.effect.payload))
        store.apply_effect_results([EffectDelivered(d)])
        results = [
            EffectDelivered(a),
            EffectDelayed(b, HOUR, "late"),
            EffectRefused(c, "bad"),
            EffectDelivered(d),
        ]
        expected = EffectResultCounts(delivered=1, delayed=1, dead=1, lost=1)
        assert store.apply_effect_results(results) == expected
        stored = {each.id: each for each in store.find_effects()}
        assert set(stored) == {b.id, c.id}
        assert (stored[b.id].state, stored[b.id].last_error) == (EffectState.PENDING, "late")
        assert (stored[c.id].state, stored[c.id].last_error) == (EffectState.DEAD, "bad")
        assert stored[c.id].due_at is None

    def test_a_crash_applies_nothing(self, store: Store) -> None:
        queue_effects(store, a=["a1", "a2"], b=["b"], c=["c"])
        before = store.find_effects()
        claims = claim_effects(store)
        ways = [
            EffectDelivered(claims[0]),
            EffectRefused(claims[1], "no"),
            EffectDelayed(claims[2], HOUR, "no"),
        ]
        with crash_at(Failpoint.BEFORE_EFFECT_RESULTS_COMMIT):
            store.apply_effect_results(ways)
        assert [each.id for each in store.find_effects()] == [each.id for each in before]
        assert store.renew_effects(claims, LEASE) == 3
        assert store.apply_effect_results(ways) == EffectResultCounts(
            delivered=1, delayed=1, dead=1
        )


class TestMaxAge:
    """An undelivered effect becomes a dead letter at its maximum age."""

    def test_only_effects_of_the_age_are_marked_dead(self, store: Store) -> None:
        queue_effects(store, a=["a"])
        assert store.mark_overdue_effects_dead(max_age=HOUR, limit=9) == {}
        assert store.mark_overdue_effects_dead(max_age=-HOUR, limit=9) == {MAIL: 1}
        assert store.mark_overdue_effects_dead(max_age=-HOUR, limit=9) == {}
        (letter,) = store.find_effects()
        assert (letter.state, letter.due_at) == (EffectState.DEAD, None)
        assert claim_effects(store) == []

    def test_the_error_describes_the_attempts(self, store: Store) -> None:
        queue_effects(store, tried=["t1", "t2"])
        (claim,) = claim_effects(store)
        store.apply_effect_results([EffectDelayed(claim, HOUR, "503 Busy")])
        queue_effects(store, untried=["u"])
        store.mark_overdue_effects_dead(max_age=-HOUR, limit=9)
        tried, behind, untried = (each.last_error or "" for each in store.find_effects())
        assert "attempts: 1, last error: 503 Busy" in tried
        assert "an earlier effect of the same stream and handler" in behind
        assert "no worker had handler 'mail' of pipeline 'fire'" in untried

    def test_claimed_effects_are_skipped(self, store: Store) -> None:
        queue_effects(store, a=["a"], b=["b"])
        (claim,) = claim_effects(store, limit=1)
        assert store.mark_overdue_effects_dead(max_age=-HOUR, limit=9) == {MAIL: 1}
        assert store.apply_effect_results([EffectDelivered(claim)]) == EffectResultCounts(
            delivered=1
        )

    def test_effects_of_a_dead_worker_are_marked_dead(self, store: Store) -> None:
        queue_effects(store, a=["a"])
        (claim,) = claim_effects(store, lease=-LEASE)
        assert store.mark_overdue_effects_dead(max_age=-HOUR, limit=9) == {MAIL: 1}
        assert store.apply_effect_results([EffectDelivered(claim)]) == EffectResultCounts(lost=1)
        (letter,) = store.find_effects()
        assert "attempts: 1, none reported a result" in (letter.last_error or "")

    def test_the_next_effect_becomes_the_head(self, store: Store) -> None:
        queue_effects(store, a=["a1", "a2", "a3"])
        assert store.mark_overdue_effects_dead(max_age=-HOUR, limit=2) == {MAIL: 2}
        assert deliver_all(store) == ["a3"]

    def test_each_endpoint_is_counted(self, store: Store) -> None:
        (a,) = claim_streams(store, "a")
        effects = (make_queued_effect(1), make_queued_effect(2, HTTP), make_queued_effect(3, HTTP))
        store.complete([Completion(a, effects=effects)], NOW)
        assert store.mark_overdue_effects_dead(max_age=-HOUR, limit=9) == {MAIL: 1, HTTP: 2}


class TestNextDue:
    """The time until the next effect is due."""

    def test_none_when_nothing_is_pending(self, store: Store) -> None:
        assert store.next_effect_seconds(MAIL) is None
        make_dead_letter(store)
        assert store.next_effect_seconds(MAIL) is None

    def test_due_now_later_or_at_the_end_of_a_lease(self, store: Store) -> None:
        queue_effects(store, a=["a1", "a2"])
        now = store.next_effect_seconds(MAIL)
        assert now is not None
        assert now <= 0
        assert store.next_effect_seconds(HTTP) is None
        (claim,) = claim_effects(store)
        leased = store.next_effect_seconds(MAIL)
        assert leased is not None
        assert 0 < leased <= LEASE.total_seconds()
        store.apply_effect_results([EffectDelayed(claim, HOUR, "busy")])
        waiting = store.next_effect_seconds(MAIL)
        assert waiting is not None
        assert LEASE.total_seconds() < waiting <= HOUR.total_seconds()
