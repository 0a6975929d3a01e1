"""Every store: effects are recorded with their stream, delivered in order, and never lost."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from builders import LEASE, NOON, claim_all, ready_to_fire
from crashes import crash_at
from winchester_core.errors import EffectInHand, UnknownEffect
from winchester_core.model.effect import EffectState, Endpoint, QueuedEffect
from winchester_core.model.payload_json import dump_payload
from winchester_core.storage.effect_records import (
    EffectClaim,
    EffectDelayed,
    EffectDelivered,
    EffectFilter,
    EffectRefused,
    Settled,
)
from winchester_core.storage.records import Claim, Completion
from winchester_core.telemetry.checkpoints import Checkpoint
from winchester_core.triggers.stream_time import FixedTime

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store

NOW = FixedTime(NOON)
HOUR = timedelta(hours=1)
AT_ONCE = timedelta(0)
MAIL = Endpoint("fire", "mail")
HTTP = Endpoint("fire", "http")


def queued(payload: Any, endpoint: Endpoint = MAIL) -> QueuedEffect:
    return QueuedEffect(str(uuid.uuid4()), endpoint, dump_payload(payload))


def claims_of(store: Store, *names: str) -> list[Claim]:
    ready_to_fire(store, *names)
    claims = claim_all(store)
    by_name = {claim.distinguished_by["instance"]: claim for claim in claims}
    return [by_name[name] for name in names]


def put(store: Store, **payloads: list[Any]) -> dict[str, int]:
    """Complete a stream for each name, with an effect for each payload; return the streams' ids."""
    claims = claims_of(store, *payloads)
    completions = [
        Completion(claim, effects=tuple(map(queued, each)))
        for claim, each in zip(claims, payloads.values(), strict=True)
    ]
    store.complete(completions, NOW)
    return {name: claim.stream_id for name, claim in zip(payloads, claims, strict=True)}


def take(
    store: Store,
    endpoint: Endpoint = MAIL,
    *,
    limit: int = 100,
    worker: str = "w1",
    lease: timedelta = LEASE,
) -> list[EffectClaim]:
    return store.claim_effects(endpoint, worker=worker, limit=limit, lease=lease)


def payloads(claims: list[EffectClaim]) -> list[Any]:
    return [claim.effect.payload for claim in claims]


def drained(store: Store, endpoint: Endpoint = MAIL) -> list[Any]:
    """Deliver everything; return the payloads in order."""
    seen: list[Any] = []
    while claims := take(store, endpoint):
        seen += payloads(claims)
        store.settle_effects([EffectDelivered(claim) for claim in claims])
    return seen


def dead(store: Store, name: str = "a") -> int:
    """A dead letter, alone in its lane; its id."""
    put(store, **{name: [name]})
    (claim,) = take(store)
    store.settle_effects([EffectRefused(claim, "no such address")])
    return claim.id


