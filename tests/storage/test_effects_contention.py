"""Every store: concurrent workers and operators keep the order and lose no effect."""

from __future__ import annotations

import random
import uuid
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from support.builders.events import LEASE, NOON, VM, claim_all, ready_to_fire
from support.scenes.outbox_handlers import ScriptedEndpoint, make_effect_handler
from support.scenes.threads import run_concurrently
from winchester_core.clock import ClockKind, FixedTime, StreamClock
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
from winchester_core.telemetry.counters import Count
from winchester_core.testing.builders import FakeClock
from winchester_core.worker import Worker, WorkerOptions
from winchester_core.worker.options import WorkerConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable

    from winchester_core.storage.effect_records import EffectClaim, EffectResult
    from winchester_core.storage.interface import Store

MAIL = Endpoint("fire", "mail")
ORDERING_KEYS = 6
PER_KEY = 12
PENDING = EffectFilter(state=EffectState.PENDING)
DEAD = EffectFilter(state=EffectState.DEAD)


def stock(store: Store) -> None:
    ready_to_fire(store, *(f"i{key}" for key in range(ORDERING_KEYS)), now=NOON)
    completions = [
        Completion(
            claim,
            effects=tuple(
                QueuedEffect(str(uuid.uuid4()), MAIL, dump_payload([key, number]))
                for number in range(PER_KEY)
            ),
        )
        for key, claim in enumerate(claim_all(store))
    ]
    store.complete(completions, FixedTime(NOON))


def delivery_worker(
    store: Store, name: str, delivered: list[Any], outcome: Callable[[EffectClaim], EffectResult]
) -> Callable[[], int]:
    """Return a function that delivers until nothing is pending and counts the deliveries."""

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
    """Assert that none was delivered twice, and those of each ordering key in order."""
    assert len(set(delivered)) == len(delivered)
    for key in range(ORDERING_KEYS):
        numbers = [number for each, number in delivered if each == key]
        assert numbers == sorted(numbers)


def sometimes_delayed(seed: int) -> Callable[[EffectClaim], EffectResult]:
    """Deliver most effects, and reschedule some without delay."""
    dice = random.Random(seed)

    def outcome(claim: EffectClaim) -> EffectResult:
        if dice.random() < 0.3:
            return EffectDelayed(claim, timedelta(0), "busy")
        return EffectDelivered(claim)

    return outcome


def test_workers_deliver_each_effect_once_and_in_order(store: Store) -> None:
    stock(store)
    delivered: list[Any] = []
    count = run_concurrently(
        *(delivery_worker(store, f"w{n}", delivered, sometimes_delayed(n)) for n in range(3))
    )
    assert count == len(delivered) == ORDERING_KEYS * PER_KEY
    check_order(delivered)
    assert store.count_effects() == 0


def test_concurrent_operators_leave_nothing_stuck(store: Store) -> None:
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

    finished = run_concurrently(
        operator,
        *(delivery_worker(store, f"w{n}", delivered, sometimes_delayed(n)) for n in range(2)),
    )
    assert finished == ORDERING_KEYS * PER_KEY
    check_order(delivered)
    assert store.count_effects() == 0


def test_effects_at_max_age_are_delivered_or_dead(store: Store) -> None:
    stock(store)
    delivered: list[Any] = []

    def mark_overdue_dead() -> int:
        marked = 0
        while store.count_effects(PENDING):
            marked += sum(store.mark_overdue_effects_dead(max_age=-LEASE, limit=2).values())
        return marked

    finished = run_concurrently(
        mark_overdue_dead,
        mark_overdue_dead,
        *(delivery_worker(store, f"w{n}", delivered, EffectDelivered) for n in range(2)),
    )
    assert finished == ORDERING_KEYS * PER_KEY
    check_order(delivered)
    assert store.count_effects() == store.count_effects(DEAD) == finished - len(delivered)


def test_concurrently_retried_dead_letters_are_delivered(store: Store) -> None:
    stock(store)
    delivered: list[Any] = []

    def refuse_first_attempts(claim: EffectClaim) -> EffectResult:
        if claim.effect.payload[1] % 3 == 0 and claim.effect.id not in again:
            again.add(claim.effect.id)
            return EffectRefused(claim, "no")
        return EffectDelivered(claim)

    def retry_dead_letters() -> int:
        while len(delivered) < ORDERING_KEYS * PER_KEY:
            for letter in store.find_effects(DEAD):
                store.retry_effect(letter.id)
        return 0

    def keep_delivering() -> int:
        count = 0
        while len(delivered) < ORDERING_KEYS * PER_KEY:
            count += delivery_worker(store, "w", delivered, refuse_first_attempts)()
        return count

    again: set[str] = set()
    assert run_concurrently(retry_dead_letters, keep_delivering) == ORDERING_KEYS * PER_KEY
    assert len(set(delivered)) == len(delivered)
    assert store.count_effects() == 0


def test_workers_complete_streams_and_deliver_their_effects(store: Store) -> None:
    ready_to_fire(store, *(f"i{key}" for key in range(ORDERING_KEYS)), now=NOON)
    endpoint = ScriptedEndpoint()
    specs = (HandlerSpec("mail", make_effect_handler(endpoint, *range(5))),)
    pipelines = {name: PipelineDefinition(name, specs) for name in ("fire", "expire")}
    workers = [
        Worker(
            store=store,
            stream_clock=StreamClock(ClockKind.SYSTEM, store, FakeClock(NOON)),
            configuration=WorkerConfiguration(
                [VM],
                pipelines,
                WorkerOptions(batch_size=2, outbox_batch_size=3, idle_delay_seconds=0.05),
            ),
        )
        for _ in range(2)
    ]

    def work(worker: Worker) -> int:
        worker.run_until_idle()
        return worker.counters[Count.EFFECTS_DELIVERED]

    assert run_concurrently(*(partial(work, worker) for worker in workers)) == ORDERING_KEYS * 5
    delivered = [(effect.stream_id, effect.payload) for call in endpoint.calls for effect in call]
    assert len(set(delivered)) == len(delivered) == ORDERING_KEYS * 5
    for stream_id in {stream_id for stream_id, _ in delivered}:
        assert [number for each, number in delivered if each == stream_id] == list(range(5))
    assert store.count_effects() == 0
