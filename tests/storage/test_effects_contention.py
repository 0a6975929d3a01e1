"""Every store: workers and operators at the same moment break no order and lose no effect."""

from __future__ import annotations

import random
import uuid
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from support.builders.events import LEASE, NOON, VM, claim_all, ready_to_fire
from support.scenes.outbox_handlers import Post, sender
from support.scenes.threads import at_the_same_moment
from winchester_core.errors import EffectInProgress, UnknownEffect
from winchester_core.model.effect import EffectState, Endpoint, QueuedEffect
from winchester_core.model.json import dump_payload
from winchester_core.pipelines import HandlerSpec, PipelineDefinition
from winchester_core.storage.effect_records import (
    EffectDelayed,
    EffectDelivered,
    EffectFilter,
    EffectRefused,
)
from winchester_core.storage.records import Completion
from winchester_core.storage.stream_clock import ClockKind, StreamClock
from winchester_core.telemetry.counters import Count
from winchester_core.testing.builders import FakeClock
from winchester_core.triggers.batch_plan import FixedTime
from winchester_core.worker import Worker, WorkerOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from winchester_core.storage.effect_records import EffectClaim, EffectResult
    from winchester_core.storage.interface import Store

MAIL = Endpoint("fire", "mail")
LANES = 6
IN_A_LANE = 12
PENDING = EffectFilter(state=EffectState.PENDING)
DEAD = EffectFilter(state=EffectState.DEAD)


def stock(store: Store) -> None:
    ready_to_fire(store, *(f"i{lane}" for lane in range(LANES)), now=NOON)
    completions = [
        Completion(
            claim,
            effects=tuple(
                QueuedEffect(str(uuid.uuid4()), MAIL, dump_payload([lane, number]))
                for number in range(IN_A_LANE)
            ),
        )
        for lane, claim in enumerate(claim_all(store))
    ]
    store.complete(completions, FixedTime(NOON))


def courier(
    store: Store, name: str, delivered: list[Any], outcome: Callable[[EffectClaim], EffectResult]
) -> Callable[[], int]:
    """Delivers until nothing is pending; returns how many it delivered."""

    def work() -> int:
        count = 0
        while store.count_effects(PENDING):
            claims = store.claim_effects(MAIL, worker=name, limit=4, lease=LEASE)
            results = [outcome(claim) for claim in claims]
            delivered.extend(
                tuple(each.claim.effect.payload)
                for each in results
                if isinstance(each, EffectDelivered)
            )
            count += store.apply_effect_results(results).delivered
        return count

    return work


def check_order(delivered: list[tuple[int, int]]) -> None:
    """None was delivered twice, and those of each lane in order."""
    assert len(set(delivered)) == len(delivered)
    for lane in range(LANES):
        numbers = [number for each, number in delivered if each == lane]
        assert numbers == sorted(numbers)


def now_and_then_later(seed: int) -> Callable[[EffectClaim], EffectResult]:
    """Delivers most effects, and lets some be tried again at once."""
    dice = random.Random(seed)

    def outcome(claim: EffectClaim) -> EffectResult:
        if dice.random() < 0.3:
            return EffectDelayed(claim, timedelta(0), "busy")
        return EffectDelivered(claim)

    return outcome


def test_workers_deliver_each_effect_once_and_each_lane_in_order(store: Store) -> None:
    stock(store)
    delivered: list[Any] = []
    count = at_the_same_moment(
        *(courier(store, f"w{n}", delivered, now_and_then_later(n)) for n in range(3))
    )
    assert count == len(delivered) == LANES * IN_A_LANE
    check_order(delivered)
    assert store.count_effects() == 0


def test_operators_beside_them_leave_nothing_stuck(store: Store) -> None:
    stock(store)
    ids = [each.id for each in store.find_effects()]
    delivered: list[Any] = []

    def operator() -> int:
        dice = random.Random(7)
        discarded = 0
        for effect_id in dice.sample(ids, len(ids) // 2):
            try:
                if dice.random() < 0.5:
                    store.discard_effect(effect_id)
                    discarded += 1
                else:
                    store.retry_effect(effect_id)
            except (EffectInProgress, UnknownEffect):
                continue
        return discarded

    settled = at_the_same_moment(
        operator, *(courier(store, f"w{n}", delivered, now_and_then_later(n)) for n in range(2))
    )
    assert settled == LANES * IN_A_LANE
    check_order(delivered)
    assert store.count_effects() == 0


def test_what_is_given_up_meanwhile_is_delivered_or_dead(store: Store) -> None:
    stock(store)
    delivered: list[Any] = []

    def give_up() -> int:
        given_up = 0
        while store.count_effects(PENDING):
            given_up += sum(store.mark_overdue_effects_dead(max_age=-LEASE, limit=2).values())
        return given_up

    settled = at_the_same_moment(
        give_up, give_up, *(courier(store, f"w{n}", delivered, EffectDelivered) for n in range(2))
    )
    assert settled == LANES * IN_A_LANE
    check_order(delivered)
    assert store.count_effects() == store.count_effects(DEAD) == settled - len(delivered)


def test_dead_letters_sent_again_meanwhile_are_delivered(store: Store) -> None:
    stock(store)
    delivered: list[Any] = []

    def refuse_first_tries(claim: EffectClaim) -> EffectResult:
        if claim.effect.payload[1] % 3 == 0 and claim.effect.id not in again:
            again.add(claim.effect.id)
            return EffectRefused(claim, "no")
        return EffectDelivered(claim)

    def send_again() -> int:
        while len(delivered) < LANES * IN_A_LANE:
            for letter in store.find_effects(DEAD):
                store.retry_effect(letter.id)
        return 0

    def keep_delivering() -> int:
        count = 0
        while len(delivered) < LANES * IN_A_LANE:
            count += courier(store, "w", delivered, refuse_first_tries)()
        return count

    again: set[str] = set()
    assert at_the_same_moment(send_again, keep_delivering) == LANES * IN_A_LANE
    assert len(set(delivered)) == len(delivered)
    assert store.count_effects() == 0


def test_workers_take_streams_and_their_effects_through(store: Store) -> None:
    ready_to_fire(store, *(f"i{lane}" for lane in range(LANES)), now=NOON)
    post = Post()
    specs = (HandlerSpec("mail", sender(post, *range(5))),)
    pipelines = {name: PipelineDefinition(name, specs) for name in ("fire", "expire")}
    workers = [
        Worker(
            store=store,
            stream_clock=StreamClock(ClockKind.SYSTEM, store, FakeClock(NOON)),
            definitions=[VM],
            pipelines=pipelines,
            options=WorkerOptions(batch_size=2, outbox_batch_size=3, idle_delay_seconds=0.05),
        )
        for _ in range(2)
    ]

    def work(worker: Worker) -> int:
        worker.run_until_idle()
        return worker.counters[Count.EFFECTS_DELIVERED]

    assert at_the_same_moment(*(partial(work, worker) for worker in workers)) == LANES * 5
    delivered = [(effect.stream_id, effect.payload) for call in post.calls for effect in call]
    assert len(set(delivered)) == len(delivered) == LANES * 5
    for stream_id in {stream_id for stream_id, _ in delivered}:
        assert [number for each, number in delivered if each == stream_id] == list(range(5))
    assert store.count_effects() == 0