class TestRecording:
    """Effects are recorded in the transaction that completes their stream."""

    def test_they_tell_where_they_come_from(self, store: Store) -> None:
        (a,) = claims_of(store, "a")
        effect = queued({"text": "hello"})
        before = store.real_time()
        store.complete([Completion(a, effects=(effect,))], NOW)
        (stored,) = store.find_effects()
        assert (stored.effect_id, stored.payload) == (effect.id, effect.payload)
        assert (stored.stream_id, stored.stream_name) == (a.stream_id, "vm")
        assert (stored.endpoint, stored.state) == (MAIL, EffectState.PENDING)
        assert (stored.attempts, stored.worker, stored.last_error) == (0, None, None)
        assert before <= stored.created_at <= store.real_time()
        assert stored.created_at == stored.waiting_since == stored.due_at
        (claim,) = take(store)
        assert claim.effect.id == effect.id
        assert claim.effect.payload == {"text": "hello"}
        assert (claim.effect.stream_id, claim.effect.stream_name) == (a.stream_id, "vm")
        assert (claim.effect.pipeline, claim.effect.handler) == ("fire", "mail")
        assert (claim.effect.attempt, claim.effect.created_at) == (1, stored.created_at)

    def test_a_lost_claim_records_nothing(self, store: Store) -> None:
        a, b = claims_of(store, "a", "b")
        store.release([b])
        completions = [Completion(each, effects=(queued(each.stream_id),)) for each in (a, b)]
        store.complete(completions, NOW)
        assert drained(store) == [a.stream_id]

    def test_completing_again_records_nothing_again(self, store: Store) -> None:
        (a,) = claims_of(store, "a")
        completion = Completion(a, effects=(queued(1), queued(2)))
        store.complete([completion], NOW)
        store.complete([completion], NOW)
        assert store.count_effects() == 2

    @pytest.mark.parametrize("purge", [True, False])
    def test_they_outlive_their_stream(self, store: Store, purge: bool) -> None:
        (a,) = claims_of(store, "a")
        store.complete([Completion(a, effects=(queued(1),), purge=purge)], NOW)
        if not purge:
            store.purge_stream(a.stream_id)
        assert drained(store) == [1]

    def test_a_fault_in_commit_does_not_hinder_them(self, store: Store) -> None:
        (a,) = claims_of(store, "a")
        store.complete([Completion(a, effects=(queued(1),), fault="ValueError: no")], NOW)
        assert drained(store) == [1]

    def test_a_crash_records_nothing(self, store: Store) -> None:
        (a,) = claims_of(store, "a")
        completion = Completion(a, effects=(queued(1),))
        with crash_at(Checkpoint.BEFORE_COMPLETION_COMMIT):
            store.complete([completion], NOW)
        assert store.count_effects() == 0
        store.complete([completion], NOW)
        assert drained(store) == [1]

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
    def test_payloads_come_back_as_they_were(self, store: Store, payload: Any) -> None:
        put(store, a=[payload])
        (claim,) = take(store)
        assert claim.effect.payload == payload
        assert repr(claim.effect.payload) == repr(payload)

    def test_datetimes_come_back_in_utc(self, store: Store) -> None:
        east = timezone(timedelta(hours=2))
        put(store, a=[[datetime(2024, 5, 17, 14, tzinfo=east), datetime(2024, 5, 17, 12)]])
        assert drained(store) == [[NOON, NOON]]

    def test_long_payloads_are_recorded(self, store: Store) -> None:
        long = '"' * 1_000_000
        put(store, a=[[long, n] for n in range(3)])
        assert drained(store) == [[long, n] for n in range(3)]


class TestOrder:
    """Effects of one stream and handler go out in the order in which they were put."""

    def test_a_call_gets_one_of_each_lane(self, store: Store) -> None:
        put(store, a=["a1", "a2"], b=["b1", "b2"])
        assert sorted(payloads(take(store))) == ["a1", "b1"]
        assert take(store) == []

    def test_the_next_follows_once_the_first_is_delivered(self, store: Store) -> None:
        put(store, a=list(range(20)))
        assert drained(store) == list(range(20))
        assert store.count_effects() == 0

    def test_one_that_waits_holds_its_lane_back_and_no_other(self, store: Store) -> None:
        put(store, a=["a1", "a2"], b=["b1", "b2"])
        claims = {claim.effect.payload: claim for claim in take(store)}
        store.settle_effects(
            [EffectDelayed(claims["a1"], HOUR, "busy"), EffectDelivered(claims["b1"])]
        )
        assert drained(store) == ["b2"]
        assert store.count_effects() == 2

    def test_a_dead_letter_holds_nothing_back(self, store: Store) -> None:
        put(store, a=["a1", "a2", "a3"])
        (claim,) = take(store)
        store.settle_effects([EffectRefused(claim, "no")])
        assert drained(store) == ["a2", "a3"]

    def test_handlers_do_not_wait_for_each_other(self, store: Store) -> None:
        again = Endpoint("fire", "mail", 1)
        elsewhere = Endpoint("expire", "mail")
        (a,) = claims_of(store, "a")
        effects = tuple(queued(n, each) for n in (1, 2) for each in (MAIL, HTTP, again, elsewhere))
        store.complete([Completion(a, effects=effects)], NOW)
        for endpoint in (MAIL, HTTP, again, elsewhere):
            assert payloads(take(store, endpoint)) == [1]
            assert take(store, endpoint) == []
        assert take(store, Endpoint("fire", "fax")) == []

    def test_the_longest_due_go_first(self, store: Store) -> None:
        put(store, a=["a"])
        put(store, b=["b"])
        assert payloads(take(store, limit=1)) == ["a"]
        put(store, c=["c"])
        assert payloads(take(store, limit=1)) == ["b"]


