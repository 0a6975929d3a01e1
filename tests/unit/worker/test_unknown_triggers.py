"""Streams of triggers that a worker does not know are not changed, and are reported."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from support.builders.events import NOON, claim_all, make_trigger
from winchester_core.model.stream import Reason, StreamState
from winchester_core.storage.records import Failure, TriggerScope
from winchester_core.worker.unknown_triggers import UnknownTriggers

if TYPE_CHECKING:
    import pytest

    from support.scenes.workers import HandlerScript, Scene

LEASE = timedelta(seconds=60)
OTHER = make_trigger("other")


def test_until_idle_ends_without_waiting_for_unknown_triggers(
    scene: Scene, script: HandlerScript, caplog: pytest.LogCaptureFixture
) -> None:
    for instance in ("ready", "claimed", "failed"):
        scene.complete_stream(instance)
    _claimed, failed = claim_all(scene.store, now=NOON, limit=2)
    scene.store.fail(Failure(failed, "no", timedelta(hours=1)), max_attempts=5)
    worker = scene.worker(triggers=[OTHER])
    worker.run_until_idle()
    assert script.calls == []
    states = sorted(each.state.value for each in scene.store.find_streams())
    assert states == ["active", "firing", "retry_fire"]
    assert "streams of unknown triggers left to other workers: streams=2 triggers=vm" in caplog.text


def test_streams_that_no_worker_claims_for_a_lease_are_reported_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1000.0
    monkeypatch.setattr("winchester_core.worker.unknown_triggers.monotonic", lambda: now)
    scene.complete_stream()
    scope = TriggerScope(frozenset({"other"}))
    unknown = UnknownTriggers(scene.store, scope, LEASE)

    def round_after(seconds: float) -> None:
        nonlocal now
        now += seconds
        scene.store.claim_ready(
            worker="w",
            reason=Reason.FIRE,
            now=NOON,
            limit=9,
            lease=LEASE,
            scope=scope,
        )
        if scope.skipped:
            unknown.review()

    round_after(0)
    assert scope.skipped == {"vm"}
    round_after(60)
    assert scope.skipped == frozenset()
    assert "no worker claims" not in caplog.text
    for _ in range(6):
        round_after(30)
    assert (
        caplog.text.count(
            "no worker claims the ready streams of these unknown triggers: triggers=vm"
        )
        == 1
    )


def test_streams_that_another_worker_claims_are_not_reported(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1000.0
    monkeypatch.setattr("winchester_core.worker.unknown_triggers.monotonic", lambda: now)
    worker = scene.worker(triggers=[OTHER], lease=LEASE)
    for number in range(8):
        now += 30
        scene.complete_stream(f"i{number}")
        assert worker.run_once() == 0
        assert len(claim_all(scene.store, worker="knows it", now=NOON, limit=1)) == 1
    assert "no worker claims" not in caplog.text
    assert {each.state for each in scene.store.find_streams()} == {StreamState.FIRING}


def test_all_unknown_triggers_are_found_without_a_claim(scene: Scene) -> None:
    scene.complete_stream()
    scope = TriggerScope(frozenset({"other"}))
    UnknownTriggers(scene.store, scope, LEASE).find()
    assert scope.skipped == {"vm"}


def test_only_some_of_many_unknown_triggers_are_named(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.complete_stream()
    names = [f"t{number:02}" for number in range(25)]
    scope = TriggerScope(frozenset({"other"}), frozenset(names))
    UnknownTriggers(scene.store, scope, LEASE).report_left()
    assert f"triggers={','.join(names[:20])},... (25)" in caplog.text
