"""Claims of a worker with parallel runs: number and triggers of the claimed streams."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import NOON, make_trigger
from support.builders.manual_clock import ManualClock
from winchester_core.model.stream import CLAIM_REASONS, Reason
from winchester_core.storage.records import Claim, TriggerScope
from winchester_core.worker import WorkerOptions
from winchester_core.worker.claimer import RECHECK_SECONDS, Claimer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta


class ReadyStreams:
    """A store with any number of ready streams of the triggers `slow` and `fast`."""

    def __init__(self) -> None:
        self.next_id = 1

    def claim_ready(
        self,
        *,
        worker: str,
        reason: Reason,
        now: datetime | None,
        limit: int,
        lease: timedelta,
        scope: TriggerScope,
    ) -> list[Claim]:
        del now, lease
        name = "slow" if "slow" in scope.known else "fast"
        first, self.next_id = self.next_id, self.next_id + limit
        return [make_claim(each, name, reason, worker) for each in range(first, self.next_id)]


def make_claim(stream_id: int, name: str, reason: Reason, worker: str = "w") -> Claim:
    return Claim(stream_id, name, 1, worker, reason, 1, {}, 1, NOON)


def make_claimer(
    limits: Mapping[str, int], batch_size: int = 100, store: ReadyStreams | None = None
) -> Claimer:
    triggers = {
        name: replace(make_trigger(name=name), pipelines=dict.fromkeys(Reason, name))
        for name in ("slow", "fast")
    }
    options = WorkerOptions(batch_size=batch_size, pipeline_concurrency=limits)
    scope = TriggerScope(frozenset(triggers))
    return Claimer(store or ReadyStreams(), "w", triggers, options, scope)  # type: ignore[arg-type]


def number_of(claims: Sequence[Claim], name: str) -> int:
    return sum(claim.name == name for claim in claims)


def test_streams_to_expire_are_claimed_while_many_to_fire_are_held() -> None:
    claimer = make_claimer({})
    held = claimer.claim_ready(Reason.FIRE, NOON, 100, [])
    assert len(held) == 100
    assert claimer.claim_ready(Reason.FIRE, NOON, 100, held) == []
    assert len(claimer.claim_ready(Reason.EXPIRE, NOON, 100, held)) == 100


@pytest.mark.parametrize("batch_size", [5, 1000])
def test_a_limited_pipeline_takes_no_room_from_the_others(batch_size: int) -> None:
    claimer = make_claimer({"slow": 1}, batch_size)
    held: list[Claim] = []
    for _ in range(4):
        held += claimer.claim_ready(Reason.FIRE, NOON, batch_size, held)
    assert (number_of(held, "slow"), number_of(held, "fast")) == (10, batch_size)


@pytest.mark.parametrize("limits", [{}, {"slow": 1}])
def test_no_call_claims_more_than_its_limit(limits: Mapping[str, int]) -> None:
    claimer = make_claimer(limits)
    claims = [claimer.claim_ready(Reason.FIRE, NOON, 3, []) for _ in range(2)]
    assert list(map(len, claims)) == [3, 3]
    if limits:
        assert {claim.name for each in claims for claim in each} == {"slow", "fast"}


def test_few_held_streams_of_a_reason_or_a_limited_pipeline_are_low() -> None:
    claimer = make_claimer({"slow": 1}, batch_size=4)
    assert claimer.low([]) == {*CLAIM_REASONS, "slow"}
    fast = [make_claim(each, "fast", Reason.FIRE) for each in range(3)]
    slow = [make_claim(each, "slow", Reason.EXPIRE) for each in range(10, 15)]
    assert claimer.low([*fast, *slow]) == {Reason.EXPIRE, "slow"}
    slow.append(make_claim(15, "slow", Reason.FIRE))
    assert claimer.low([*fast, *slow]) == {Reason.EXPIRE}
    of_removed_trigger = make_claim(16, "removed", Reason.CANCEL)
    assert claimer.low([of_removed_trigger]) == {*CLAIM_REASONS, "slow"}


@pytest.mark.parametrize("limits", [{}, {"slow": 1}])
def test_queues_are_read_from_their_start_again_after_the_floors_are_cleared(
    limits: Mapping[str, int],
) -> None:
    claimer, scopes = claimer_with_floors(limits)
    assert claimer.clear_floors()
    assert not any(scope.floors for scope in scopes)
    assert not claimer.clear_floors()


def test_limited_pipelines_are_rechecked_at_most_once_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = ManualClock()
    monkeypatch.setattr("winchester_core.worker.claimer.monotonic", clock)
    claimer, scopes = claimer_with_floors({"slow": 1})
    claimer.recheck()
    assert not any(scope.floors for scope in scopes)
    scopes[0].floors["fire"] = NOON
    claimer.recheck()
    assert scopes[0].floors
    clock.seconds += RECHECK_SECONDS
    claimer.recheck()
    assert not scopes[0].floors


def claimer_with_floors(limits: Mapping[str, int]) -> tuple[Claimer, list[TriggerScope]]:
    """Return a claimer whose scopes have floors, and these scopes."""
    scopes: list[TriggerScope] = []

    class WithFloors(ReadyStreams):
        def claim_ready(self, *, scope: TriggerScope, **arguments: Any) -> list[Claim]:
            scope.floors["fire"] = NOON
            scopes.append(scope)
            return super().claim_ready(scope=scope, **arguments)

    claimer = make_claimer(limits, store=WithFloors())
    for _ in range(2):  # each call begins with other pipelines
        claimer.claim_ready(Reason.FIRE, NOON, 100)
    return claimer, scopes