class TestClaim:
    """A claim is proved by serial and worker, and lasts as long as its lease."""

    def test_two_workers_get_none_twice(self, store: Store) -> None:
        put(store, **{f"s{n}": [n] for n in range(10)})
        first = take(store, limit=4)
        second = take(store, worker="w2")
        assert (len(first), len(second)) == (4, 6)
        assert sorted(payloads(first) + payloads(second)) == list(range(10))

    def test_when_the_lease_ran_out_another_gets_it(self, store: Store) -> None:
        put(store, a=["a1", "a2"])
        (lost,) = take(store, lease=-LEASE)
        (claim,) = take(store, worker="w2")
        assert claim.effect.id == lost.effect.id
        assert claim.effect.attempt == 2
        assert store.renew_effects([lost], LEASE) == 0
        assert store.release_effects([lost]) == 0
        assert store.settle_effects([EffectDelivered(lost)]) == Settled(lost=1)
        assert store.settle_effects([EffectDelayed(lost, HOUR, "no")]) == Settled(lost=1)
        assert store.settle_effects([EffectRefused(lost, "no")]) == Settled(lost=1)
        assert store.settle_effects([EffectDelivered(claim)]) == Settled(delivered=1)
        assert drained(store) == ["a2"]

    def test_a_lease_that_ran_out_holds_until_the_next_claim(self, store: Store) -> None:
        put(store, a=["a"])
        (claim,) = take(store, lease=-LEASE)
        assert store.settle_effects([EffectDelivered(claim)]) == Settled(delivered=1)

    def test_a_renewed_lease_holds(self, store: Store) -> None:
        put(store, a=["a"])
        claims = take(store, lease=-LEASE)
        assert store.renew_effects(claims, LEASE) == 1
        assert take(store, worker="w2") == []

    def test_a_release_counts_no_attempt(self, store: Store) -> None:
        put(store, a=["a1", "a2"])
        claims = take(store)
        assert store.release_effects(claims) == 1
        (claim,) = take(store)
        assert (claim.effect.payload, claim.effect.attempt) == ("a1", 1)

    def test_a_crash_before_the_claim_is_committed_claims_nothing(self, store: Store) -> None:
        put(store, a=["a"])
        with crash_at(Checkpoint.BEFORE_EFFECTS_CLAIM_COMMIT):
            take(store)
        (claim,) = take(store)
        assert claim.effect.attempt == 1

    def test_long_payloads_are_claimed_a_few_at_a_time(self, sql_store: Store) -> None:
        put(sql_store, **{f"s{n}": ["x" * 4_000_000] for n in range(6)})
        assert len(take(sql_store)) == 4
        assert len(take(sql_store)) == 2


class TestSettling:
    """What became of each effect is stored once."""

    def test_settling_again_does_no_harm(self, store: Store) -> None:
        put(store, a=["a1", "a2", "a3"])
        settlements = [EffectDelivered(claim) for claim in take(store)]
        assert store.settle_effects(settlements) == Settled(delivered=1)
        assert store.settle_effects(settlements) == Settled(lost=1)
        assert drained(store) == ["a2", "a3"]

    def test_a_delay_is_real_time_from_now(self, store: Store) -> None:
        put(store, a=["a"])
        (claim,) = take(store)
        before = store.real_time()
        assert store.settle_effects([EffectDelayed(claim, HOUR, "busy")]) == Settled(delayed=1)
        after = store.real_time()
        (stored,) = store.find_effects()
        assert stored.due_at is not None
        assert before + HOUR <= stored.due_at <= after + HOUR
        assert (stored.attempts, stored.worker, stored.last_error) == (1, None, "busy")
        assert take(store) == []

    def test_after_the_delay_it_is_claimed_again(self, store: Store) -> None:
        put(store, a=["a"])
        for attempt in (1, 2, 3):
            (claim,) = take(store)
            assert claim.effect.attempt == attempt
            store.settle_effects([EffectDelayed(claim, AT_ONCE, "busy")])

    def test_many_are_settled_in_many_ways_at_once(self, store: Store) -> None:
        put(store, a=["a"], b=["b"], c=["c"], d=["d"])
        a, b, c, d = sorted(take(store), key=lambda claim: str(claim.effect.payload))
        store.settle_effects([EffectDelivered(d)])
        settlements = [
            EffectDelivered(a),
            EffectDelayed(b, HOUR, "late"),
            EffectRefused(c, "bad"),
            EffectDelivered(d),
        ]
        expected = Settled(delivered=1, delayed=1, dead=1, lost=1)
        assert store.settle_effects(settlements) == expected
        stored = {each.id: each for each in store.find_effects()}
        assert set(stored) == {b.id, c.id}
        assert (stored[b.id].state, stored[b.id].last_error) == (EffectState.PENDING, "late")
        assert (stored[c.id].state, stored[c.id].last_error) == (EffectState.DEAD, "bad")
        assert stored[c.id].due_at is None

    def test_a_crash_settles_nothing(self, store: Store) -> None:
        put(store, a=["a1", "a2"], b=["b"], c=["c"])
        before = store.find_effects()
        claims = take(store)
        ways = [
            EffectDelivered(claims[0]),
            EffectRefused(claims[1], "no"),
            EffectDelayed(claims[2], HOUR, "no"),
        ]
        with crash_at(Checkpoint.BEFORE_SETTLEMENT_COMMIT):
            store.settle_effects(ways)
        assert [each.id for each in store.find_effects()] == [each.id for each in before]
        assert store.renew_effects(claims, LEASE) == 3
        assert store.settle_effects(ways) == Settled(delivered=1, delayed=1, dead=1)


class TestGivingUp:
    """What nobody takes becomes a dead letter at its age."""

    def test_only_those_of_the_age_are_given_up(self, store: Store) -> None:
        put(store, a=["a"])
        assert store.give_up_effects(max_age=HOUR, limit=9) == {}
        assert store.give_up_effects(max_age=-HOUR, limit=9) == {MAIL: 1}
        assert store.give_up_effects(max_age=-HOUR, limit=9) == {}
        (letter,) = store.find_effects()
        assert (letter.state, letter.due_at) == (EffectState.DEAD, None)
        assert take(store) == []

    def test_the_reason_says_what_was_tried(self, store: Store) -> None:
        put(store, tried=["t1", "t2"])
        (claim,) = take(store)
        store.settle_effects([EffectDelayed(claim, HOUR, "503 Busy")])
        put(store, untried=["u"])
        store.give_up_effects(max_age=-HOUR, limit=9)
        tried, behind, untried = (each.last_error or "" for each in store.find_effects())
        assert "attempts 1, the last of them: 503 Busy" in tried
        assert "another effect of the same stream and handler" in behind
        assert "no worker has had handler 'mail' of pipeline 'fire'" in untried

    def test_those_in_hand_are_left_alone(self, store: Store) -> None:
        put(store, a=["a"], b=["b"])
        (claim,) = take(store, limit=1)
        assert store.give_up_effects(max_age=-HOUR, limit=9) == {MAIL: 1}
        assert store.settle_effects([EffectDelivered(claim)]) == Settled(delivered=1)

    def test_those_of_a_dead_worker_are_given_up(self, store: Store) -> None:
        put(store, a=["a"])
        (claim,) = take(store, lease=-LEASE)
        assert store.give_up_effects(max_age=-HOUR, limit=9) == {MAIL: 1}
        assert store.settle_effects([EffectDelivered(claim)]) == Settled(lost=1)
        (letter,) = store.find_effects()
        assert "attempts 1, of none of which a worker told the end" in (letter.last_error or "")

    def test_what_is_behind_goes_on(self, store: Store) -> None:
        put(store, a=["a1", "a2", "a3"])
        assert store.give_up_effects(max_age=-HOUR, limit=2) == {MAIL: 2}
        assert drained(store) == ["a3"]

    def test_each_endpoint_is_counted(self, store: Store) -> None:
        (a,) = claims_of(store, "a")
        effects = (queued(1), queued(2, HTTP), queued(3, HTTP))
        store.complete([Completion(a, effects=effects)], NOW)
        assert store.give_up_effects(max_age=-HOUR, limit=9) == {MAIL: 1, HTTP: 2}


class TestNextDue:
    """A worker knows how long it may sleep."""

    def test_none_when_nothing_is_pending(self, store: Store) -> None:
        assert store.next_effect_seconds(MAIL) is None
        dead(store)
        assert store.next_effect_seconds(MAIL) is None

    def test_due_now_later_or_at_the_end_of_a_lease(self, store: Store) -> None:
        put(store, a=["a1", "a2"])
        now = store.next_effect_seconds(MAIL)
        assert now is not None
        assert now <= 0
        assert store.next_effect_seconds(HTTP) is None
        (claim,) = take(store)
        leased = store.next_effect_seconds(MAIL)
        assert leased is not None
        assert 0 < leased <= LEASE.total_seconds()
        store.settle_effects([EffectDelayed(claim, HOUR, "busy")])
        waiting = store.next_effect_seconds(MAIL)
        assert waiting is not None
        assert LEASE.total_seconds() < waiting <= HOUR.total_seconds()


class TestRetry:
    """An operator sends dead letters again, and pending ones at once."""

    def test_a_dead_letter_is_as_if_just_recorded(self, store: Store) -> None:
        letter = dead(store)
        before = store.real_time()
        again = store.retry_effect(letter)
        assert again == store.get_effect(letter)
        assert (again.state, again.attempts) == (EffectState.PENDING, 0)
        assert (again.worker, again.last_error) == (None, None)
        assert before <= again.waiting_since <= store.real_time()
        (claim,) = take(store)
        assert (claim.effect.attempt, claim.effect.created_at) == (1, again.created_at)

    def test_one_that_waits_is_due_at_once(self, store: Store) -> None:
        put(store, a=["a"])
        (claim,) = take(store)
        store.settle_effects([EffectDelayed(claim, HOUR, "busy")])
        assert store.retry_effect(claim.id).last_error == "busy"
        (claim,) = take(store)
        assert claim.effect.attempt == 2

    def test_one_behind_another_goes_on_waiting(self, store: Store) -> None:
        put(store, a=["a1", "a2"])
        assert store.retry_effect(store.find_effects()[1].id).due_at is None
        assert drained(store) == ["a1", "a2"]

    def test_a_dead_letter_goes_before_those_put_later(self, store: Store) -> None:
        put(store, a=["a1", "a2", "a3"])
        (claim,) = take(store)
        store.settle_effects([EffectRefused(claim, "no")])
        assert store.retry_effect(claim.id).due_at is not None
        assert drained(store) == ["a1", "a2", "a3"]

    def test_but_not_before_one_in_hand(self, store: Store) -> None:
        put(store, a=["a1", "a2", "a3"])
        (first,) = take(store)
        store.settle_effects([EffectRefused(first, "no")])
        (second,) = take(store)
        assert store.retry_effect(first.id).due_at is None
        assert take(store) == []
        store.settle_effects([EffectDelivered(second)])
        assert drained(store) == ["a1", "a3"]

    def test_one_in_hand_is_left_alone(self, store: Store) -> None:
        put(store, a=["a"])
        (claim,) = take(store)
        with pytest.raises(EffectInHand, match="w1"):
            store.retry_effect(claim.id)
        assert store.settle_effects([EffectDelivered(claim)]) == Settled(delivered=1)

    def test_one_of_a_dead_worker_is_due_at_once(self, store: Store) -> None:
        put(store, a=["a"])
        (lost,) = take(store, lease=-LEASE)
        assert store.retry_effect(lost.id).worker is None
        assert store.settle_effects([EffectDelivered(lost)]) == Settled(lost=1)
        assert drained(store) == ["a"]

    def test_an_unknown_one(self, store: Store) -> None:
        with pytest.raises(UnknownEffect):
            store.retry_effect(10**9)


class TestDiscard:
    """An operator forgets effects."""

    def test_a_dead_letter(self, store: Store) -> None:
        letter = dead(store)
        store.discard_effect(letter)
        with pytest.raises(UnknownEffect):
            store.get_effect(letter)
        with pytest.raises(UnknownEffect):
            store.discard_effect(letter)

    def test_what_is_behind_goes_on(self, store: Store) -> None:
        put(store, a=["a1", "a2", "a3"])
        first, second, _ = store.find_effects()
        store.discard_effect(second.id)
        store.discard_effect(first.id)
        assert drained(store) == ["a3"]

    def test_one_in_hand_is_left_alone(self, store: Store) -> None:
        put(store, a=["a"])
        (claim,) = take(store)
        with pytest.raises(EffectInHand):
            store.discard_effect(claim.id)
        assert store.settle_effects([EffectDelivered(claim)]) == Settled(delivered=1)


class TestFinding:
    """Effects are found by what they are, in pages."""

    @pytest.fixture
    def stocked(self, store: Store) -> Store:
        a, b = claims_of(store, "a", "b")
        store.complete(
            [
                Completion(a, effects=(queued("a1"), queued("a2", HTTP))),
                Completion(b, effects=(queued("b1"), queued("b2", Endpoint("expire", "mail")))),
            ],
            NOW,
        )
        claim = next(each for each in take(store) if each.effect.payload == "b1")
        store.settle_effects([EffectRefused(claim, "no")])
        return store

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            (EffectFilter(), ["a1", "a2", "b1", "b2"]),
            (EffectFilter(state=EffectState.DEAD), ["b1"]),
            (EffectFilter(state=EffectState.PENDING, handler="mail"), ["a1", "b2"]),
            (EffectFilter(pipeline="expire"), ["b2"]),
            (EffectFilter(pipeline="fire", handler="http"), ["a2"]),
            (EffectFilter(stream_id=10**9), []),
        ],
    )
    def test_by_filter(self, stocked: Store, wanted: EffectFilter, found: list[str]) -> None:
        expected = [dump_payload(each) for each in found]
        assert [each.payload for each in stocked.find_effects(wanted)] == expected
        assert stocked.count_effects(wanted) == len(found)

    def test_by_stream(self, stocked: Store) -> None:
        first = stocked.find_effects(limit=1)[0]
        wanted = EffectFilter(stream_id=first.stream_id)
        assert stocked.count_effects(wanted) == 2
        assert {each.stream_id for each in stocked.find_effects(wanted)} == {first.stream_id}

    def test_by_age(self, stocked: Store) -> None:
        now = stocked.real_time()
        assert stocked.count_effects(EffectFilter(older_than=now - HOUR)) == 0
        assert stocked.count_effects(EffectFilter(older_than=now + HOUR)) == 4
        assert stocked.count_effects(EffectFilter(younger_than=now - HOUR)) == 4
        assert stocked.count_effects(EffectFilter(younger_than=now + HOUR)) == 0

    def test_in_pages(self, stocked: Store) -> None:
        first = stocked.find_effects(limit=3)
        assert len(first) == 3
        rest = stocked.find_effects(mark=first[-1].id, limit=3)
        assert [each.id for each in first + rest] == [each.id for each in stocked.find_effects()]
